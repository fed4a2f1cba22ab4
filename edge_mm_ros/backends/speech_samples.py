"""What speech recognisers are given."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import InputRefused

SAMPLE_RATE_HZ = 16_000


def check_samples(model: str, samples: NDArray[Any]) -> None:
    """Refuse what is no sound.

    Raises:
        InputRefused: the samples are not finite float32 (n,).
    """
    if samples.dtype != np.float32 or samples.ndim != 1 or not np.all(np.isfinite(samples)):
        raise InputRefused(
            f"model '{model}': expected finite float32 (n,), got {samples.dtype} {samples.shape}"
        )


def primary_language(tag: str) -> str:
    """``de`` of ``de``, ``DE``, ``de_AT`` or ``de-AT``; empty stays empty."""
    return tag.partition("-")[0].partition("_")[0].lower()


def compression_ratio(text: str) -> float:
    """Length of a text over that of its zlib form; high for repetitions, 0 without any text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0
