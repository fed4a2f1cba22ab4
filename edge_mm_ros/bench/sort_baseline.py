"""What fusion is compared with: boxes projected one by one, then a tracker in the manner of SORT.

A. Bewley, Z. Ge, L. Ott, F. Ramos and B. Upcroft: "Simple Online and Realtime Tracking", IEEE
International Conference on Image Processing, 2016. As there: a constant velocity Kalman filter for
each track, the Hungarian method, a track is told from its third hit on, and ends when it is missed
more than once. On the ground plane instead of in the picture, distances stand for overlaps, as
X. Weng, J. Wang, D. Held and K. Kitani have it: "3D Multi-Object Tracking: A Baseline and New
Evaluation Metrics", IEEE/RSJ International Conference on Intelligent Robots and Systems, 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    Object3D,
    Objects,
    Odometry,
    PointCloud,
    RigidTransform,
)
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_MIN_HITS, _MAX_AGE = 3, 1
_GATE_M = 2.0
_MEASURED_M2 = 0.15**2
_ACCELERATION_MPS2 = 1.0
_FIRST_SPEED_M2PS2 = 1.5**2
_FEWEST_POINTS = 5
_CLOUD_NEAR_NS, _KEPT_CLOUDS = to_ns(0.1), 10
_SIZE_M = np.array([0.5, 0.5, 1.7])  # which no measure looks at


@dataclass(frozen=True, eq=False)
class Projected:
    """One box on the ground.

    Attributes:
        place_m: float64 (3,).
        label: its class.
        score: 0 to 1.
    """

    place_m: NDArray[np.float64]
    label: str
    score: float


def project(
    detections: Detections,
    projection: CameraProjection,
    robot_from_optical: RigidTransform,
    cloud: tuple[PointCloud, RigidTransform] | None,
) -> list[Projected]:
    """Each box at the median depth of the points in it; without points, where its foot stands.

    Boxes that have neither are left out.
    """
    pixels, depths = np.zeros((0, 2)), np.zeros(0)
    if cloud is not None:
        points = (robot_from_optical.inverse() @ cloud[1]).apply(
            cloud[0].points_m.astype(np.float64)
        )
        pixels, seen = projection.project(points)
        pixels, depths = pixels[seen], points[seen, 2]
    found = []
    for box, score, label in zip(
        detections.boxes_px.astype(np.float64), detections.scores, detections.labels, strict=True
    ):
        left, top, right, bottom = box
        u, v = pixels[:, 0], pixels[:, 1]
        inside = (u >= left) & (u <= right) & (v >= top) & (v <= bottom)
        column = (left + right) / 2.0
        rays = projection.rays(np.array([(column, (top + bottom) / 2.0), (column, bottom)]))
        if inside.sum() >= _FEWEST_POINTS:
            spot = rays[0] / rays[0, 2] * np.median(depths[inside])
        else:
            down = robot_from_optical.rotation @ rays[1]
            if down[2] > -0.01:
                continue
            spot = rays[1] * (-robot_from_optical.translation_m[2] / down[2])
        found.append(Projected(robot_from_optical.apply(spot), label, float(score)))
    return found


class ProjectAndSort:
    """Projection and tracker over the records of a scene; it needs no more than the newest ones.

    Args:
        robot_frame: the frame in which it tracks where there is no odometry.
    """

    def __init__(self, robot_frame: str) -> None:
        self._frame_id = robot_frame
        self._pose = RigidTransform.identity()
        self._projections: dict[str, CameraProjection] = {}
        self._clouds: list[tuple[PointCloud, RigidTransform]] = []
        self._tracker = SortTracker()

    def set_calibration(self, camera: str, calibration: CameraCalibration) -> None:
        """Use it from now on."""
        self._projections[camera] = CameraProjection(calibration)

    def add_odometry(self, odometry: Odometry) -> None:
        """Track in the odometry frame; the robot is where it said last."""
        self._pose, self._frame_id = odometry.pose, odometry.frame_id

    def add_cloud(self, cloud: PointCloud, robot_from_lidar: RigidTransform) -> None:
        """Keep a cloud for the pictures near it in time."""
        self._clouds = [*self._clouds[1 - _KEPT_CLOUDS :], (cloud, robot_from_lidar)]

    def track(
        self, camera: str, detections: Detections, robot_from_optical: RigidTransform
    ) -> Objects:
        """The tracks that one picture shows."""

        def apart_ns(kept: tuple[PointCloud, RigidTransform]) -> int:
            return abs(kept[0].stamp_ns - detections.stamp_ns)

        cloud = min(self._clouds, key=apart_ns, default=None)
        if cloud is not None and apart_ns(cloud) > _CLOUD_NEAR_NS:
            cloud = None
        found = project(detections, self._projections[camera], robot_from_optical, cloud)
        fixed = [replace(item, place_m=self._pose.apply(item.place_m)) for item in found]
        return self._tracker.update(fixed, detections.stamp_ns, self._frame_id)


@dataclass(eq=False)
class _Track:
    name: str
    label: str
    score: float
    state: NDArray[np.float64]
    covariance: NDArray[np.float64]
    hits: int = 1
    missed: int = 0


class SortTracker:
    """Follows projected boxes, all in one frame that stays."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._count = 0
        self._frames = 0
        self._stamp_ns = 0

    def update(self, found: list[Projected], stamp_ns: int, frame_id: str) -> Objects:
        """The tracks that one picture shows."""
        self._frames += 1
        elapsed_s = (stamp_ns - self._stamp_ns) / NS_PER_S if self._tracks else 0.0
        self._stamp_ns = stamp_ns
        for track in self._tracks:
            _predict(track, elapsed_s)
        free = set(range(len(found)))
        for row, column in _pairs(found, self._tracks):
            free.discard(row)
            _correct(self._tracks[column], found[row])
        for row in sorted(free):
            self._count += 1
            item = found[row]
            state = np.array([*item.place_m[:2], 0.0, 0.0])
            spread = np.diag([_MEASURED_M2] * 2 + [_FIRST_SPEED_M2PS2] * 2)
            self._tracks.append(_Track(str(self._count), item.label, item.score, state, spread))
        self._tracks = [track for track in self._tracks if track.missed <= _MAX_AGE]
        told = [
            track
            for track in self._tracks
            if not track.missed and (track.hits >= _MIN_HITS or self._frames <= _MIN_HITS)
        ]
        return Objects(tuple(_object(track) for track in told), stamp_ns, frame_id)


def _predict(track: _Track, elapsed_s: float) -> None:
    move = np.eye(4)
    move[0, 2] = move[1, 3] = elapsed_s
    push = np.array([elapsed_s**2 / 2.0, elapsed_s])
    noise = np.kron(np.outer(push, push), np.eye(2)) * _ACCELERATION_MPS2**2
    track.state = move @ track.state
    track.covariance = move @ track.covariance @ move.T + noise
    track.missed += 1


def _correct(track: _Track, item: Projected) -> None:
    spread = track.covariance[:2, :2] + np.eye(2) * _MEASURED_M2
    gain = track.covariance[:, :2] @ np.linalg.inv(spread)
    track.state = track.state + gain @ (item.place_m[:2] - track.state[:2])
    track.covariance = track.covariance - gain @ track.covariance[:2]
    track.label, track.score = item.label, item.score
    track.hits += 1
    track.missed = 0


def _pairs(found: list[Projected], tracks: list[_Track]) -> list[tuple[int, int]]:
    if not found or not tracks:
        return []
    places = np.array([item.place_m[:2] for item in found])
    gap = np.linalg.norm(places[:, None] - np.array([t.state[:2] for t in tracks]), axis=2)
    rows, columns = linear_sum_assignment(np.minimum(gap, _GATE_M))
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if gap[row, column] < _GATE_M
    ]


def _object(track: _Track) -> Object3D:
    covariance = np.eye(3)
    covariance[:2, :2] = track.covariance[:2, :2]
    return Object3D(
        track.name,
        track.label,
        track.score,
        np.array([*track.state[:2], _SIZE_M[2] / 2.0]),
        _SIZE_M.copy(),
        covariance,
        ("camera",),
        velocity_mps=np.array([*track.state[2:], 0.0]),
    )
