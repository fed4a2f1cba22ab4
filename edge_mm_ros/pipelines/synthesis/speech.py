"""The sound of one utterance on its way from an engine's thread to the ear."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.synthesis.queue import Utterance


class Speech:
    """One utterance and the sound of it so far; usable from two threads.

    Attributes:
        utterance: what is said.
    """

    def __init__(self, utterance: Utterance) -> None:
        self.utterance = utterance
        self._lock = threading.Lock()
        self._pieces: deque[NDArray[np.int16]] = deque()
        self._sample_rate_hz = 0
        self._ended = False
        self._stopped = False
        self._stop: Callable[[], None] | None = None

    # The engine's side ----------------------------------------------------------------------------

    def attach(self, stop: Callable[[], None]) -> None:
        """Say how the engine's work is ended; called at once where it is not wanted any more."""
        with self._lock:
            self._stop = stop
            stopped = self._stopped
        if stopped:
            stop()

    def add(self, samples: NDArray[np.int16], sample_rate_hz: int) -> None:
        """Add sound: mono (n,), all of one rate."""
        with self._lock:
            self._sample_rate_hz = sample_rate_hz
            if not self._stopped and len(samples):
                self._pieces.append(samples)

    def end(self) -> None:
        """No more sound comes."""
        with self._lock:
            self._ended = True

    # The mouth's side -----------------------------------------------------------------------------

    def stop(self) -> None:
        """End it: what waits is dropped and the engine's work ends."""
        with self._lock:
            self._stopped = True
            self._pieces.clear()
            stop = self._stop
        if stop is not None:
            stop()

    @property
    def stopped(self) -> bool:
        """Whether it was stopped."""
        return self._stopped

    @property
    def sample_rate_hz(self) -> int:
        """Samples per second; 0 until sound has come."""
        return self._sample_rate_hz

    @property
    def over(self) -> bool:
        """Whether all sound has come and was taken."""
        with self._lock:
            return self._ended and not self._pieces

    def take(self, count: int) -> NDArray[np.int16]:
        """The next samples: `count`, or at the end the rest; none where fewer have come.

        So the pieces are the same, however fast the engine is.
        """
        taken: list[NDArray[np.int16]] = []
        with self._lock:
            if not self._ended and sum(map(len, self._pieces)) < count:
                return np.zeros(0, np.int16)
            while self._pieces and count > 0:
                piece = self._pieces.popleft()
                taken.append(piece[:count])
                if len(piece) > count:
                    self._pieces.appendleft(piece[count:])
                count -= len(taken[-1])
        return np.concatenate(taken) if taken else np.zeros(0, np.int16)
