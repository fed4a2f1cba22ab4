"""A radar: polar returns with the change of the distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import RadarScan, RigidTransform
from edge_mm_ros.params.scenario import ActorKind
from edge_mm_ros.params.scenario_sensors import RadarSensor, directions
from edge_mm_ros.pipelines.simulation.measurement import Measurement
from edge_mm_ros.pipelines.simulation.ray_casting import Solid, cast, nearby_in_view
from edge_mm_ros.pipelines.simulation.scene import Snapshot

# Radar cross section in dB of a square metre, and how many returns one scan may hold.
_CROSS_SECTIONS_DB: dict[ActorKind, float] = {
    "person": 0.0,
    "bicycle": 3.0,
    "obstacle": 3.0,
    "car": 10.0,
    "truck": 20.0,
}
_WALL_DB = 5.0
_MOST_RETURNS: dict[ActorKind, int] = {
    "person": 1,
    "bicycle": 2,
    "obstacle": 2,
    "car": 3,
    "truck": 4,
}
_WALL_STEP_RAD = 0.05
_WALL_SHARE = 0.3
_AMPLITUDE_SIGMA_DB = 2.0
# Places in a solid, as shares of its half size, at which a radar looks for reflections.
_SPOTS = np.array([[0, 0, 0], [0.8, 0, 0], [-0.8, 0, 0], [0, 0.8, 0], [0, -0.8, 0]])

_Row = tuple[float, float, float, float, float]


@dataclass(frozen=True, eq=False)
class _View:
    """The scene as the sensor meets it at an instant."""

    snapshot: Snapshot
    pose: RigidTransform
    velocity_mps: NDArray[np.float64]
    rng: np.random.Generator


class RadarModel:
    """A radar that fog and darkness do not hinder.

    Each visible actor gives one or more returns from the surface that is turned to the sensor,
    walls some; the Doppler velocity is the change of the distance as the moving sensor sees it.

    Args:
        sensor: its parameters.
    """

    def __init__(self, sensor: RadarSensor) -> None:
        self._sensor = sensor
        half = sensor.field_of_view_rad / 2.0
        steps = max(2, round(sensor.field_of_view_rad / _WALL_STEP_RAD))
        self._fan = directions(list(np.linspace(-half, half, steps)), (0.0,))

    def measure(
        self, snapshot: Snapshot, stamp_ns: int, rng: np.random.Generator, *, blind: bool
    ) -> Measurement:
        """One scan."""
        rows: list[_Row] = []
        seen: list[str] = []
        if not blind:
            sensor = self._sensor
            view = _View(
                snapshot, snapshot.sensor_pose(sensor), snapshot.sensor_velocity(sensor), rng
            )
            for index, state in enumerate(snapshot.actors):
                returns = self._returns_of(index, view)
                rows += returns
                if returns:
                    seen.append(state.actor.name)
            rows += self._returns_of_walls(view)
            rows += self._false_ones(rng)
        ranges, azimuths, elevations, speeds, amplitudes = np.array(rows).reshape(-1, 5).T
        scan = RadarScan(
            ranges, azimuths, elevations, speeds, amplitudes, stamp_ns, self._sensor.frame_id
        )
        return Measurement(((f"{self._sensor.name}/scan", scan),), tuple(seen))

    def _returns_of(self, index: int, view: _View) -> list[_Row]:
        state = view.snapshot.actors[index]
        origin = view.pose.translation_m
        spots = _spots_of(state.solid) - origin
        rays = spots / np.linalg.norm(spots, axis=1, keepdims=True)
        hits = cast(origin, rays, nearby_in_view(origin, index, view.snapshot.solids))
        visible = np.flatnonzero(hits.owner == 0)
        chosen = view.rng.permutation(visible)[: _MOST_RETURNS[state.actor.kind]]
        velocity = np.array([*state.motion.velocity_mps, 0.0])
        strength = _CROSS_SECTIONS_DB[state.actor.kind]
        return [
            row
            for spot in sorted(chosen)
            for row in self._return(
                view, rays[spot], float(hits.distance_m[spot]), velocity, strength
            )
        ]

    def _returns_of_walls(self, view: _View) -> list[_Row]:
        rays = self._fan @ view.pose.rotation.T
        hits = cast(view.pose.translation_m, rays, view.snapshot.solids)
        kept = hits.owner >= len(view.snapshot.actors)
        kept &= view.rng.random(len(rays)) < _WALL_SHARE
        still = np.zeros(3)
        return [
            row
            for index in np.flatnonzero(kept)
            for row in self._return(
                view, rays[index], float(hits.distance_m[index]), still, _WALL_DB
            )
        ]

    def _return(
        self,
        view: _View,
        ray: NDArray[np.float64],
        distance_m: float,
        velocity_mps: NDArray[np.float64],
        strength_db: float,
    ) -> list[_Row]:
        """One return, or none where it is out of view or lost."""
        sensor, rng = self._sensor, view.rng
        own = view.pose.rotation.T @ ray
        azimuth = math.atan2(own[1], own[0])
        elevation = math.asin(min(max(float(own[2]), -1.0), 1.0))
        noise = rng.normal(0.0, 1.0, 5)
        lost = rng.random() < sensor.miss_share
        if (
            lost
            or abs(azimuth) > sensor.field_of_view_rad / 2.0
            or abs(elevation) > sensor.elevation_rad / 2.0
            or not sensor.min_range_m <= distance_m <= sensor.max_range_m
        ):
            return []
        doppler = float((velocity_mps - view.velocity_mps) @ ray)
        amplitude = strength_db - 40.0 * math.log10(max(distance_m, 1.0))
        return [
            (
                max(0.0, distance_m + sensor.range_sigma_m * noise[0]),
                azimuth + sensor.azimuth_sigma_rad * noise[1],
                elevation + sensor.elevation_sigma_rad * noise[2],
                doppler + sensor.doppler_sigma_mps * noise[3],
                amplitude + _AMPLITUDE_SIGMA_DB * noise[4],
            )
        ]

    def _false_ones(self, rng: np.random.Generator) -> list[_Row]:
        sensor = self._sensor
        side, up = sensor.field_of_view_rad / 2.0, sensor.elevation_rad / 2.0
        return [
            (
                rng.uniform(sensor.min_range_m, sensor.max_range_m),
                rng.uniform(-side, side),
                rng.uniform(-up, up),
                rng.normal(0.0, 3.0),
                rng.uniform(-90.0, -60.0),
            )
            for _ in range(rng.poisson(sensor.false_per_scan))
        ]


def _spots_of(solid: Solid) -> NDArray[np.float64]:
    return solid.world_points(_SPOTS * solid.size_m / 2.0)
