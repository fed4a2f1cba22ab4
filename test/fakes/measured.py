"""Measurements of objects as a LiDAR or a camera would make them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.tracking import Measurement, RadialVelocity, Scan

START_NS = 1_700_000_000_000_000_000


def measured(
    place_m: Sequence[float] | NDArray[np.float64],
    *,
    sigma_m: float | Sequence[float] = 0.2,
    label: str = "Normal",
    score: float = 0.9,
    sources: tuple[str, ...] = ("camera:front",),
    bias_m: float = 0.0,
    radial: RadialVelocity | None = None,
) -> Measurement:
    """One measurement; a place of two numbers is 0.9 m above the ground."""
    values = [float(value) for value in place_m]
    return Measurement(
        np.array(values if len(values) == 3 else [*values, 0.9]),
        np.diag(np.broadcast_to(np.square(sigma_m), 3)).astype(np.float64),
        label,
        score,
        np.array([0.5, 0.5, 1.8]),
        sources,
        np.eye(3) * bias_m**2,
        radial,
    )


def scan(at_s: float, *items: Measurement, sensor: str = "front") -> Scan:
    """One scan, so many seconds after the start."""
    return Scan(sensor, START_NS + round(at_s * 1e9), items)


def noisy(
    rng: np.random.Generator, places_m: Iterable[Sequence[float]], sigma_m: float
) -> list[Measurement]:
    """Measurements of places with normally distributed errors."""
    return [
        measured(np.array([x, y, 0.9]) + rng.normal(0.0, sigma_m, 3), sigma_m=sigma_m)
        for x, y in places_m
    ]
