"""A pinhole camera with a detector behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import CameraCalibration, Detections, RigidTransform
from edge_mm_ros.params.scenario_sensors import CameraSensor
from edge_mm_ros.pipelines.simulation.measurement import Measurement
from edge_mm_ros.pipelines.simulation.ray_casting import Solid, cast, nearby_in_view
from edge_mm_ros.pipelines.simulation.scene import Snapshot

_COLUMNS, _ROWS = 14, 24  # of the rays that look for the visible part of an object
_NEAREST_M = 0.1
_RING = 24
_FULL_CONTRAST, _NO_CONTRAST = 0.3, 0.05
# REP-103: an optical frame has x right, y down, z ahead.
_OPTICAL_FROM_BODY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])

Box = tuple[float, float, float, float]


class CameraModel:
    """Boxes around the visible parts of the actors.

    An object is found where enough of it is seen, in a box high enough; occlusion is found by
    rays. Edges are noisy, a share of objects is missed, and boxes around nothing are added. In
    fog the chance falls with the contrast that is left at the object's distance.

    Args:
        sensor: its parameters.
    """

    def __init__(self, sensor: CameraSensor) -> None:
        self._sensor = sensor
        f = sensor.focal_length_px
        k = np.array([[f, 0.0, sensor.width / 2.0], [0.0, f, sensor.height / 2.0], [0.0, 0.0, 1.0]])
        self._calibration = CameraCalibration(
            sensor.width, sensor.height, k, "plumb_bob", np.zeros(5), sensor.frame_id
        )

    def measure(
        self, snapshot: Snapshot, stamp_ns: int, rng: np.random.Generator, *, blind: bool
    ) -> Measurement:
        """One picture's calibration and detections."""
        rows: list[tuple[Box, float, str]] = []
        seen: list[str] = []
        if not blind:
            for index, box, chance in self._visible(snapshot):
                score = float(np.clip(0.55 + 0.4 * chance + rng.normal(0.0, 0.03), 0.05, 0.99))
                noisy = self._noisy(box, rng)
                if rng.random() < chance * (1.0 - self._sensor.miss_share) and noisy is not None:
                    rows.append((noisy, score, snapshot.actors[index].label))
                    seen.append(snapshot.actors[index].actor.name)
            rows += self._false_ones(snapshot, rng)
        rows.sort(key=lambda row: -row[1])
        detections = Detections(
            np.array([box for box, _, _ in rows], dtype=np.float32).reshape(-1, 4),
            np.array([score for _, score, _ in rows], dtype=np.float32),
            tuple(label for _, _, label in rows),
            stamp_ns,
            self._sensor.frame_id,
        )
        name = self._sensor.name
        return Measurement(
            ((f"{name}/camera_info", self._calibration), (f"{name}/detections", detections)),
            tuple(seen),
        )

    def _visible(self, snapshot: Snapshot) -> list[tuple[int, Box, float]]:
        """Index, box and chance of being found of each object that is seen well enough."""
        body = snapshot.sensor_pose(self._sensor)
        world_from_optical = RigidTransform(
            body.rotation @ _OPTICAL_FROM_BODY.T, body.translation_m
        )
        found = []
        for index, state in enumerate(snapshot.actors):
            distance = float(np.linalg.norm(state.solid.centre_m - body.translation_m))
            if distance > self._sensor.max_range_m:
                continue
            part = self._visible_part(index, snapshot, world_from_optical)
            if part is None:
                continue
            box, share = part
            if (
                share < self._sensor.min_visible_share
                or box[3] - box[1] < self._sensor.min_height_px
            ):
                continue
            contrast = np.exp(-snapshot.extinction_per_m * distance)
            left = (contrast - _NO_CONTRAST) / (_FULL_CONTRAST - _NO_CONTRAST)
            found.append((index, box, float(np.clip(left, 0.0, 1.0))))
        return found

    def _visible_part(
        self, index: int, snapshot: Snapshot, world_from_optical: RigidTransform
    ) -> tuple[Box, float] | None:
        """The box around what is seen of an object, and the share of it that is seen."""
        solid = snapshot.solids[index]
        points = world_from_optical.inverse().apply(outline(solid))
        points = points[points[:, 2] > _NEAREST_M]
        if not len(points):
            return None
        whole = self._box_around(points)
        left, top = max(whole[0], 0.0), max(whole[1], 0.0)
        right = min(whole[2], float(self._sensor.width))
        bottom = min(whole[3], float(self._sensor.height))
        if right - left < 1.0 or bottom - top < 1.0:
            return None
        columns = left + (np.arange(_COLUMNS) + 0.5) / _COLUMNS * (right - left)
        rows = top + (np.arange(_ROWS) + 0.5) / _ROWS * (bottom - top)
        rays = self._rays(columns, rows) @ world_from_optical.rotation.T
        origin = world_from_optical.translation_m
        alone = np.isfinite(cast(origin, rays, [solid], ground=False).distance_m)
        in_view = nearby_in_view(origin, index, snapshot.solids)
        free = alone & (cast(origin, rays, in_view).owner == 0)
        if not np.any(free):
            return None
        inside = (right - left) * (bottom - top) / max(_area(whole), 1e-9)
        share = float(free.sum() / alone.sum()) * inside
        grid, total = free.reshape(_ROWS, _COLUMNS), alone.reshape(_ROWS, _COLUMNS)
        horizontal = _seen_extent(np.any(grid, axis=0), np.any(total, axis=0), left, right)
        vertical = _seen_extent(np.any(grid, axis=1), np.any(total, axis=1), top, bottom)
        return (horizontal[0], vertical[0], horizontal[1], vertical[1]), share

    def _box_around(self, points_m: NDArray[np.float64]) -> Box:
        f = self._sensor.focal_length_px
        u = f * points_m[:, 0] / points_m[:, 2] + self._sensor.width / 2.0
        v = f * points_m[:, 1] / points_m[:, 2] + self._sensor.height / 2.0
        return float(u.min()), float(v.min()), float(u.max()), float(v.max())

    def _rays(self, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit directions (rows × columns, 3) of pixels in the optical frame."""
        f = self._sensor.focal_length_px
        v, u = np.meshgrid(rows, columns, indexing="ij")
        flat = np.column_stack(
            [
                (u.reshape(-1) - self._sensor.width / 2.0) / f,
                (v.reshape(-1) - self._sensor.height / 2.0) / f,
                np.ones(u.size),
            ]
        )
        return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))

    def _noisy(self, box: Box, rng: np.random.Generator) -> Box | None:
        sensor = self._sensor
        sigma = sensor.edge_sigma_px + sensor.edge_sigma_share * (box[3] - box[1])
        left, top, right, bottom = np.array(box) + rng.normal(0.0, sigma, 4)
        left, right = np.clip((left, right), 0.0, sensor.width)
        top, bottom = np.clip((top, bottom), 0.0, sensor.height)
        if right - left < 1.0 or bottom - top < 1.0:
            return None
        return float(left), float(top), float(right), float(bottom)

    def _false_ones(
        self, snapshot: Snapshot, rng: np.random.Generator
    ) -> list[tuple[Box, float, str]]:
        sensor = self._sensor
        labels = sorted({state.label for state in snapshot.actors}) or ["person"]
        rows = []
        for _ in range(rng.poisson(sensor.false_per_picture)):
            height = rng.uniform(0.05, 0.4) * sensor.height
            width = rng.uniform(0.3, 1.0) * height
            left = rng.uniform(0.0, max(sensor.width - width, 1.0))
            top = rng.uniform(0.0, max(sensor.height - height, 1.0))
            box = (left, top, min(left + width, float(sensor.width)), top + height)
            rows.append((box, rng.uniform(0.3, 0.6), labels[int(rng.integers(len(labels)))]))
        return rows


def outline(solid: Solid) -> NDArray[np.float64]:
    """World points (n, 3) along the edges of a solid; of a cylinder, along both its rims."""
    half = solid.size_m / 2.0
    if solid.round:
        turn = np.linspace(0.0, 2.0 * np.pi, _RING, endpoint=False)
        rim = np.column_stack([half[0] * np.cos(turn), half[1] * np.sin(turn)])
    else:
        side = np.linspace(-1.0, 1.0, 7)
        one = np.ones_like(side)
        square = [(side, one), (side, -one), (one, side), (-one, side)]
        rim = np.concatenate([np.column_stack(pair) for pair in square]) * half[:2]
    levels = np.linspace(-half[2], half[2], 5)
    points = np.column_stack([np.tile(rim, (len(levels), 1)), np.repeat(levels, len(rim))])
    return solid.world_points(points)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _seen_extent(
    seen: NDArray[np.bool_], total: NDArray[np.bool_], begin: float, end: float
) -> tuple[float, float]:
    """From where to where something is seen; its exact borders where nothing hides them."""
    step = (end - begin) / len(seen)
    first, last = np.flatnonzero(seen)[[0, -1]]
    whole_first, whole_last = np.flatnonzero(total)[[0, -1]]
    low = begin if first == whole_first else begin + first * step
    high = end if last == whole_last else begin + (last + 1) * step
    return float(low), float(high)
