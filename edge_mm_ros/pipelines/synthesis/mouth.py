"""Says one utterance after the other at the pace of speech, and stops where it must."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.synthesis.queue import SpeechQueue, Utterance
from edge_mm_ros.pipelines.synthesis.speech import Speech

_CHUNK_S = 0.05
_MAX_CUTS = 1  # an answer that was cut is said again from its begin, once


@dataclass(frozen=True, eq=False)
class Sounding:
    """A piece of sound with the time at which it is to be heard.

    Attributes:
        samples: mono int16 (n,).
        sample_rate_hz: samples per second.
        stamp_ns: of the first sample, nanoseconds.
    """

    samples: NDArray[np.int16]
    sample_rate_hz: int
    stamp_ns: int


@dataclass(frozen=True)
class Turn:
    """What follows from one step.

    Attributes:
        sound: pieces to be given out now.
        speaking: whether sound is to be heard, or goes on in a moment.
    """

    sound: tuple[Sounding, ...]
    speaking: bool


class Mouth:
    """Takes utterances from a queue and gives out their sound when it is due.

    It takes time from its caller alone; between two steps nothing happens.

    Args:
        queue: what waits.
        begin: starts to turn an utterance into sound, elsewhere.
        lead_s: how far sound is given out ahead of its time; who cannot drop it again hears it
            also after a cut.
    """

    def __init__(self, queue: SpeechQueue, begin: Callable[[Speech], None], lead_s: float) -> None:
        self._queue = queue
        self._begin = begin
        self._lead_ns = to_ns(lead_s)
        self._current: Speech | None = None
        self._next_ns: int | None = None  # when the next sample is to be heard
        self._until_ns = 0  # when the last one that was given out has been heard
        self._now_ns = 0
        self._speaking = False
        self.said = 0
        self.cut = 0

    @property
    def current(self) -> Utterance | None:
        """What is being said."""
        return self._current.utterance if self._current else None

    def say(self, utterance: Utterance) -> bool:
        """Say it when its turn comes; what is more important cuts what is being said.

        Returns:
            whether something was cut: who plays the sound drops what is not yet heard.
        """
        self._queue.put(utterance)
        current = self._current
        if current is None or current.utterance.importance <= utterance.importance:
            return False
        self.cut += 1
        current.stop()
        self._current = None
        cut = current.utterance
        if cut.cut < _MAX_CUTS:
            self._queue.put_back(
                Utterance(cut.text, cut.importance, cut.since_ns, cut.key, cut.cut + 1)
            )
        self._next_ns = None  # what was given out is heard first
        return True

    def silence(self) -> None:
        """Stop at once and say no more of it."""
        if self._current is not None:
            self._current.stop()
            self._current = None
        self._until_ns = 0
        self._speaking = False

    def step(self, now_ns: int) -> Turn:
        """What is due until a moment from now."""
        if now_ns < self._now_ns:  # the clock was set back
            self._next_ns = None
            self._until_ns = min(self._until_ns, now_ns)
        self._now_ns = now_ns
        sound: list[Sounding] = []
        while (current := self._current or self._start(now_ns)) is not None:
            sound += self._due(current, now_ns)
            if not current.over:
                break
            self.said += bool(current.sample_rate_hz)
            self._current = None
        # Between two utterances it does not stop for the moment that an engine needs.
        self._speaking = now_ns < self._until_ns or (self._speaking and self._current is not None)
        return Turn(tuple(sound), self._speaking)

    def _start(self, now_ns: int) -> Speech | None:
        """The next utterance, once the last one has been heard but for the lead."""
        if self._until_ns > now_ns + self._lead_ns:
            return None
        utterance = self._queue.take(now_ns)
        if utterance is None:
            return None
        self._current = Speech(utterance)
        self._next_ns = None
        self._begin(self._current)
        return self._current

    def _due(self, speech: Speech, now_ns: int) -> list[Sounding]:
        rate_hz = speech.sample_rate_hz
        found: list[Sounding] = []
        while rate_hz:
            # After silence, or where the engine was slower than the speech, it goes on from now.
            start_ns = max(now_ns, self._until_ns) if self._next_ns is None else self._next_ns
            start_ns = max(start_ns, now_ns)
            if start_ns >= now_ns + self._lead_ns:
                break
            samples = speech.take(max(1, round(rate_hz * _CHUNK_S)))
            if not len(samples):
                break
            found.append(Sounding(samples, rate_hz, start_ns))
            self._next_ns = self._until_ns = start_ns + len(samples) * NS_PER_S // rate_hz
        return found
