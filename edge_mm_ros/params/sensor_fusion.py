"""Parameters of the node ``sensor_fusion``."""

from __future__ import annotations

from pydantic import model_validator

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.params.base import NodeParams, TopicPrefix, parameter
from edge_mm_ros.params.free_space import FreeSpaceParams, RadarView
from edge_mm_ros.params.fusion_sensors import (
    ObstacleParams,
    RadarNoise,
    RangeNoise,
    SensorTiming,
)
from edge_mm_ros.params.mounting import CameraMounting, Mounting
from edge_mm_ros.params.sensor_watch import SensorWatchParams
from edge_mm_ros.params.tracking import TrackingParams

SENSOR_KINDS = ("camera", "lidar", "radar", "laser", "ultrasonic")
"""Kinds of sensors of which there may be any number; the parameter ``<kind>s`` lists each."""

_KEYED = {
    "sensor_timing": SENSOR_KINDS,
    "radar_noise": ("radar",),
    "radar_view": ("radar",),
    "range_noise": ("lidar", "laser", "ultrasonic"),
}


class SensorFusionParams(NodeParams):
    """Which sensors there are, where they sit, and how far their measurements are trusted."""

    robot_frame: str = parameter("base_link", "Frame of the objects (REP-105).", min_length=1)
    cameras: tuple[TopicPrefix, ...] = parameter(
        ("camera",), "Topic prefixes of the cameras: <camera>/detections, <camera>/camera_info."
    )
    lidars: tuple[TopicPrefix, ...] = parameter((), "Topic prefixes of the LiDARs: <lidar>/points.")
    camera_mounting: dict[str, CameraMounting] = parameter(
        {}, "Where each camera sits, for cameras that tf does not place.", keyed_by="cameras"
    )
    lidar_mounting: dict[str, Mounting] = parameter(
        {}, "Where each LiDAR sits, for LiDARs that tf does not place.", keyed_by="lidars"
    )
    radars: tuple[TopicPrefix, ...] = parameter(
        (), "Topic prefixes of the radars: <radar>/scan (radar_msgs/RadarScan)."
    )
    lasers: tuple[TopicPrefix, ...] = parameter(
        (), "Topic prefixes of the laser scanners: <laser>/scan (sensor_msgs/LaserScan)."
    )
    ultrasonics: tuple[TopicPrefix, ...] = parameter(
        (), "Topic prefixes of the range sensors: <ultrasonic>/range."
    )
    radar_mounting: dict[str, Mounting] = parameter(
        {}, "Where each radar sits, for radars that tf does not place.", keyed_by="radars"
    )
    laser_mounting: dict[str, Mounting] = parameter(
        {}, "Where each laser scanner sits, where tf does not place it.", keyed_by="lasers"
    )
    ultrasonic_mounting: dict[str, Mounting] = parameter(
        {}, "Where each range sensor sits, where tf does not place it.", keyed_by="ultrasonics"
    )
    sensor_timing: dict[str, SensorTiming] = parameter(
        {},
        "The clock of each sensor, where it differs.",
        keyed_by="cameras,lidars,radars,lasers,ultrasonics",
    )
    radar_noise: dict[str, RadarNoise] = parameter(
        {}, "How exact each radar is.", keyed_by="radars"
    )
    range_noise: dict[str, RangeNoise] = parameter(
        {}, "How exact each ranging sensor is.", keyed_by="lidars,lasers,ultrasonics"
    )
    obstacles: ObstacleParams = parameter(
        ObstacleParams(), "What becomes an object without a camera.", live=True
    )
    sensor_timeout_s: float = parameter(
        0.5,
        "Longest silence of a sensor, where sensor_timing tells none.",
        unit="s",
        live=True,
        gt=0,
        le=3600,
    )
    max_cloud_points: int = parameter(
        300_000,
        "Most points of a cloud that are used; of a larger one every n-th.",
        live=True,
        ge=1000,
        le=10_000_000,
    )
    objects_period_s: float = parameter(
        0.05,
        "Least time between two messages of objects that no picture brought.",
        unit="s",
        live=True,
        ge=0,
        le=10,
    )
    max_time_offset_s: float = parameter(
        0.1, "Furthest that a picture and a cloud may lie apart.", unit="s", live=True, ge=0, le=10
    )
    camera_timeout_s: float = parameter(
        0.5,
        "How long a camera and its LiDARs count among the sources of what they saw.",
        unit="s",
        live=True,
        ge=0,
        le=10,
    )
    coast_s: float = parameter(
        2.5,
        "How long an object that is not seen is predicted and keeps its track id.",
        unit="s",
        live=True,
        ge=0,
        le=60,
    )
    max_speed_mps: float = parameter(
        3.0,
        "Fastest that an object is expected to move. What no camera names and moves more than "
        "twice as fast may never be told: set what may come near.",
        unit="m/s",
        live=True,
        gt=0,
        le=100,
    )
    minimum_points: int = parameter(
        5, "Fewest LiDAR points that place an object.", live=True, ge=1, le=10000
    )
    max_range_m: float = parameter(
        80.0,
        "Furthest object that is placed; cameras, LiDARs and laser scanners cover nothing beyond.",
        unit="m",
        live=True,
        gt=0,
        le=1000,
    )
    ground_z_m: float = parameter(
        0.0,
        "Height of the ground in the robot's frame; negative where the frame lies above it.",
        unit="m",
        live=True,
        ge=-100,
        le=100,
    )
    ground_clearance_m: float = parameter(
        0.15, "LiDAR points lower above the ground are ground.", unit="m", live=True, ge=0, le=5
    )
    max_height_m: float = parameter(
        2.5,
        "Tallest object that is expected; bounds what the picture's lower border cuts.",
        unit="m",
        live=True,
        gt=0,
        le=20,
    )
    pixel_sigma_px: float = parameter(
        2.0, "Standard deviation of a box's edges.", unit="px", live=True, gt=0, le=100
    )
    box_sigma_share: float = parameter(
        0.03, "The same, as a share of the box's height, added to it.", live=True, ge=0, le=1
    )
    tilt_sigma_rad: float = parameter(
        0.015,
        "Standard deviation of a camera's pitch against the ground, slopes included.",
        unit="rad",
        live=True,
        ge=0,
        le=0.5,
    )
    height_sigma_m: float = parameter(
        0.05,
        "Standard deviation of a camera's height over the ground.",
        unit="m",
        live=True,
        ge=0,
        le=10,
    )

    odometry: str = parameter(
        "",
        "Topic of the robot's own motion (nav_msgs/Odometry); empty: none, and objects are "
        "followed as the robot sees them move.",
    )
    imu: str = parameter(
        "",
        "Topic of the robot's turn rate (sensor_msgs/Imu); it stands in for odometry where there "
        "is none, and fills its gaps where there is; empty: none.",
    )
    imu_mounting: Mounting = parameter(Mounting(), "How the IMU sits, where tf does not place it.")
    odometry_timeout_s: float = parameter(
        0.3,
        "How long the robot is taken to move on as the newest odometry says; after that, objects "
        "are followed as the robot sees them move.",
        unit="s",
        live=True,
        ge=0,
        le=10,
    )
    clock_tolerance_s: float = parameter(
        0.5,
        "How far a measurement's stamp may lie ahead of the node's clock; further, it is left out.",
        unit="s",
        live=True,
        ge=0,
        le=3600,
    )
    tracking: TrackingParams = parameter(TrackingParams(), "How objects are followed.", live=True)
    watch: SensorWatchParams = parameter(
        SensorWatchParams(), "When a sensor counts as faulty.", live=True
    )
    zones_file: str = parameter(
        "",
        "File of rules, as the safety monitor's rules_file, whose zones are watched for coverage: "
        "a path, or the name of one that ships; empty: none.",
    )
    free_space: FreeSpaceParams = parameter(
        FreeSpaceParams(), "What counts as seen, and how much of a zone must be.", live=True
    )
    free_space_reach_m: float = parameter(
        10.0,
        "Half the side of the grid free_space; it grows with the zones.",
        unit="m",
        gt=0,
        le=200,
    )
    free_space_cell_m: float = parameter(
        0.2, "Side of its cells; larger where the grid is.", unit="m", ge=0.05, le=5
    )
    radar_view: dict[str, RadarView] = parameter(
        {}, "Where the silence of a radar tells that nothing is there.", keyed_by="radars"
    )

    @model_validator(mode="after")
    def _check_sensors(self) -> SensorFusionParams:
        owners: dict[str, str] = {}
        for kind in SENSOR_KINDS:
            sensors = getattr(self, f"{kind}s")
            if len(set(sensors)) != len(sensors):
                raise ValueError(f"{kind}s names one twice: {', '.join(sensors)}")
            strangers = sorted(set(getattr(self, f"{kind}_mounting")) - set(sensors))
            if strangers:
                raise ValueError(
                    f"{kind}_mounting names {', '.join(strangers)}, not listed in {kind}s"
                )
            for sensor in sensors:
                other = owners.setdefault(sensor, kind)
                # The picture and the cloud of a depth camera share one prefix.
                if {other, kind} not in ({kind}, {"camera", "lidar"}):
                    raise ValueError(
                        f"two sensors have the name '{sensor}': a {other} and a {kind}; "
                        "rename one of them"
                    )
        for field, kinds in _KEYED.items():
            strangers = sorted(
                set(getattr(self, field)).difference(*(getattr(self, f"{kind}s") for kind in kinds))
            )
            if strangers:
                raise ValueError(
                    f"{field} names {', '.join(strangers)}, not listed in "
                    f"{', '.join(f'{kind}s' for kind in kinds)}"
                )
        return self

    def mounting(self, kind: str, sensor: str) -> RigidTransform | None:
        """The configured place of a sensor's measurements; None where there is none.

        Args:
            kind: one of `SENSOR_KINDS`; a camera's measurements are in its optical frame.
            sensor: its name.
        """
        if kind == "camera":
            return self.camera_mounting.get(sensor, CameraMounting()).robot_from_optical()
        mountings: dict[str, Mounting] = getattr(self, f"{kind}_mounting")
        return mountings.get(sensor, Mounting()).pose()

    def timeout_of(self, kind: str, sensor: str) -> float:
        """The longest silence of a sensor, seconds."""
        if kind == "odometry":
            return self.odometry_timeout_s
        return self.sensor_timing.get(sensor, SensorTiming()).timeout_s or self.sensor_timeout_s
