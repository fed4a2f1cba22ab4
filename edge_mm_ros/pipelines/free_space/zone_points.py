"""Points that stand for the area of a polygon."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FEWEST, _MOST = 100, 4000
_REFINEMENTS = 4


def points_in(polygon_m: Sequence[tuple[float, float]], spacing_m: float) -> NDArray[np.float64]:
    """An even lattice inside a simple polygon, float64 (n, 2); its corners where it is a sliver.

    Args:
        polygon_m: the corners.
        spacing_m: between points; less in a small polygon, more in a large one.
    """
    corners = np.asarray(polygon_m, dtype=np.float64)
    low, high = corners.min(axis=0), corners.max(axis=0)
    area = float(np.prod(high - low))
    spacing = min(max(spacing_m, math.sqrt(area / _MOST)), math.sqrt(max(area, 1e-6) / _FEWEST))
    for _ in range(_REFINEMENTS):
        counts = np.maximum(np.ceil((high - low) / spacing), 1).astype(int)
        axes = [
            low[axis] + (np.arange(counts[axis]) + 0.5) * (high - low)[axis] / counts[axis]
            for axis in (0, 1)
        ]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        found = lattice[_inside(corners, lattice)]
        if len(found) >= _FEWEST // 4:
            return np.asarray(found)
        spacing /= 2.0
    return np.vstack([corners, found])


def _inside(corners: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie in a simple polygon (even-odd rule)."""
    x, y = points.T
    inside = np.zeros(len(points), dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay == by:
            continue
        crosses = (ay > y) != (by > y)
        inside ^= crosses & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return inside
