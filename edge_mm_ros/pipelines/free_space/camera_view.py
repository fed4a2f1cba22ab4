"""What a camera sees of the ground, as far as its detector would find a person there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Object3D, RigidTransform
from edge_mm_ros.pipelines.free_space.polar import (
    AZIMUTHS,
    Bools,
    PolarView,
    cell_middles_m,
    nearest_rings,
    nothing,
)
from edge_mm_ros.pipelines.fusion.projection import CameraProjection

_PERSON_M = 1.7


class CameraGround:
    """The ground in a mounted camera's picture; worked out once, shadowed for every picture.

    Args:
        projection: the camera's lens.
        robot_from_optical: its place.
        ground_z_m: height of the ground in the robot's frame.
        person_height_px: least height at which its detector finds a person, which bounds how far
            it sees.
        step_m: depth of a cell.
        reach_m: how far it is asked for.
    """

    def __init__(
        self,
        projection: CameraProjection,
        robot_from_optical: RigidTransform,
        *,
        ground_z_m: float,
        person_height_px: float,
        step_m: float,
        reach_m: float,
    ) -> None:
        self._projection = projection
        self._place = robot_from_optical
        self._furthest_m = float(projection.calibration.k[1, 1]) * _PERSON_M / person_height_px
        self._empty = nothing(robot_from_optical.translation_m, step_m, reach_m)
        rings = self._empty.seen.shape[1]
        azimuth, ring = np.indices((AZIMUTHS, rings)).reshape(2, -1)
        middles = cell_middles_m(self._empty.origin_m, step_m, azimuth, ring)
        ground = np.column_stack([middles, np.full(len(middles), ground_z_m)])
        self._ground: Bools = self.shows(ground).reshape(AZIMUTHS, rings)

    def fits(self, projection: CameraProjection, place: RigidTransform) -> bool:
        """Whether it was made for this lens and place."""
        return (
            projection is self._projection
            and bool(np.array_equal(place.rotation, self._place.rotation))
            and bool(np.array_equal(place.translation_m, self._place.translation_m))
        )

    def shows(self, points_m: NDArray[np.float64]) -> Bools:
        """Which points (n, 3) of the robot's frame lie in the picture, near enough."""
        own = self._place.inverse().apply(points_m)
        _, seen = self._projection.project(own)
        return np.asarray(seen & (np.hypot(own[:, 0], own[:, 2]) <= self._furthest_m))

    def view(self, objects: Sequence[Object3D], echoes_m: NDArray[np.float64]) -> PolarView:
        """The ground that nothing known hides.

        Args:
            objects: what is known in the robot's frame.
            echoes_m: float64 (n, 2), where other sensors have met something.
        """
        empty = self._empty
        rings = empty.seen.shape[1]
        nearest = nearest_rings(empty, echoes_m)
        if objects:
            places = np.array([item.position_m[:2] for item in objects])
            radii = np.array([float(item.size_m[:2].min()) / 2.0 for item in objects])
            nearest = np.minimum(nearest, nearest_rings(empty, places, radii))
        seen = self._ground & (np.arange(rings) <= nearest[:, None])
        return PolarView(empty.origin_m, empty.step_m, seen, empty.occupied)
