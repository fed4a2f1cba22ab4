"""Motion along scripted waypoints on flat ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.params.scenario import Waypoint

_STANDING_MPS = 0.05
_GRID_S = 0.02


@dataclass(frozen=True, eq=False)
class Motion:
    """Where something is at one time and how it moves.

    Attributes:
        xy_m: float64 (2,), in the world.
        velocity_mps: float64 (2,), in the world.
        heading_rad: direction of its x axis in the world.
        turn_rate_radps: change of the heading.
    """

    xy_m: NDArray[np.float64]
    velocity_mps: NDArray[np.float64]
    heading_rad: float
    turn_rate_radps: float

    def pose(self, z_m: float = 0.0) -> RigidTransform:
        """The world from its own frame, with its origin at a height."""
        return RigidTransform.from_xyz_rpy((*self.xy_m, z_m), (0.0, 0.0, self.heading_rad))


class Trajectory:
    """A way through waypoints by monotone cubic interpolation (Fritsch and Carlson, 1980).

    Between two waypoints the speed is constant; between more, speed and direction change
    smoothly and no coordinate overshoots. Outside of the waypoints' times it stands still.
    Where no heading is given, it is the direction of the velocity, and while it stands, the last
    one.

    Args:
        waypoints: at least one, their times growing.
    """

    def __init__(self, waypoints: Sequence[Waypoint]) -> None:
        self._begin_s, self._end_s = waypoints[0].t_s, waypoints[-1].t_s
        times = np.array([point.t_s for point in waypoints])
        places = np.array([point.xy_m for point in waypoints], dtype=np.float64)
        given = [point.heading_rad for point in waypoints if point.heading_rad is not None]
        self._still: NDArray[np.float64] | None = places[0] if len(waypoints) == 1 else None
        if self._still is not None:
            self._heading_rad = given[0] if given else 0.0
            return
        self._xy = PchipInterpolator(times, places)
        self._velocity = self._xy.derivative()
        grid = np.linspace(times[0], times[-1], max(2, round((times[-1] - times[0]) / _GRID_S)))
        self._grid_s = grid
        if given:
            headings = PchipInterpolator(times, np.unwrap(given))(grid)
        else:
            headings = self._directions(grid)
        self._headings = headings
        self._turn_rates = np.gradient(headings, grid)

    def at(self, t_s: float) -> Motion:
        """The motion at a time."""
        if self._still is not None:
            return Motion(self._still, np.zeros(2), self._heading_rad, 0.0)
        moves = self._begin_s <= t_s <= self._end_s
        inside = min(max(t_s, self._begin_s), self._end_s)
        heading = float(np.interp(inside, self._grid_s, self._headings))
        return Motion(
            np.asarray(self._xy(inside), dtype=np.float64),
            np.asarray(self._velocity(inside), dtype=np.float64) if moves else np.zeros(2),
            math.remainder(heading, 2.0 * math.pi),
            float(np.interp(inside, self._grid_s, self._turn_rates)) if moves else 0.0,
        )

    def _directions(self, grid_s: NDArray[np.float64]) -> NDArray[np.float64]:
        velocity = self._velocity(grid_s)
        moving = np.flatnonzero(np.hypot(velocity[:, 0], velocity[:, 1]) > _STANDING_MPS)
        if not len(moving):
            return np.zeros(len(grid_s))
        headings = np.unwrap(np.arctan2(velocity[moving, 1], velocity[moving, 0]))
        # While it stands, the direction before holds, at the begin the first one.
        last = np.searchsorted(moving, np.arange(len(grid_s)), side="right") - 1
        return np.asarray(headings[np.maximum(last, 0)], dtype=np.float64)
