"""How the robot moves, and how objects move as it sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Object3D, Odometry
from edge_mm_ros.params.safety_zones import BrakingZone

_STEP_M = 0.2  # of the way between two looks at a path
_MOST_STEPS = 400
_ARC_PIECES = 8
_MOST_TURN_RAD = 0.9 * math.pi  # of a braking zone: more, and it would cover itself


@dataclass(frozen=True)
class OwnMotion:
    """The robot's motion, in its own axes.

    Attributes:
        forward_mps, left_mps: its velocity.
        turn_radps: its turn rate, positive to the left.
    """

    forward_mps: float = 0.0
    left_mps: float = 0.0
    turn_radps: float = 0.0

    @classmethod
    def of(cls, odometry: Odometry) -> OwnMotion:
        """As odometry tells."""
        forward, left = odometry.velocity_mps[:2].tolist()
        return cls(forward, left, float(odometry.turn_rate_radps[2]))

    @property
    def speed_mps(self) -> float:
        """Its speed over the ground."""
        return math.hypot(self.forward_mps, self.left_mps)


@dataclass(frozen=True, eq=False)
class RelativePath:
    """Where an object will be, as the robot sees it.

    Attributes:
        times_s: float64 (n,), from 0 on.
        places_m: float64 (n, 2), in the robot's frame of each time.
    """

    times_s: NDArray[np.float64]
    places_m: NDArray[np.float64]


def relative_speed_mps(item: Object3D, own: OwnMotion) -> float:
    """How fast an object of known velocity moves, as a robot sees it that turns with its axes."""
    assert item.velocity_mps is not None
    x, y = item.position_m[:2].tolist()
    along, aside = item.velocity_mps[:2].tolist()
    return math.hypot(
        along - own.forward_mps + own.turn_radps * y, aside - own.left_mps - own.turn_radps * x
    )


def reach_m(item: Object3D, own: OwnMotion, horizon_s: float) -> float:
    """How far an object of known velocity may come at most within a time, as the robot sees it."""
    assert item.velocity_mps is not None
    speed = math.hypot(*item.velocity_mps[:2].tolist()) + own.speed_mps
    swept = abs(own.turn_radps) * (item.distance_m + speed * horizon_s)
    return (speed + swept) * horizon_s


def relative_path(item: Object3D, own: OwnMotion, horizon_s: float) -> RelativePath:
    """The path of an object that goes straight on, seen from a robot that keeps its twist.

    Args:
        item: the object; its velocity is known.
        own: the robot's motion.
        horizon_s: how far to look ahead.
    """
    assert item.velocity_mps is not None
    place, velocity = item.position_m[:2], item.velocity_mps[:2]
    speed = relative_speed_mps(item, own)
    steps = math.ceil(min(speed * horizon_s / _STEP_M + 1.0, _MOST_STEPS))
    times = np.linspace(0.0, horizon_s, steps + 1)
    turned = own.turn_radps * times
    # The robot's way over the ground, of a steady twist; sinc(x) is sin(pi x) / (pi x).
    ahead = times * np.sinc(turned / np.pi)
    aside = times * np.sinc(turned / (2.0 * np.pi)) * np.sin(turned / 2.0)
    driven = np.column_stack(
        [
            own.forward_mps * ahead - own.left_mps * aside,
            own.forward_mps * aside + own.left_mps * ahead,
        ]
    )
    gap = place + times[:, None] * velocity - driven
    cosine, sine = np.cos(turned), np.sin(turned)
    places = np.column_stack(
        [cosine * gap[:, 0] + sine * gap[:, 1], cosine * gap[:, 1] - sine * gap[:, 0]]
    )
    return RelativePath(times, places)


def braking_outline(zone: BrakingZone, own: OwnMotion) -> NDArray[np.float64]:
    """The corners of a braking zone now, float64 (m, 2), in the robot's frame.

    It follows the arc on which the robot drives, forward or backward.
    """
    speed = own.forward_mps
    sense, start = (1.0, zone.front_m) if speed >= 0.0 else (-1.0, -zone.rear_m)
    length = zone.stopping_distance_m(speed) + zone.margin_m
    tightest = 1.6 / zone.width_m  # the inner edge still has a radius
    curve = own.turn_radps / abs(speed) if abs(speed) > 1e-3 else 0.0
    curve = min(max(curve, -tightest), tightest)
    if abs(curve) * length > _MOST_TURN_RAD:
        length = _MOST_TURN_RAD / abs(curve)
    way = np.linspace(0.0, length, _ARC_PIECES + 1 if curve else 2)
    turned = curve * way
    ahead = sense * way * np.sinc(turned / np.pi)
    aside = sense * way * np.sinc(turned / (2.0 * np.pi)) * np.sin(turned / 2.0)
    middle = np.column_stack([start + ahead, aside])
    half = 0.5 * zone.width_m * np.column_stack([-np.sin(turned), np.cos(turned)])
    return np.concatenate([middle - half, (middle + half)[::-1]])
