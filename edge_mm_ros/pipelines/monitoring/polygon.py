"""Points and simple polygons on the ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

Point = tuple[float, float]


def contains(corners: Sequence[Point], x: float, y: float) -> bool:
    """Whether a point lies in a simple polygon (even-odd rule); on its border it may do either."""
    inside = False
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
    return inside


def outline(corners: Sequence[Point]) -> NDArray[np.float64]:
    """The corners of a polygon as float64 (m, 2)."""
    return np.asarray(corners, dtype=np.float64).reshape(-1, 2)


def distances_outside_m(
    corners: NDArray[np.float64], points_m: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far points lie outside of a simple polygon, and the nearest places of its border.

    Args:
        corners: float64 (m, 2).
        points_m: float64 (n, 2).

    Returns:
        float64 (n,), 0 inside, and float64 (n, 2).
    """
    following = np.arange(1, len(corners) + 1) % len(corners)
    begins, sides = corners, corners[following] - corners
    gaps = points_m[:, None, :] - begins  # (n, m, 2)
    along = np.clip(np.sum(gaps * sides, axis=2) / np.sum(sides * sides, axis=1), 0.0, 1.0)
    feet = begins + along[..., None] * sides
    away = np.hypot(*np.moveaxis(points_m[:, None, :] - feet, 2, 0))
    nearest = np.argmin(away, axis=1)
    rows = np.arange(len(points_m))
    above = gaps[..., 1] < 0.0
    crossing = above != above[:, following]
    with np.errstate(divide="ignore", invalid="ignore"):
        left = gaps[..., 0] < gaps[..., 1] * sides[:, 0] / sides[:, 1]
    inside = np.count_nonzero(crossing & left, axis=1) % 2 == 1
    return np.where(inside, 0.0, away[rows, nearest]), feet[rows, nearest]


def widened(
    corners: NDArray[np.float64], half_extent_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A convex polygon, grown by a box: where a box's centre lies when the two touch.

    The Minkowski sum of two convex shapes is the hull of the sums of their corners.

    Args:
        corners: float64 (m, 2).
        half_extent_m: float64 (2,), half of the box's extent along x and y.

    Returns:
        float64 (k, 2), counter-clockwise.
    """
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=np.float64)
    sums = (corners[:, None, :] + signs * half_extent_m).reshape(-1, 2)
    return np.asarray(sums[ConvexHull(sums).vertices])
