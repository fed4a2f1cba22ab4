"""Parameters of the node ``sensor_fusion``."""

from __future__ import annotations

from enum import Enum

import numpy as np
from pydantic import model_validator

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.params.base import NodeParams, StrictModel, TopicPrefix, parameter
from edge_mm_ros.params.tracking import TrackingParams

# REP-103: an optical frame has x right, y down, z forward; a body frame x forward, y left, z up.
BODY_FROM_OPTICAL = RigidTransform(
    np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3)
)


class MountingFrame(Enum):
    """Which of a camera's two frames its mounting describes."""

    BODY = "body"
    OPTICAL = "optical"


class Mounting(StrictModel):
    """Where a sensor's frame sits in the robot's frame; all empty means that it is not known."""

    xyz_m: tuple[float, ...] = parameter((), "Position in the robot's frame: x, y, z.", unit="m")
    rpy_rad: tuple[float, ...] = parameter(
        (), "Roll, pitch, yaw about the robot's x, y, z; a positive pitch looks down.", unit="rad"
    )
    quaternion_xyzw: tuple[float, ...] = parameter(
        (), "Orientation as a quaternion x, y, z, w, instead of rpy_rad."
    )

    @model_validator(mode="after")
    def _check_complete(self) -> Mounting:
        for name, length in (("xyz_m", 3), ("rpy_rad", 3), ("quaternion_xyzw", 4)):
            given = len(getattr(self, name))
            if given not in {0, length}:
                raise ValueError(f"{name} needs {length} numbers, got {given}")
        if self.rpy_rad and self.quaternion_xyzw:
            raise ValueError("give either rpy_rad or quaternion_xyzw, not both")
        if bool(self.xyz_m) != bool(self.rpy_rad or self.quaternion_xyzw):
            raise ValueError("a mounting needs xyz_m and one of rpy_rad and quaternion_xyzw")
        self.pose()
        return self

    def pose(self) -> RigidTransform | None:
        """The robot's frame from the described frame; None where it is not known.

        Raises:
            InvalidInput: the quaternion's norm is not 1.
        """
        if not self.xyz_m:
            return None
        if self.quaternion_xyzw:
            return RigidTransform.from_quaternion(self.xyz_m, self.quaternion_xyzw)
        return RigidTransform.from_xyz_rpy(self.xyz_m, self.rpy_rad)


class CameraMounting(Mounting):
    """Where a camera sits: the pose of its body (x along the view) or of its optical frame."""

    frame: MountingFrame = parameter(
        MountingFrame.BODY,
        "What the pose describes: body (x forward, z up) or optical (z forward, y down).",
    )

    def robot_from_optical(self) -> RigidTransform | None:
        """The robot's frame from the optical frame; None where it is not known."""
        pose = self.pose()
        if pose is None or self.frame is MountingFrame.OPTICAL:
            return pose
        return pose @ BODY_FROM_OPTICAL


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
        3.0, "Fastest that an object is expected to move.", unit="m/s", live=True, gt=0, le=100
    )
    minimum_points: int = parameter(
        5, "Fewest LiDAR points that place an object.", live=True, ge=1, le=10000
    )
    max_range_m: float = parameter(
        80.0, "Furthest object that is placed.", unit="m", live=True, gt=0, le=1000
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
    odometry_timeout_s: float = parameter(
        0.3,
        "Furthest that a measurement may lie after the newest odometry; further, it is left out.",
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

    @model_validator(mode="after")
    def _check_sensors(self) -> SensorFusionParams:
        for kind in ("camera", "lidar"):
            sensors = getattr(self, f"{kind}s")
            if len(set(sensors)) != len(sensors):
                raise ValueError(f"{kind}s names one twice: {', '.join(sensors)}")
            strangers = sorted(set(getattr(self, f"{kind}_mounting")) - set(sensors))
            if strangers:
                raise ValueError(
                    f"{kind}_mounting names {', '.join(strangers)}, not listed in {kind}s"
                )
        return self
