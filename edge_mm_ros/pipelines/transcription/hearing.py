"""Where the sound that the recogniser hears begins: a few told words back, for context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import SpokenWord
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.transcription.resampling import SAMPLE_RATE_HZ
from edge_mm_ros.pipelines.transcription.segmentation import Ending, Utterance

_KEPT_S = 12.0
_MAX_GAP_S = 2.0
PUNCTUATION = ".,;:!?\u2026-"
# Words get their times to about that.
_LEAD_NS = 100_000_000


@dataclass(frozen=True, eq=False)
class Sound:
    """Sound for the recogniser.

    Attributes:
        samples: float32 (n,), 16 kHz.
        begin_ns: capture time of the first.
        told: the words at its beginning that were told already.
        ended: whether what follows them is a new utterance.
    """

    samples: NDArray[np.float32]
    begin_ns: int
    told: tuple[SpokenWord, ...] = ()
    ended: bool = False

    @property
    def prefix(self) -> str:
        """The told words; how the last of them ends is heard with what follows.

        A sentence that has ended keeps its full stop. Else the decoder sets that and stops, as if
        nothing came after it.
        """
        text = " ".join(word.text for word in self.told)
        return text if self.ended else text.rstrip(PUNCTUATION)


def ending_with(word: SpokenWord, punctuation: str) -> SpokenWord:
    """A word with other punctuation behind it."""
    return replace(word, text=word.text.rstrip(PUNCTUATION) + punctuation)


class HeardBefore:
    """The last utterances, as far as they border on what comes next.

    Whisper understands a sentence better of which it knows the beginning, and a word through which
    a long utterance was cut can only be heard with what is before the cut. What was told is not
    recognised again, but for those last words: the time for a hypothesis hardly grows with the
    utterance (Macháček et al. 2023 trim the sound at sentences).
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._samples = np.zeros(0, dtype=np.float32)
        self._begin_ns = 0
        self._words: tuple[SpokenWord, ...] = ()
        self._ended = False

    def end_with(self, punctuation: str) -> bool:
        """Put punctuation behind what was told; False where nothing changes by that."""
        if not self._words or not punctuation or self._words[-1].text.endswith(punctuation):
            return False
        self._words = (*self._words[:-1], ending_with(self._words[-1], punctuation))
        return True

    def with_context(
        self, utterance: Utterance, told: Sequence[SpokenWord], context_s: float
    ) -> Sound:
        """What is not told yet of an utterance, behind about `context_s` of what was told before.

        Without samples where all of it was told: an utterance may be cut before its last hypothesis
        ends.

        Args:
            utterance: as it was heard so far.
            told: its words that were told already.
            context_s: seconds; 0: no words before the utterance, and only its last told one.
        """
        earlier = self._until(utterance.samples_ns)
        words = (*self._words, *told) if context_s > 0.0 else tuple(told)
        if not words:
            return Sound(utterance.samples, utterance.samples_ns)
        end_ns = utterance.samples_ns + len(utterance.samples) * NS_PER_S // SAMPLE_RATE_HZ
        if words[-1].end_ns >= end_ns:
            return Sound(utterance.samples[:0], end_ns, words)
        from_ns = words[-1].end_ns - to_ns(context_s)
        known = tuple(word for word in words[:-1] if word.start_ns >= from_ns) + words[-1:]
        samples = np.concatenate([earlier, utterance.samples])
        begin_ns = utterance.samples_ns - len(earlier) * NS_PER_S // SAMPLE_RATE_HZ
        skipped = max(0, (known[0].start_ns - _LEAD_NS - begin_ns) * SAMPLE_RATE_HZ // NS_PER_S)
        begin_ns += skipped * NS_PER_S // SAMPLE_RATE_HZ
        return Sound(samples[skipped:], begin_ns, known, ended=self._ended and not told)

    def remember(self, utterance: Utterance, words: Sequence[SpokenWord]) -> None:
        """Keep an utterance that is complete, and what was told of it."""
        begin_ns = utterance.samples_ns
        joined = np.concatenate([self._until(begin_ns), utterance.samples])
        end_ns = begin_ns + len(utterance.samples) * NS_PER_S // SAMPLE_RATE_HZ
        self._samples = joined[-round(_KEPT_S * SAMPLE_RATE_HZ) :]
        self._begin_ns = end_ns - len(self._samples) * NS_PER_S // SAMPLE_RATE_HZ
        self._ended = utterance.ending is Ending.ENDED
        kept = (*self._words, *words)
        # They may reach beyond the sound: the recogniser had heard more before it was cut there.
        self._words = tuple(word for word in kept if word.start_ns >= self._begin_ns)

    def _until(self, time_ns: int) -> NDArray[np.float32]:
        """What is kept, cut or filled with silence up to a time; nothing where it is far off."""
        count = round((time_ns - self._begin_ns) * SAMPLE_RATE_HZ / NS_PER_S)
        missing = count - len(self._samples)
        if (
            not len(self._samples)
            or count <= 0
            or missing * NS_PER_S > SAMPLE_RATE_HZ * to_ns(_MAX_GAP_S)
        ):
            self.reset()
        elif missing > 0:
            return np.concatenate([self._samples, np.zeros(missing, dtype=np.float32)])
        return self._samples[: max(0, count)]
