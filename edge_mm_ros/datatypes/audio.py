"""Sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """A stretch of sound.

    Attributes:
        samples: float32 (n, channels), -1 to 1.
        sample_rate_hz: samples per second and channel.
        stamp_ns: capture time of the first sample, nanoseconds.
        frame_id: the microphone's frame.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.ndim != 2:
            raise InvalidInput(
                "sample_format",
                f"audio: expected float32 (n, channels), got {self.samples.dtype} "
                f"{self.samples.shape}",
            )
        if self.sample_rate_hz <= 0:
            raise InvalidInput("sample_rate", f"audio: sample rate {self.sample_rate_hz} Hz")

    @property
    def duration_ns(self) -> int:
        """Length, nanoseconds."""
        return round(len(self.samples) * 1_000_000_000 / self.sample_rate_hz)
