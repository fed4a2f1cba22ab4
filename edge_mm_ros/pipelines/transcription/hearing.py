"""The sound before an utterance, which the recogniser hears again for context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import SpokenWord
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.transcription.resampling import SAMPLE_RATE_HZ
from edge_mm_ros.pipelines.transcription.segmentation import Utterance

# With this much sound a window of 15 s suffices for the recogniser.
_ENOUGH_S = 12.0
_MAX_GAP_S = 2.0
# How far before the last word that was told a cut-off one is heard again.
_RUN_UP_S = 1.0
_EDGE_NS = 50_000_000


@dataclass(frozen=True, eq=False)
class Sound:
    """Sound for the recogniser.

    Attributes:
        samples: float32 (n,), 16 kHz.
        begin_ns: capture time of the first.
        told: the words in it that were told already, with what came before.
    """

    samples: NDArray[np.float32]
    begin_ns: int
    told: tuple[SpokenWord, ...] = ()


class HeardBefore:
    """The last utterances, as far as they border on what comes next.

    Whisper understands a sentence better that it hears from its beginning, and a word through
    which a long utterance was cut can only be heard with what is before the cut.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._samples = np.zeros(0, dtype=np.float32)
        self._begin_ns = 0
        self._words: tuple[SpokenWord, ...] = ()
        self._cut = False

    def with_context(self, utterance: Utterance, context_s: float) -> Sound:
        """An utterance behind up to `context_s` of what came before it; more after a cut."""
        begin_ns = utterance.samples_ns
        earlier = self._until(begin_ns)
        wanted_s = min(context_s, _ENOUGH_S - len(utterance.samples) / SAMPLE_RATE_HZ)
        if self._cut and self._words:
            wanted_s = max(wanted_s, (begin_ns - self._words[-1].end_ns) / NS_PER_S + _RUN_UP_S)
        count = round(wanted_s * SAMPLE_RATE_HZ)
        context = earlier[-count:] if count > 0 else earlier[:0]
        begin_ns -= len(context) * NS_PER_S // SAMPLE_RATE_HZ
        # Of an utterance that was cut, words behind the cut may have been told with it.
        told = tuple(word for word in self._words if word.start_ns >= begin_ns - _EDGE_NS)
        return Sound(np.concatenate([context, utterance.samples]), begin_ns, told)

    def remember(self, utterance: Utterance, words: Sequence[SpokenWord], *, cut: bool) -> None:
        """Keep an utterance that was recognised.

        Args:
            utterance: it is complete.
            words: what was told of it.
            cut: whether its last words were left for what follows.
        """
        begin_ns = utterance.samples_ns
        joined = np.concatenate([self._until(begin_ns), utterance.samples])
        end_ns = begin_ns + len(utterance.samples) * NS_PER_S // SAMPLE_RATE_HZ
        self._samples = joined[-round(_ENOUGH_S * SAMPLE_RATE_HZ) :]
        self._begin_ns = end_ns - len(self._samples) * NS_PER_S // SAMPLE_RATE_HZ
        kept = (*self._words, *words)
        # They may reach beyond the sound: the recogniser had heard more before it was cut there.
        self._words = tuple(word for word in kept if word.start_ns >= self._begin_ns)
        self._cut = cut

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
