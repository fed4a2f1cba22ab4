"""Detections and clouds to objects in the robot's frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    InvalidInput,
    Object3D,
    Objects,
    PointCloud,
    RigidTransform,
)
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.frustum import (
    PlacedCloud,
    SeenPoints,
    look_at,
    place_by_points,
)
from edge_mm_ros.pipelines.fusion.ground_plane import GroundModel, place_on_ground
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.viewpoint import Box, Placement, Viewpoint
from edge_mm_ros.pipelines.stamps import JUMP_NS, NS_PER_S, StampGuard, to_ns
from edge_mm_ros.pipelines.tracking import Tracker

_KEPT_CLOUDS = 16
_SAME_OBJECT_M = 0.5


@dataclass(frozen=True, eq=False)
class FusionResult:
    """The outcome of one picture's detections.

    Attributes:
        objects: all objects at the picture's time, tracked.
        refused: why a detection has no place, one for each.
        clouds: for each LiDAR the offset in seconds of the cloud that was used; None where none
            was close enough in time.
    """

    objects: Objects
    refused: tuple[InvalidInput, ...]
    clouds: Mapping[str, float | None]


class SensorFusion:
    """Places each camera's detections, by LiDAR where there is one, else by the ground.

    Holds the newest clouds and calibrations; time comes from stamps alone.

    Args:
        params: sensors, limits and uncertainties.
        on_notice: told a topic and one line when its stamps jump back and the state begins anew.
    """

    def __init__(
        self,
        params: SensorFusionParams,
        on_notice: Callable[[str, str], None] = lambda topic, line: None,
    ) -> None:
        self.params = params
        self._on_notice = on_notice
        self._tracker = Tracker()
        self._projections: dict[str, CameraProjection] = {}
        self._clouds: dict[str, deque[tuple[PointCloud, RigidTransform]]] = {}
        self._guards: dict[str, StampGuard] = {}
        self._latest: dict[str, tuple[int, tuple[Object3D, ...]]] = {}

    def reset(self) -> None:
        """Forget clouds, tracks and stamps; calibrations are kept."""
        self._tracker.reset()
        self._clouds.clear()
        self._guards.clear()
        self._latest.clear()

    def set_calibration(self, camera: str, calibration: CameraCalibration) -> None:
        """Use a camera's calibration from now on.

        Raises:
            InvalidInput: its distortion model is not supported.
        """
        known = self._projections.get(camera)
        if known is None or not _same(known.calibration, calibration):
            self._projections[camera] = CameraProjection(calibration)

    def add_cloud(self, lidar: str, cloud: PointCloud, robot_from_lidar: RigidTransform) -> None:
        """Keep a cloud for the pictures of about its time."""
        kept = self._clouds.setdefault(lidar, deque(maxlen=_KEPT_CLOUDS))
        back_s = self._guard(f"lidar {lidar}").jumped_back_s(cloud.stamp_ns)
        if back_s:
            kept.clear()
            self._on_notice(
                f"{lidar}/points", f"stamps jumped back by {back_s:.1f} s; its clouds are forgotten"
            )
        kept.append((cloud, robot_from_lidar))
        newest = max(item.stamp_ns for item, _ in kept)
        while kept and newest - kept[0][0].stamp_ns > JUMP_NS:
            kept.popleft()

    def fuse(
        self, camera: str, detections: Detections, robot_from_optical: RigidTransform
    ) -> FusionResult:
        """Place one picture's detections.

        Args:
            camera: the camera's name.
            detections: what was found in its picture.
            robot_from_optical: the camera's place.

        Raises:
            InvalidInput: the camera's calibration is not known yet.
        """
        projection = self._projections.get(camera)
        if projection is None:
            raise InvalidInput(
                "no_calibration",
                f"no calibration of camera '{camera}' has come yet; its detections have no place",
            )
        back_s = self._guard(f"camera {camera}").jumped_back_s(detections.stamp_ns)
        if back_s:
            self._on_notice(
                f"{camera}/detections", f"stamps jumped back by {back_s:.1f} s; tracks begin anew"
            )
            self._tracker.reset()
            self._latest.clear()
        clouds = self._clouds_near(detections.stamp_ns)
        viewpoint = Viewpoint(projection, robot_from_optical)
        seen = look_at(
            viewpoint,
            [cloud for cloud in clouds.values() if cloud is not None],
            ground_z_m=self.params.ground_z_m,
            clearance_m=self.params.ground_clearance_m,
            max_range_m=self.params.max_range_m,
        )
        placed, refused = [], []
        for index, label in enumerate(detections.labels):
            try:
                spot = self._place(camera, viewpoint, detections.boxes_px[index], seen)
            except InvalidInput as error:
                refused.append(error)
                continue
            placed.append(_to_object(label, float(detections.scores[index]), spot))
        objects = self._merge(camera, tuple(placed), detections.stamp_ns)
        self._tracker.coast_s = self.params.coast_s
        self._tracker.max_speed_mps = self.params.max_speed_mps
        tracked = self._tracker.update(objects, detections.stamp_ns)
        return FusionResult(
            Objects(tracked, detections.stamp_ns, self.params.robot_frame),
            tuple(refused),
            {name: None if cloud is None else cloud.offset_s for name, cloud in clouds.items()},
        )

    def _guard(self, source: str) -> StampGuard:
        return self._guards.setdefault(source, StampGuard())

    def _clouds_near(self, stamp_ns: int) -> dict[str, PlacedCloud | None]:
        """Of each LiDAR the cloud nearest in time, earlier or later, within the limit."""
        limit_ns = to_ns(self.params.max_time_offset_s)
        near: dict[str, PlacedCloud | None] = {}
        for lidar in self.params.lidars:
            kept = self._clouds.get(lidar, ())
            best = min(kept, key=lambda item: abs(item[0].stamp_ns - stamp_ns), default=None)
            if best is None or abs(best[0].stamp_ns - stamp_ns) > limit_ns:
                near[lidar] = None
                continue
            offset_s = (best[0].stamp_ns - stamp_ns) / NS_PER_S
            near[lidar] = PlacedCloud(f"lidar:{lidar}", best[0], best[1], offset_s)
        return near

    def _place(
        self, camera: str, viewpoint: Viewpoint, box_px: NDArray[np.float32], seen: SeenPoints
    ) -> Placement:
        params = self.params
        calibration = viewpoint.projection.calibration
        box = Box.within(box_px, calibration.width, calibration.height)
        edge_sigma_px = params.pixel_sigma_px + params.box_sigma_share * box.height
        try:
            by_points = place_by_points(
                viewpoint,
                box,
                seen,
                minimum_points=params.minimum_points,
                ground_z_m=params.ground_z_m,
                edge_sigma_px=edge_sigma_px,
                max_speed_mps=params.max_speed_mps,
                camera=f"camera:{camera}",
            )
        except InvalidInput:  # the ground may still place it
            by_points = None
        ground = GroundModel(
            params.ground_z_m,
            params.max_range_m,
            params.max_height_m,
            params.tilt_sigma_rad,
            params.height_sigma_m,
        )
        try:
            by_ground = place_on_ground(viewpoint, box, ground, edge_sigma_px, f"camera:{camera}")
        except InvalidInput:
            if by_points is None:
                raise
            return by_points
        if by_points is None or _behind(by_points, by_ground):
            return by_ground
        return by_points

    def _merge(
        self, camera: str, placed: tuple[Object3D, ...], stamp_ns: int
    ) -> tuple[Object3D, ...]:
        """Add what the other cameras saw shortly before; who is seen by two counts once."""
        self._latest[camera] = (stamp_ns, placed)
        merged = list(placed)
        limit_ns = to_ns(self.params.camera_timeout_s)
        for other in self.params.cameras:
            if other == camera or other not in self._latest:
                continue
            other_ns, others = self._latest[other]
            if abs(stamp_ns - other_ns) > limit_ns:
                continue
            for item in others:
                twins = [i for i, mine in enumerate(merged) if _same_object(mine, item)]
                if not twins:
                    merged.append(item)
                    continue
                mine = merged[twins[0]]
                surer = min(mine, item, key=lambda one: float(np.trace(one.covariance_m2[:2, :2])))
                sources = tuple(dict.fromkeys((*mine.sources, *item.sources)))
                merged[twins[0]] = replace(surer, sources=sources)
        return tuple(merged)


def _to_object(label: str, score: float, spot: Placement) -> Object3D:
    return Object3D(
        "", label, score, spot.position_m, spot.size_m, spot.covariance_m2, spot.sensors
    )


def _behind(by_points: Placement, by_ground: Placement) -> bool:
    """Whether the points belong to what is behind the object.

    An object may give no echo, and the points in its box are then the wall behind it. Where they
    are grossly further than its foot stands, the nearer, safer place holds.
    """
    limit = 1.5 * by_ground.depth_m + 3.0 * by_ground.depth_sigma_m
    return by_points.depth_m > limit


def _same_object(one: Object3D, other: Object3D) -> bool:
    if one.label != other.label or set(one.sources) & set(other.sources):
        return False
    gap = one.position_m[:2] - other.position_m[:2]
    spread = one.covariance_m2[:2, :2] + other.covariance_m2[:2, :2]
    squared = float(gap @ np.linalg.solve(spread + 1e-4 * np.eye(2), gap))
    return squared <= 9.21 or float(np.linalg.norm(gap)) <= _SAME_OBJECT_M


def _same(one: CameraCalibration, other: CameraCalibration) -> bool:
    return (
        (one.width, one.height, one.distortion_model, one.frame_id)
        == (other.width, other.height, other.distortion_model, other.frame_id)
        and np.array_equal(one.k, other.k)
        and np.array_equal(one.distortion, other.distortion)
    )
