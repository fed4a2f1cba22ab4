"""Spoken keywords."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mm_ros.datatypes import SafetyEvent, Transcript
from edge_mm_ros.params.safety_rules import KeywordRule, words_of
from edge_mm_ros.pipelines.monitoring.condition import Finding, RuleConditions, Timing
from edge_mm_ros.pipelines.phonetics import find_phrase
from edge_mm_ros.pipelines.stamps import to_ns


def says(text: str, phrase: str, *, alike: bool = True) -> bool:
    """Whether a text has a phrase, word by word, whatever the case and the punctuation.

    Args:
        text: what was heard.
        phrase: what is searched.
        alike: whether words that sound like the phrase's will do.
    """
    words, wanted = words_of(text), words_of(phrase)
    if alike:
        return find_phrase(words, wanted) is not None
    return any(words[i : i + len(wanted)] == wanted for i in range(len(words) - len(wanted) + 1))


@dataclass
class _Heard:
    """The last time that a phrase was heard; `complete` once its utterance has its final text."""

    utterance_ns: int
    until_ns: int
    complete: bool


class KeywordListener:
    """Holds a condition for each phrase of one rule for a while after it was heard."""

    def __init__(self, rule: KeywordRule, evidence: tuple[str, ...]) -> None:
        self.rule = rule
        self.conditions = RuleConditions(rule.name, rule.kind, rule.level.safety, Timing())
        self._evidence = evidence
        self._heard: dict[str, _Heard] = {}

    def hear(self, transcript: Transcript, now_ns: int) -> list[SafetyEvent]:
        """Take a transcript; hypotheses and the final text of one utterance tell once."""
        rule = self.rule
        if transcript.confidence < rule.minimum_confidence:
            return []
        if not transcript.is_final and not rule.incremental:
            return []
        events = []
        for phrase in rule.phrases:
            told = self._told(phrase, transcript)
            if told or not says(transcript.text, phrase, alike=rule.sounds_alike):
                continue
            finding = Finding(
                True,
                f'somebody said "{phrase}"',
                f'"{phrase}" has not been said again',
                "",
                {"word": phrase, "text": transcript.text, "confidence": transcript.confidence},
                sensor=transcript.frame_id,
            )
            until_ns = now_ns + to_ns(rule.hold_s)
            self._heard[phrase] = _Heard(transcript.start_ns, until_ns, transcript.is_final)
            events += self.conditions.update({phrase: finding}, transcript.start_ns, self._evidence)
        return events

    def _told(self, phrase: str, transcript: Transcript) -> bool:
        """Whether the same utterance has told of the phrase before, and that is over already."""
        heard = self._heard.get(phrase)
        if heard is None or heard.complete or heard.utterance_ns != transcript.start_ns:
            return False
        heard.complete = transcript.is_final
        return not self.conditions.started(phrase)

    def tick(self, now_ns: int) -> list[SafetyEvent]:
        """End what has been held long enough."""
        events = []
        for phrase, heard in sorted(self._heard.items()):
            if self.conditions.started(phrase) and now_ns >= heard.until_ns:
                events += self.conditions.end(heard.until_ns, "", phrase)
        return events

    def end(self, stamp_ns: int, why: str) -> list[SafetyEvent]:
        """End everything and forget what was heard."""
        self._heard.clear()
        return self.conditions.end(stamp_ns, why)

    def reset(self) -> None:
        """Forget everything."""
        self._heard.clear()
        self.conditions.reset()
