"""Measurements of all sensors to objects in the robot's frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    ImuReading,
    InvalidInput,
    LaserScan,
    Objects,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
    RigidTransform,
)
from edge_mm_ros.params.fusion_sensors import RadarNoise, RangeNoise
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.arrivals import Arrival, ArrivalDesk, Measured, topic_of
from edge_mm_ros.pipelines.fusion.clustering import raised_points
from edge_mm_ros.pipelines.fusion.echoes import echo_of
from edge_mm_ros.pipelines.fusion.finding import Finding, Found
from edge_mm_ros.pipelines.fusion.frustum import PlacedCloud
from edge_mm_ros.pipelines.fusion.kept_clouds import KeptClouds
from edge_mm_ros.pipelines.fusion.laser_points import laser_points
from edge_mm_ros.pipelines.fusion.obstacles import obstacles_of
from edge_mm_ros.pipelines.fusion.own_motion import OwnMotion
from edge_mm_ros.pipelines.fusion.picture_log import PictureLog
from edge_mm_ros.pipelines.fusion.picture_placing import PicturePlacing
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.radar_returns import things_of
from edge_mm_ros.pipelines.stamps import StampGuard, to_ns
from edge_mm_ros.pipelines.tracking import Measurement, Scan, Tracker, TrackerSettings


@dataclass(frozen=True, eq=False)
class FusionResult:
    """The outcome of one measurement.

    Attributes:
        objects: all objects at the time of the newest measurement, tracked; those without sources
            are not seen now, but predicted.
        placed: for each thing that the measurement shows, the sensors that its place rests on.
        refused: why a detection has no place, one for each.
        clouds: of a picture, for each LiDAR and laser scanner the offset in seconds of the cloud
            that was used; None where none was close enough in time.
        complete_m: see `Found`.
    """

    objects: Objects
    placed: tuple[tuple[str, ...], ...]
    refused: tuple[InvalidInput, ...] = ()
    clouds: Mapping[str, float | None] | None = None
    complete_m: float = math.inf


class SensorFusion:
    """Turns what each sensor measures into measurements of objects, and follows these.

    Time comes from stamps alone. Every measurement counts at its own, in the frame of the robot's
    own motion where that is known; late ones are put in their place by the tracker.

    All that take a measurement raise InvalidInput where it is left out: of the kind ``late`` where
    it is older than the newest by more than the horizon, else as `on_arrival` and `on_measured`
    say.

    Args:
        params: sensors, limits and uncertainties.
        on_notice: told a topic and what is not as it should be, where the measurement is used all
            the same (``stamp_jump``, ``odometry_jump``, ``no_odometry``, ``giant_cloud``,
            ``too_many``).
        on_arrival: told of every measurement before it is used; may refuse it by InvalidInput.
        on_measured: told what a measurement says of objects before the tracks are corrected by
            it; may refuse it by InvalidInput.
        usable: asked with kind and name whether a sensor's kept points may place detections.
    """

    def __init__(
        self,
        params: SensorFusionParams,
        on_notice: Callable[[str, InvalidInput], None] = lambda topic, notice: None,
        *,
        on_arrival: Callable[[Arrival], None] = lambda arrival: None,
        on_measured: Callable[[Measured], None] = lambda measured: None,
        usable: Callable[[str, str], bool] = lambda kind, sensor: True,
    ) -> None:
        self._on_notice = on_notice
        self._on_measured = on_measured
        self._usable = usable
        self._tracker = Tracker(_settings(params))
        self._desk = ArrivalDesk(
            params,
            on_notice,
            on_arrival,
            lambda: self._tracker.tracks.stamp_ns,
            self._tracker.reset,
        )
        self._pictures = PicturePlacing()
        self._log = PictureLog()
        self._clouds = KeptClouds()
        self._own = OwnMotion(params, on_notice)
        self._calibration_guards: dict[str, StampGuard] = {}
        self.params = params

    @property
    def params(self) -> SensorFusionParams:
        """Sensors, limits and uncertainties; new ones count from the next measurement on."""
        return self._params

    @params.setter
    def params(self, params: SensorFusionParams) -> None:
        self._params = params
        self._desk.params = params
        self._own.params = params
        self._tracker.settings = _settings(params)

    def reset(self) -> None:
        """Forget clouds, tracks, own motion and stamps; calibrations are kept."""
        self._tracker.reset()
        self._clouds.reset()
        self._log.reset()
        self._desk.reset()
        self._own.reset()
        self._calibration_guards.clear()

    def set_calibration(self, camera: str, calibration: CameraCalibration, stamp_ns: int) -> None:
        """Use a camera's calibration from now on, whatever its stamp says.

        Raises:
            InvalidInput: its distortion model is not supported.
        """
        self._pictures.set_calibration(camera, calibration)
        guard = self._calibration_guards.setdefault(camera, StampGuard())
        if back_s := guard.jumped_back_s(stamp_ns):
            line = f"stamps jumped back by {back_s:.1f} s; the calibration is used all the same"
            self._on_notice(f"{camera}/camera_info", InvalidInput("stamp_jump", line))

    def projection(self, camera: str) -> CameraProjection:
        """A camera's lens.

        Raises:
            InvalidInput: of the kind ``no_calibration``: it is not known yet.
        """
        return self._pictures.projection(camera)

    # The robot's own motion ----------------------------------------------------------------------

    def add_odometry(self, odometry: Odometry) -> None:
        """Follow the robot's own motion.

        Raises:
            InvalidInput: of the kind ``frame``: it is the motion of another frame.
        """
        self._own.add_odometry(self._desk.take("odometry", self.params.odometry, odometry, None)[1])

    def add_imu(self, reading: ImuReading, robot_from_imu: RigidTransform) -> None:
        """Follow the robot's turns: alone where there is no odometry, else between its messages."""
        _, reading = self._desk.take("imu", self.params.imu, reading, robot_from_imu)
        self._own.add_imu(reading, robot_from_imu)

    def pose_at(self, stamp_ns: int) -> RigidTransform | None:
        """The frame in which objects are followed from the robot's at a time.

        None where it is the robot's own, because no odometry and no IMU is listed.
        """
        return self._own.pose_at(stamp_ns)

    def too_late(self, stamp_ns: int) -> bool:
        """Whether a measurement of that time is older than the newest by more than the horizon."""
        late_ns = self._tracker.tracks.stamp_ns - stamp_ns
        return late_ns > to_ns(self.params.tracking.horizon_s)

    # Sensors -------------------------------------------------------------------------------------

    def add_cloud(
        self, lidar: str, cloud: PointCloud, robot_from_lidar: RigidTransform
    ) -> FusionResult:
        """Use a LiDAR's cloud: for obstacles now, and for pictures of about its time."""
        arrival, cloud = self._desk.take("lidar", lidar, cloud, robot_from_lidar)
        params = self.params
        count = len(cloud.points_m) + cloud.thinned
        if count > params.max_cloud_points:
            self._on_notice(
                topic_of("lidar", lidar),
                InvalidInput(
                    "giant_cloud",
                    f"{count} points, more than max_cloud_points, {params.max_cloud_points}; of "
                    "them every n-th is used",
                ),
            )
        points = raised_points(
            cloud,
            robot_from_lidar,
            ground_z_m=params.ground_z_m,
            clearance_m=params.ground_clearance_m,
            max_range_m=params.max_range_m,
            max_points=params.max_cloud_points,
        )
        return self._add_points(arrival, points)

    def add_scan(
        self, laser: str, scan: LaserScan, robot_from_laser: RigidTransform
    ) -> FusionResult:
        """Use a planar laser scan, as a cloud."""
        arrival, scan = self._desk.take("laser", laser, scan, robot_from_laser)
        points = laser_points(
            scan,
            robot_from_laser,
            ground_z_m=self.params.ground_z_m,
            clearance_m=self.params.ground_clearance_m,
            max_range_m=self.params.max_range_m,
        )
        return self._add_points(arrival, points)

    def _add_points(self, arrival: Arrival, points_m: NDArray[np.floating]) -> FusionResult:
        if self._begin(arrival, "its clouds are forgotten"):
            self._clouds.forget(arrival.source)
        self._clouds.add(arrival.source, arrival.stamp_ns, points_m)
        self._place_again(arrival.source, arrival.stamp_ns)
        params = self.params
        noise = params.range_noise.get(arrival.sensor, RangeNoise())
        assert arrival.place is not None
        found = obstacles_of(
            points_m,
            params.obstacles,
            source=arrival.source,
            sensor_m=arrival.place.translation_m,
            range_sigma_m=noise.range_sigma_m,
            ground_z_m=params.ground_z_m,
            plan_from_robot=self.pose_at(arrival.stamp_ns),
            flat=arrival.kind == "laser",
        )
        return self._apply_found(arrival, found)

    def add_radar(
        self, radar: str, scan: RadarScan, robot_from_radar: RigidTransform
    ) -> FusionResult:
        """Use a radar scan: places and radial velocities."""
        arrival, scan = self._desk.take("radar", radar, scan, robot_from_radar)
        self._begin(arrival, "its returns count at their own time")
        params = self.params
        found = things_of(
            scan,
            robot_from_radar,
            self._own.twist_at(arrival.stamp_ns),
            params.radar_noise.get(radar, RadarNoise()),
            params.obstacles,
            source=arrival.source,
            ground_z_m=params.ground_z_m,
        )
        return self._apply_found(arrival, found)

    def add_range(
        self, ultrasonic: str, reading: RangeReading, robot_from_sensor: RigidTransform
    ) -> FusionResult:
        """Use an ultrasonic echo: something on its arc."""
        arrival, reading = self._desk.take("ultrasonic", ultrasonic, reading, robot_from_sensor)
        self._begin(arrival, "its echoes count at their own time")
        params = self.params
        found = echo_of(
            reading,
            robot_from_sensor,
            params.obstacles,
            source=arrival.source,
            range_sigma_m=params.range_noise.get(ultrasonic, RangeNoise()).range_sigma_m,
            ground_z_m=params.ground_z_m,
        )
        return self._apply(arrival, found)

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
                picture is too late (``late``).
        """
        arrival, detections = self._desk.take("camera", camera, detections, robot_from_optical)
        self._pictures.projection(camera)
        self._begin(arrival, "its pictures count at their own time")
        clouds = self._clouds_near(arrival.stamp_ns)
        picture, findings, refused = self._pictures.place(arrival, detections, clouds, self.params)
        result = self._apply(arrival, findings, picture.content())
        self._log.add(picture)
        offsets = {source.partition(":")[2]: near for source, near in picture.offsets_s.items()}
        return replace(result, refused=(*refused, *result.refused), clouds=offsets)

    def _place_again(self, source: str, stamp_ns: int) -> None:
        """Place the pictures anew that a cloud serves better than the one that they had."""
        limit_s = self.params.max_time_offset_s
        for kept in self._log.that_gain_by(source, stamp_ns, limit_s):
            clouds = self._clouds_near(kept.arrival.stamp_ns)
            picture, findings, _ = self._pictures.place(
                kept.arrival, kept.detections, clouds, self.params
            )
            if picture.shown != kept.shown:
                continue  # a track is known by the place that it had among the picture's
            pose = self.pose_at(kept.arrival.stamp_ns)
            scan, _ = self._scan(kept.arrival, findings, pose, picture.content())
            self._tracker.exchange(scan)
            self._log.add(picture)

    def _clouds_near(self, stamp_ns: int) -> dict[str, PlacedCloud | None]:
        """Of each LiDAR and laser scanner the cloud nearest in time, within the limit."""
        params = self.params
        limit_ns = to_ns(params.max_time_offset_s)
        sensors = [("lidar", name) for name in params.lidars]
        sensors += [("laser", name) for name in params.lasers]
        return {
            f"{kind}:{name}": self._clouds.near(f"{kind}:{name}", stamp_ns, limit_ns, self.pose_at)
            if self._usable(kind, name)
            else None
            for kind, name in sensors
        }

    # All measurements ----------------------------------------------------------------------------

    def _begin(self, arrival: Arrival, effect: str) -> bool:
        """Tell what is wrong with an arrival's time; returns whether its stamp jumped back."""
        jumped = self._desk.tell_jump(arrival, effect)
        self._own.tell_gap(arrival)
        return jumped

    def _scan(
        self,
        arrival: Arrival,
        findings: Sequence[Finding],
        pose: RigidTransform | None,
        content: bytes = b"",
    ) -> tuple[Scan, list[InvalidInput]]:
        """What a measurement says in the frame in which objects are followed, by its pose."""
        tracking = self.params.tracking
        fixed: list[Measurement] = []
        refused: list[InvalidInput] = []
        for finding in findings:
            alone = all(source.startswith("camera:") for source in finding.sources)
            share = tracking.bias_share if alone else tracking.bias_share_by_ranging
            try:
                fixed.append(finding.measurement(pose, share))
            except InvalidInput as error:
                refused.append(error)
        return Scan(arrival.source, arrival.stamp_ns, tuple(fixed), content), refused

    def _apply_found(self, arrival: Arrival, found: Found) -> FusionResult:
        """Correct the tracks by what is found without a camera; a limit that it met is told."""
        if found.limit is not None:
            self._on_notice(topic_of(arrival.kind, arrival.sensor), found.limit)
        return replace(self._apply(arrival, found.things), complete_m=found.complete_m)

    def _apply(
        self, arrival: Arrival, findings: Sequence[Finding], content: bytes = b""
    ) -> FusionResult:
        """Correct the tracks by what a measurement says, at its own time."""
        pose = self.pose_at(arrival.stamp_ns)
        scan, refused = self._scan(arrival, findings, pose, content)
        self._on_measured(Measured(arrival, scan, self._tracker.tracks, pose))
        tracked = self._tracker.update(scan)
        stamp_ns = self._tracker.tracks.stamp_ns
        now_from_robot = pose if stamp_ns == arrival.stamp_ns else self.pose_at(stamp_ns)
        return FusionResult(
            Objects(tracked.seen_from(now_from_robot), stamp_ns, self.params.robot_frame),
            tuple(item.sources for item in scan.measurements),
            tuple(refused),
        )


def _settings(params: SensorFusionParams) -> TrackerSettings:
    return TrackerSettings(
        params.tracking, params.coast_s, params.max_speed_mps, params.camera_timeout_s
    )
