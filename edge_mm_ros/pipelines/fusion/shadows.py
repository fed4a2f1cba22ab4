"""Which sides of a thing are none of its own, because something nearer hides what goes on there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BESIDE_RAD = 0.025  # the gap between neighbouring beams, at a step of a degree, and a little
_NEARER_M, _NEARER_SHARE = 0.3, 0.05  # what casts a shadow is so much nearer, or this share of it


@dataclass(frozen=True)
class Outline:
    """What a sensor sees of a thing on the plan.

    Attributes:
        middle_rad: the direction of its middle.
        right_rad: how far it reaches to the right of that, at most 0.
        left_rad: how far to the left, at least 0.
        right_m: how far away its right side is.
        left_m: how far its left side.
    """

    middle_rad: float
    right_rad: float
    left_rad: float
    right_m: float
    left_m: float


def outline_of(points_m: NDArray[np.floating], sensor_m: NDArray[np.float64]) -> Outline:
    """The outline of points (n, 3), n at least 1, that lie to one side of a sensor."""
    x, y = points_m[:, 0] - sensor_m[0], points_m[:, 1] - sensor_m[1]
    ahead, aside = float(x.mean()), float(y.mean())
    # Turned so that the middle lies ahead, no angle jumps by a full turn.
    turned = np.arctan2(ahead * y - aside * x, ahead * x + aside * y)
    right, left = int(turned.argmin()), int(turned.argmax())
    right_m, left_m = (float(np.hypot(x[end], y[end])) for end in (right, left))
    middle = float(np.arctan2(aside, ahead))
    return Outline(middle, float(turned[right]), float(turned[left]), right_m, left_m)


def hidden_beyond_m(outlines: Sequence[Outline]) -> NDArray[np.float64]:
    """How much of each thing may be hidden beyond each of its sides, by what stands before it.

    Where the side of a thing touches the side of something nearer, as its sensor sees them, the
    thing may go on behind that. What shows of it there is the edge of a shadow, which moves with
    what casts it.

    Args:
        outlines: of n things that one sensor shows at one time.

    Returns:
        float64 (n, 2), to the right and to the left of each; 0 where the side is its own.
    """
    if len(outlines) < 2:
        return np.zeros((len(outlines), 2))
    values = [[o.middle_rad, o.right_rad, o.left_rad, o.right_m, o.left_m] for o in outlines]
    middle, right, left, right_m, left_m = np.array(values).T
    found = []
    # To the left everything is as to the right in a mirror.
    for sign, own, own_m, its, its_m, far in (
        (-1.0, -right, right_m, -left, left_m, -right),
        (1.0, left, left_m, right, right_m, left),
    ):
        apart = sign * (middle[None] - middle[:, None])
        apart = (apart + np.pi) % (2.0 * np.pi) - np.pi
        gap = apart + its[None] - own[:, None]  # from the side of each to what lies beyond
        nearer = its_m[None] < own_m[:, None] - np.maximum(
            _NEARER_M, _NEARER_SHARE * own_m[:, None]
        )
        beyond = apart + far[None] - own[:, None]
        touches = (np.abs(gap) <= _BESIDE_RAD) & (beyond > _BESIDE_RAD) & nearer
        found.append(np.where(touches, beyond, 0.0).max(axis=1) * own_m)
    return np.stack(found, axis=1)
