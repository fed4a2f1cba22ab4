"""Questions to the robot: what follows its wake phrase."""

from __future__ import annotations

from edge_mm_ros.datatypes import Transcript
from edge_mm_ros.params.safety_rules import words_of
from edge_mm_ros.pipelines.phonetics import find_phrase
from edge_mm_ros.pipelines.stamps import to_ns


class WakePhrase:
    """Finds the question in final transcripts; after the bare phrase the next one is it."""

    def __init__(self) -> None:
        self._awake_until_ns: int | None = None

    def question(self, transcript: Transcript, phrase: str, window_s: float) -> str:
        """The question that a transcript asks; empty where it asks none.

        Args:
            transcript: what was said; only a final one counts.
            phrase: the wake phrase; empty: nothing is a question.
            window_s: how long after the bare phrase a question may begin.
        """
        wanted = words_of(phrase)
        if not wanted or not transcript.is_final:
            return ""
        spoken = transcript.text.split()
        begin = find_phrase([" ".join(words_of(word)) for word in spoken], wanted)
        if begin is not None:
            asked = " ".join(spoken[begin + len(wanted) :])
            self._awake_until_ns = None if asked else transcript.end_ns + to_ns(window_s)
            return asked
        awake_until_ns, self._awake_until_ns = self._awake_until_ns, None
        if awake_until_ns is None or transcript.start_ns > awake_until_ns:
            return ""
        return transcript.text
