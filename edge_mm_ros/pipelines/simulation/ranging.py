"""LiDAR, laser scanner and ultrasonic sensor: distances by rays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import LaserScan, PointCloud, RangeReading
from edge_mm_ros.params.scenario_sensors import (
    LaserSensor,
    LidarSensor,
    UltrasonicSensor,
    directions,
)
from edge_mm_ros.pipelines.simulation.measurement import MINIMUM_ECHOES, Measurement
from edge_mm_ros.pipelines.simulation.ray_casting import NOTHING, cast
from edge_mm_ros.pipelines.simulation.scene import Snapshot

_CONE_RAYS = 21


class LidarModel:
    """A turning LiDAR; the whole turn is taken at one instant.

    In fog, light is lost on its way (an echo from `r` comes back with the chance
    ``exp(-extinction * r)``), and a share of the beams is thrown back by the fog itself, at
    exponentially distributed distances before the target.

    Args:
        sensor: its parameters.
    """

    def __init__(self, sensor: LidarSensor) -> None:
        self._sensor = sensor
        self._beams = sensor.beams()

    def measure(
        self, snapshot: Snapshot, stamp_ns: int, rng: np.random.Generator, *, blind: bool
    ) -> Measurement:
        """One cloud in the sensor's frame."""
        sensor = self._sensor
        points = np.zeros((0, 3), dtype=np.float32)
        seen: tuple[str, ...] = ()
        if not blind:
            pose = snapshot.sensor_pose(sensor)
            hits = cast(pose.translation_m, self._beams @ pose.rotation.T, snapshot.solids)
            count = len(self._beams)
            distance = hits.distance_m + rng.normal(0.0, sensor.range_sigma_m, count)
            kept = rng.random(count) >= sensor.point_drop_share
            owner = hits.owner
            if fog := snapshot.extinction_per_m:
                kept &= rng.random(count) < np.exp(-fog * np.minimum(hits.distance_m, 1e6))
                early = sensor.min_range_m + rng.exponential(0.5 / fog, count)
                thrown = (rng.random(count) < sensor.clutter_share) & (early < hits.distance_m)
                distance = np.where(thrown, early, distance)
                owner = np.where(thrown, NOTHING, owner)
                kept |= thrown
            kept &= (distance >= sensor.min_range_m) & (distance <= sensor.max_range_m)
            points = (self._beams[kept] * distance[kept, None]).astype(np.float32)
            seen = _names(snapshot, owner[kept], MINIMUM_ECHOES)
        cloud = PointCloud(points, stamp_ns, sensor.frame_id)
        return Measurement(((f"{sensor.name}/points", cloud),), seen)


class LaserModel:
    """A planar laser scanner.

    Args:
        sensor: its parameters.
    """

    def __init__(self, sensor: LaserSensor) -> None:
        self._sensor = sensor
        self._beams = sensor.view()

    def measure(
        self, snapshot: Snapshot, stamp_ns: int, rng: np.random.Generator, *, blind: bool
    ) -> Measurement:
        """One scan; what gives no echo is ``inf`` (REP-117)."""
        sensor = self._sensor
        ranges = np.full(len(self._beams), np.inf)
        seen: tuple[str, ...] = ()
        if not blind:
            pose = snapshot.sensor_pose(sensor)
            hits = cast(pose.translation_m, self._beams @ pose.rotation.T, snapshot.solids)
            distance = hits.distance_m + rng.normal(0.0, sensor.range_sigma_m, len(ranges))
            kept = rng.random(len(ranges)) >= sensor.beam_drop_share
            kept &= (distance >= sensor.min_range_m) & (distance <= sensor.max_range_m)
            ranges[kept] = distance[kept]
            seen = _names(snapshot, hits.owner[kept], MINIMUM_ECHOES)
        scan = LaserScan(
            ranges.astype(np.float32),
            -sensor.field_of_view_rad / 2.0,
            sensor.angle_step_rad,
            sensor.min_range_m,
            sensor.max_range_m,
            stamp_ns,
            sensor.frame_id,
        )
        return Measurement(((f"{sensor.name}/scan", scan),), seen)


class UltrasonicModel:
    """An ultrasonic cone: the nearest echo in it; the ground gives none.

    Args:
        sensor: its parameters.
    """

    def __init__(self, sensor: UltrasonicSensor) -> None:
        self._sensor = sensor
        half = sensor.field_of_view_rad / 2.0
        angles = list(np.linspace(-half, half, _CONE_RAYS))
        square = directions(angles, angles)
        self._rays = square[square[:, 0] >= math.cos(half) - 1e-9]

    def measure(
        self, snapshot: Snapshot, stamp_ns: int, rng: np.random.Generator, *, blind: bool
    ) -> Measurement:
        """One reading: ``inf`` for no echo, ``-inf`` for one too near to tell (REP-117)."""
        sensor = self._sensor
        value = math.inf
        seen: tuple[str, ...] = ()
        if not blind and rng.random() >= sensor.miss_share:
            value, seen = self._nearest(snapshot, rng)
        reading = RangeReading(
            value,
            sensor.min_range_m,
            sensor.max_range_m,
            sensor.field_of_view_rad,
            stamp_ns,
            sensor.frame_id,
        )
        return Measurement(((f"{sensor.name}/range", reading),), seen)

    def _nearest(
        self, snapshot: Snapshot, rng: np.random.Generator
    ) -> tuple[float, tuple[str, ...]]:
        pose = snapshot.sensor_pose(self._sensor)
        rays = self._rays @ pose.rotation.T
        hits = cast(pose.translation_m, rays, snapshot.solids, ground=False)
        nearest = int(np.argmin(hits.distance_m))
        distance = float(hits.distance_m[nearest]) + rng.normal(0.0, self._sensor.range_sigma_m)
        if distance > self._sensor.max_range_m:
            return math.inf, ()
        seen = _names(snapshot, hits.owner[[nearest]], 1)
        return distance if distance >= self._sensor.min_range_m else -math.inf, seen


def _names(snapshot: Snapshot, owners: NDArray[np.intp], minimum: int) -> tuple[str, ...]:
    """The actors with at least so many echoes."""
    actors = owners[(owners >= 0) & (owners < len(snapshot.actors))]
    counts = np.bincount(actors, minlength=len(snapshot.actors))
    return tuple(
        state.actor.name
        for state, count in zip(snapshot.actors, counts, strict=True)
        if count >= minimum
    )
