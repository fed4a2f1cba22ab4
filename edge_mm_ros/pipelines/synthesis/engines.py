"""The protocol of what turns a text into sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import EdgeMmError


class EngineFailed(EdgeMmError):
    """An engine gave no sound, or not all of it."""


@dataclass(frozen=True)
class Voice:
    """How it should sound, as far as an engine can.

    Attributes:
        name: the engine's own name of a voice, or a language.
        words_per_minute: pace.
    """

    name: str
    words_per_minute: int


class Rendering(Protocol):
    """One text that becomes sound."""

    def pieces(self) -> Iterator[tuple[NDArray[np.int16], int]]:
        """The sound as it comes: mono samples (n,) and their rate in hertz.

        Raises:
            EngineFailed: there is no sound, or no more of it; says why and the mend.
        """
        ...

    def stop(self) -> None:
        """End the work at once; callable from another thread and more than once."""
        ...


class SpeechEngine(Protocol):
    """Turns texts into sound, one at a time."""

    @property
    def name(self) -> str:
        """As users know it."""
        ...

    def problem(self) -> str:
        """Why it cannot speak, and the mend; empty where it can, as far as can be told."""
        ...

    def begin(self, text: str, voice: Voice) -> Rendering:
        """Begin to speak a text.

        Raises:
            EngineFailed: it cannot.
        """
        ...

    def warm_up(self, voice: Voice) -> None:
        """Make ready for a text that comes at any time."""
        ...

    def close(self) -> None:
        """Give back what it holds; it may be used again."""
        ...
