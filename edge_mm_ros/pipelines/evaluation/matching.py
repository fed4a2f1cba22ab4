"""Which track stands for which object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def distances(one_m: NDArray[np.float64], other_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distances (n, m) between two sets of points (n, d) and (m, d)."""
    if not len(one_m) or not len(other_m):
        return np.zeros((len(one_m), len(other_m)))
    return np.asarray(cdist(one_m, other_m), dtype=np.float64)


def assign(gap_m: NDArray[np.float64], limit_m: float) -> list[tuple[int, int]]:
    """Pairs of row and column: as many as possible within the limit, then the nearest.

    Args:
        gap_m: (n, m), distances.
        limit_m: furthest that a pair may be apart.
    """
    if not gap_m.size:
        return []
    # More than all distances together, so that one pair more always pays.
    forbidden = (limit_m + 1.0) * (min(gap_m.shape) + 1)
    cost = np.where(gap_m <= limit_m, gap_m, forbidden)
    rows, columns = linear_sum_assignment(cost)
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if gap_m[row, column] <= limit_m
    ]
