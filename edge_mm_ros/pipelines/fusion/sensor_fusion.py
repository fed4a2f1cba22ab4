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
    Odometry,
    PointCloud,
    RigidTransform,
)
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.ego_motion import EgoMotion
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
from edge_mm_ros.pipelines.tracking import Measurement, Scan, Tracker, TrackerSettings

_KEPT_CLOUDS = 16


@dataclass(frozen=True, eq=False)
class FusionResult:
    """The outcome of one picture's detections.

    Attributes:
        objects: all objects at the time of the newest picture of all cameras, tracked; those
            without sources are not seen now, but predicted.
        placed: for each detection that has a place, the sensors that this rests on.
        refused: why a detection has no place, one for each.
        clouds: for each LiDAR the offset in seconds of the cloud that was used; None where none
            was close enough in time.
    """

    objects: Objects
    placed: tuple[tuple[str, ...], ...]
    refused: tuple[InvalidInput, ...]
    clouds: Mapping[str, float | None]


class SensorFusion:
    """Places each camera's detections, by LiDAR where there is one, else by the ground.

    Holds the newest clouds and calibrations, and follows the objects; time comes from stamps
    alone, and each picture counts at its own.

    Args:
        params: sensors, limits and uncertainties.
        on_notice: told a topic and why its stamps (``stamp_jump``) or the odometry
            (``odometry_jump``) do not go on from what came before.
    """

    def __init__(
        self,
        params: SensorFusionParams,
        on_notice: Callable[[str, InvalidInput], None] = lambda topic, notice: None,
    ) -> None:
        self.params = params
        self._on_notice = on_notice
        self._tracker = Tracker(_settings(params))
        self._projections: dict[str, CameraProjection] = {}
        self._clouds: dict[str, deque[tuple[PointCloud, RigidTransform]]] = {}
        self._guards: dict[str, StampGuard] = {}
        self._ego = EgoMotion()

    def reset(self) -> None:
        """Forget clouds, tracks, odometry and stamps; calibrations are kept."""
        self._tracker.reset()
        self._clouds.clear()
        self._guards.clear()
        self._ego.reset()

    def set_calibration(self, camera: str, calibration: CameraCalibration, stamp_ns: int) -> None:
        """Use a camera's calibration from now on, whatever its stamp says.

        Raises:
            InvalidInput: its distortion model is not supported.
        """
        known = self._projections.get(camera)
        if known is None or not _same(known.calibration, calibration):
            self._projections[camera] = CameraProjection(calibration)
        if back_s := self._guard(f"calibration {camera}").jumped_back_s(stamp_ns):
            self._tell_jump(f"{camera}/camera_info", back_s, "the calibration is used all the same")

    def add_odometry(self, odometry: Odometry) -> None:
        """Follow the robot's own motion.

        Raises:
            InvalidInput: of the kind ``frame``: it is the motion of another frame.
        """
        if odometry.child_frame_id != self.params.robot_frame:
            raise InvalidInput(
                "frame",
                f"the odometry is that of '{odometry.child_frame_id}', expected robot_frame, "
                f"'{self.params.robot_frame}'",
            )
        if why := self._ego.add(odometry):
            notice = InvalidInput("odometry_jump", f"{why}; tracks begin anew")
            self._on_notice(self.params.odometry, notice)
            self._tracker.reset()

    def add_cloud(self, lidar: str, cloud: PointCloud, robot_from_lidar: RigidTransform) -> None:
        """Keep a cloud for the pictures of about its time."""
        kept = self._clouds.setdefault(lidar, deque(maxlen=_KEPT_CLOUDS))
        back_s = self._guard(f"lidar {lidar}").jumped_back_s(cloud.stamp_ns)
        if back_s:
            kept.clear()
            self._tell_jump(f"{lidar}/points", back_s, "its clouds are forgotten")
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
            InvalidInput: the camera's calibration is not known yet (``no_calibration``), or the
                picture is too late (``late``), or no odometry is near it (``no_odometry``).
        """
        projection = self._projections.get(camera)
        if projection is None:
            raise InvalidInput(
                "no_calibration",
                f"no calibration of camera '{camera}' has come yet; its detections have no place",
            )
        back_s = self._guard(f"camera {camera}").jumped_back_s(detections.stamp_ns)
        if back_s:
            self._tell_jump(f"{camera}/detections", back_s, "tracks begin anew")
            self._tracker.reset()
        fixed_from_robot = self._pose_at(detections.stamp_ns)
        clouds = self._clouds_near(detections.stamp_ns, fixed_from_robot)
        viewpoint = Viewpoint(projection, robot_from_optical)
        seen = look_at(
            viewpoint,
            [cloud for cloud in clouds.values() if cloud is not None],
            ground_z_m=self.params.ground_z_m,
            clearance_m=self.params.ground_clearance_m,
            max_range_m=self.params.max_range_m,
        )
        placed: list[Measurement] = []
        refused = []
        for index, label in enumerate(detections.labels):
            try:
                spot = self._place(camera, viewpoint, detections.boxes_px[index], seen)
                measured = _measurement(
                    label, float(detections.scores[index]), spot, self.params.tracking.bias_share
                )
            except InvalidInput as error:
                refused.append(error)
                continue
            placed.append(measured)
        self._tracker.settings = _settings(self.params)
        fixed = [_measurement_moved(item, fixed_from_robot) for item in placed]
        tracked = self._tracker.update(Scan(camera, detections.stamp_ns, tuple(fixed)))
        stamp_ns = self._tracker.tracks.stamp_ns
        now_from_robot = self._pose_at(stamp_ns)
        objects = tuple(_object_seen(item, now_from_robot) for item in tracked)
        return FusionResult(
            Objects(objects, stamp_ns, self.params.robot_frame),
            tuple(item.sources for item in placed),
            tuple(refused),
            {name: None if cloud is None else cloud.offset_s for name, cloud in clouds.items()},
        )

    def _tell_jump(self, topic: str, back_s: float, effect: str) -> None:
        line = f"stamps jumped back by {back_s:.1f} s; {effect}"
        self._on_notice(topic, InvalidInput("stamp_jump", line))

    def _guard(self, source: str) -> StampGuard:
        return self._guards.setdefault(source, StampGuard())

    def _pose_at(self, stamp_ns: int) -> RigidTransform | None:
        """The odometry frame from the robot's frame at a time; None where there is no odometry."""
        if not self.params.odometry:
            return None
        return self._ego.pose_at(stamp_ns, self.params.odometry_timeout_s)

    def _clouds_near(
        self, stamp_ns: int, fixed_from_robot: RigidTransform | None
    ) -> dict[str, PlacedCloud | None]:
        """Of each LiDAR the cloud nearest in time, earlier or later, within the limit.

        Its place is that at the picture's time: odometry tells how the robot moved meanwhile.
        """
        limit_ns = to_ns(self.params.max_time_offset_s)
        near: dict[str, PlacedCloud | None] = {}
        for lidar in self.params.lidars:
            kept = self._clouds.get(lidar, ())
            best = min(kept, key=lambda item: abs(item[0].stamp_ns - stamp_ns), default=None)
            if best is None or abs(best[0].stamp_ns - stamp_ns) > limit_ns:
                near[lidar] = None
                continue
            offset_s = (best[0].stamp_ns - stamp_ns) / NS_PER_S
            try:
                then_from_robot = self._pose_at(best[0].stamp_ns)
            except InvalidInput:
                near[lidar] = None
                continue
            place = best[1]
            if fixed_from_robot is not None and then_from_robot is not None:
                place = fixed_from_robot.inverse() @ then_from_robot @ place
            near[lidar] = PlacedCloud(f"lidar:{lidar}", best[0], place, offset_s)
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


def _settings(params: SensorFusionParams) -> TrackerSettings:
    return TrackerSettings(
        params.tracking, params.coast_s, params.max_speed_mps, params.camera_timeout_s
    )


def _measurement(label: str, score: float, spot: Placement, bias_share: float) -> Measurement:
    return Measurement(
        spot.position_m,
        (1.0 - bias_share) * spot.covariance_m2,
        label,
        score,
        spot.size_m,
        spot.sensors,
        bias_share * spot.covariance_m2,
    )


def _measurement_moved(item: Measurement, pose: RigidTransform | None) -> Measurement:
    """A measurement in the robot's frame, in the frame in which objects are followed."""
    if pose is None:
        return item
    turn = pose.rotation
    return replace(
        item,
        position_m=pose.apply(item.position_m),
        noise_m2=turn @ item.noise_m2 @ turn.T,
        bias_m2=turn @ item.bias_m2 @ turn.T,
    )


def _object_seen(item: Object3D, pose: RigidTransform | None) -> Object3D:
    """An object of the frame in which it is followed, in the robot's frame."""
    if pose is None:
        return item
    assert item.velocity_mps is not None
    turn = pose.rotation.T
    return replace(
        item,
        position_m=turn @ (item.position_m - pose.translation_m),
        covariance_m2=turn @ item.covariance_m2 @ turn.T,
        velocity_mps=turn @ item.velocity_mps,
    )


def _behind(by_points: Placement, by_ground: Placement) -> bool:
    """Whether the points belong to what is behind the object.

    An object may give no echo, and the points in its box are then the wall behind it. Where they
    are grossly further than its foot stands, the nearer, safer place holds.
    """
    limit = 1.5 * by_ground.depth_m + 3.0 * by_ground.depth_sigma_m
    return by_points.depth_m > limit


def _same(one: CameraCalibration, other: CameraCalibration) -> bool:
    return (
        (one.width, one.height, one.distortion_model, one.frame_id)
        == (other.width, other.height, other.distortion_model, other.frame_id)
        and np.array_equal(one.k, other.k)
        and np.array_equal(one.distortion, other.distortion)
    )
