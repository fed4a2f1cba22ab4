"""Any sound to 16 kHz mono, as a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import EdgeMmError

SAMPLE_RATE_HZ = 16_000


class MonoResampler:
    """Mixes channels and resamples one continuous stream (package ``soxr``, high quality).

    Output sample ``n`` belongs to time ``n / 16000`` after the stream's first input sample: the
    filter's delay is already taken out, it only makes the output come later.

    Raises:
        EdgeMmError: the package is missing, and the rate is not 16 kHz already.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._stream = None if sample_rate_hz == SAMPLE_RATE_HZ else _stream(sample_rate_hz)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is ready at 16 kHz after samples (n, channels); float32 (m,)."""
        return self._convert(samples.mean(axis=1, dtype=np.float32), last=False)

    def flush(self) -> NDArray[np.float32]:
        """The rest; the stream is at its end."""
        return self._convert(np.zeros(0, dtype=np.float32), last=True)

    def _convert(self, mono: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        if self._stream is None:
            return mono
        return np.asarray(self._stream.resample_chunk(mono, last=last), dtype=np.float32)


def _stream(sample_rate_hz: int) -> Any:
    try:
        import soxr
    except ImportError as error:
        raise EdgeMmError(
            f"sound at {sample_rate_hz} Hz needs the package soxr; install it with: "
            "pip install edge_mm_ros[speech]"
        ) from error
    return soxr.ResampleStream(sample_rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
