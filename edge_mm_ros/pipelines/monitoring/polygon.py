"""Points and simple polygons on the ground."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]


def contains(corners: Sequence[Point], x: float, y: float) -> bool:
    """Whether a point lies in a simple polygon (even-odd rule); on its border it may do either."""
    inside = False
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
    return inside


def distance_outside_m(corners: Sequence[Point], x: float, y: float) -> float:
    """How far a point lies outside of a simple polygon; 0 inside."""
    if contains(corners, x, y):
        return 0.0
    nearest = math.inf
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        dx, dy = bx - ax, by - ay
        along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)
        along = min(max(along, 0.0), 1.0)
        nearest = min(nearest, math.hypot(x - ax - along * dx, y - ay - along * dy))
    return nearest
