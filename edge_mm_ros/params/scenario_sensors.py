"""The simulated sensors of a scenario, and the rigs that several scenarios share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.params.base import StrictModel, TopicPrefix, load_yaml
from edge_mm_ros.params.share import find_config

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Metres = Annotated[float, Field(ge=0.0, le=1000.0)]
Angle = Annotated[float, Field(gt=0.0, le=2.0 * math.pi)]
Sigma = Annotated[float, Field(ge=0.0, le=100.0)]
Vector = tuple[float, float, float]


class Place(StrictModel):
    """Where a sensor's body (x along its view, z up) sits in the robot's frame."""

    xyz_m: Vector = Field(default=(0.0, 0.0, 0.0), description="Position. [m]")
    rpy_rad: Vector = Field(
        default=(0.0, 0.0, 0.0),
        description="Roll, pitch, yaw about the robot's x, y, z; a positive pitch looks down. "
        "[rad]",
    )

    def pose(self) -> RigidTransform:
        """The robot's frame from the sensor's body."""
        return RigidTransform.from_xyz_rpy(self.xyz_m, self.rpy_rad)


class _Sensor(StrictModel):
    """What all sensors share: place, rate, and the way of their messages.

    A message is stamped with its capture time plus `clock_offset_s` and arrives `delay_s` plus up
    to `delay_jitter_s` (uniformly distributed) after its capture.
    """

    name: TopicPrefix = Field(description="What its topics begin with.")
    rate_hz: float = Field(10.0, gt=0.0, le=1000.0, description="Measurements per second. [Hz]")
    phase_s: float = Field(0.0, ge=0.0, le=10.0, description="Time of the first. [s]")
    place: Place = Field(default=Place(), description="Where it is said to sit.")
    place_error: Place = Field(
        default=Place(), description="How far it really sits from there, in its own axes."
    )
    delay_s: float = Field(0.0, ge=0.0, le=10.0, description="From capture to arrival. [s]")
    delay_jitter_s: float = Field(0.0, ge=0.0, le=10.0, description="Most that is added. [s]")
    drop_share: Share = Field(0.0, description="Share of messages that never arrive.")
    clock_offset_s: float = Field(
        0.0, ge=-3600.0, le=3600.0, description="How far its stamps run ahead. [s]"
    )

    @property
    def topic_words(self) -> str:
        """Its name as a part of frame names."""
        return self.name.strip("~/").replace("/", "_")

    @property
    def frame_id(self) -> str:
        """The frame of its measurements."""
        return f"{self.topic_words}_frame"

    def true_pose(self) -> RigidTransform:
        """The robot's frame from where the sensor's body really is."""
        return self.place.pose() @ self.place_error.pose()


def directions(
    azimuths_rad: Sequence[float], elevations_rad: Sequence[float]
) -> NDArray[np.float64]:
    """Unit vectors (azimuths × elevations, 3) in a body frame: x ahead, y left, z up."""
    azimuth, elevation = (
        grid.reshape(-1) for grid in np.meshgrid(azimuths_rad, elevations_rad, indexing="ij")
    )
    flat = np.cos(elevation)
    return np.column_stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])


class _RangingSensor(_Sensor):
    """A sensor that measures distances between two limits."""

    min_range_m: Metres = Field(0.1, description="Nearest that it can tell. [m]")
    max_range_m: Metres = Field(50.0, description="Furthest that it can tell. [m]")
    range_sigma_m: Sigma = Field(0.02, description="Standard deviation of a distance. [m]")

    @model_validator(mode="after")
    def _limits_make_sense(self) -> _RangingSensor:
        if not self.min_range_m < self.max_range_m:
            raise ValueError(
                f"sensor '{self.name}' looks nowhere: max_range_m {self.max_range_m:g} is not "
                f"beyond min_range_m {self.min_range_m:g}"
            )
        return self


class CameraSensor(_Sensor):
    """A pinhole camera with a detector behind it: ``<name>/detections`` and ``camera_info``."""

    kind: Literal["camera"]
    width: int = Field(1280, ge=16, le=10000, description="Of the picture. [px]")
    height: int = Field(720, ge=16, le=10000, description="Of the picture. [px]")
    field_of_view_rad: float = Field(
        1.4, gt=0.0, lt=math.pi, description="Opening angle across the width. [rad]"
    )
    max_range_m: Metres = Field(80.0, description="Furthest object that is found. [m]")
    edge_sigma_px: Sigma = Field(1.5, description="Standard deviation of a box's edges. [px]")
    edge_sigma_share: Share = Field(0.01, description="The same, as a share of the box's height.")
    miss_share: Share = Field(0.03, description="Share of visible objects that are not found.")
    false_per_picture: Sigma = Field(0.02, description="Mean number of boxes around nothing.")
    min_visible_share: Share = Field(0.3, description="Least visible share that is found.")
    min_height_px: Sigma = Field(12.0, description="Lowest box that is found. [px]")

    @property
    def frame_id(self) -> str:
        """The optical frame (REP-103)."""
        return f"{self.topic_words}_optical_frame"

    @property
    def min_range_m(self) -> float:
        """Nearest that it sees."""
        return 0.1

    @property
    def focal_length_px(self) -> float:
        """Of the pinhole, both ways."""
        return self.width / 2.0 / math.tan(self.field_of_view_rad / 2.0)

    def view(self) -> NDArray[np.float64]:
        """Unit directions (n, 3) of its body frame that span its view."""
        half_height = math.atan(self.height / 2.0 / self.focal_length_px)
        half_width = self.field_of_view_rad / 2.0
        return directions((-half_width, 0.0, half_width), (-half_height, 0.0, half_height))


class LidarSensor(_RangingSensor):
    """A turning LiDAR: ``<name>/points``; a whole turn is taken at one instant."""

    kind: Literal["lidar"]
    rings: int = Field(16, ge=1, le=256, description="Number of beams.")
    columns: int = Field(720, ge=4, le=10000, description="Directions of a turn.")
    elevation_min_rad: float = Field(-0.2618, ge=-1.6, le=1.6, description="Lowest beam. [rad]")
    elevation_max_rad: float = Field(0.2618, ge=-1.6, le=1.6, description="Highest beam. [rad]")
    point_drop_share: Share = Field(0.01, description="Share of echoes that are lost.")
    clutter_share: Share = Field(
        0.1, description="Share of the beams that fog throws back early, where there is fog."
    )

    @model_validator(mode="after")
    def _beams_differ(self) -> LidarSensor:
        if self.elevation_max_rad < self.elevation_min_rad:
            raise ValueError(
                f"sensor '{self.name}' looks nowhere: elevation_max_rad lies below "
                "elevation_min_rad"
            )
        return self

    def beams(self) -> NDArray[np.float64]:
        """Unit directions (columns × rings, 3) in its frame."""
        turn = np.linspace(-math.pi, math.pi, self.columns, endpoint=False)
        return directions(
            list(turn),
            list(np.linspace(self.elevation_min_rad, self.elevation_max_rad, self.rings)),
        )

    def view(self) -> NDArray[np.float64]:
        """Unit directions (n, 3) of its body frame that span its view."""
        turn = list(np.linspace(-math.pi, math.pi, 8, endpoint=False))
        return directions(turn, (self.elevation_min_rad, self.elevation_max_rad))


class RadarSensor(_RangingSensor):
    """A radar: ``<name>/scan``."""

    kind: Literal["radar"]
    min_range_m: Metres = Field(0.5, description="Nearest that it can tell. [m]")
    max_range_m: Metres = Field(100.0, description="Furthest that it can tell. [m]")
    range_sigma_m: Sigma = Field(0.1, description="Standard deviation of a distance. [m]")
    field_of_view_rad: Angle = Field(1.6, description="Opening angle from side to side. [rad]")
    elevation_rad: float = Field(
        0.35, gt=0.0, le=math.pi, description="Opening angle up and down. [rad]"
    )
    azimuth_sigma_rad: Sigma = Field(0.01, description="Standard deviation of azimuths. [rad]")
    elevation_sigma_rad: Sigma = Field(0.03, description="Standard deviation of elevations. [rad]")
    doppler_sigma_mps: Sigma = Field(0.1, description="Standard deviation of speeds. [m/s]")
    miss_share: Share = Field(0.1, description="Share of returns that are lost.")
    false_per_scan: Sigma = Field(0.2, description="Mean number of returns from nothing.")

    def view(self) -> NDArray[np.float64]:
        """Unit directions (n, 3) of its body frame that span its view."""
        side, up = self.field_of_view_rad / 2.0, self.elevation_rad / 2.0
        return directions((-side, 0.0, side), (-up, 0.0, up))


class UltrasonicSensor(_RangingSensor):
    """An ultrasonic cone: ``<name>/range``; the nearest echo counts, the ground gives none."""

    kind: Literal["ultrasonic"]
    min_range_m: Metres = Field(0.2, description="Nearest that it can tell. [m]")
    max_range_m: Metres = Field(4.0, description="Furthest that it can tell. [m]")
    range_sigma_m: Sigma = Field(0.01, description="Standard deviation of a distance. [m]")
    field_of_view_rad: float = Field(
        0.9, gt=0.0, lt=math.pi, description="Opening angle of the cone. [rad]"
    )
    miss_share: Share = Field(0.02, description="Share of echoes that are lost.")

    def view(self) -> NDArray[np.float64]:
        """Unit directions (n, 3) of its body frame that span its view."""
        half = self.field_of_view_rad / 2.0
        return directions((-half, 0.0, half), (-half, 0.0, half))


class LaserSensor(_RangingSensor):
    """A planar laser scanner: ``<name>/scan``."""

    kind: Literal["laser"]
    max_range_m: Metres = Field(20.0, description="Furthest that it can tell. [m]")
    field_of_view_rad: Angle = Field(4.7, description="Opening angle about x. [rad]")
    beams: int = Field(541, ge=2, le=20000, description="Number of directions.")
    beam_drop_share: Share = Field(0.01, description="Share of echoes that are lost.")

    @property
    def angle_step_rad(self) -> float:
        """From one beam to the next."""
        return self.field_of_view_rad / (self.beams - 1)

    def view(self) -> NDArray[np.float64]:
        """Unit directions (beams, 3) of its body frame."""
        half = self.field_of_view_rad / 2.0
        return directions(list(np.linspace(-half, half, self.beams)), (0.0,))


class OdometrySensor(_Sensor):
    """Odometry that drifts: the topic is its name; the frames are ``odom`` and ``base_link``."""

    kind: Literal["odometry"]
    name: TopicPrefix = Field("odom", description="Its topic.")
    rate_hz: float = Field(50.0, gt=0.0, le=1000.0, description="Estimates per second. [Hz]")
    scale_error: float = Field(0.005, ge=-0.5, le=0.5, description="Too far, as a share.")
    turn_bias_radps: float = Field(0.0005, ge=-1.0, le=1.0, description="Bias of the turn. [rad/s]")
    speed_sigma_mps: Sigma = Field(0.02, description="Standard deviation of speeds. [m/s]")
    turn_sigma_radps: Sigma = Field(0.005, description="Standard deviation of turns. [rad/s]")


Sensor = Annotated[
    CameraSensor | LidarSensor | RadarSensor | UltrasonicSensor | LaserSensor | OdometrySensor,
    Field(discriminator="kind"),
]


class Rig(StrictModel):
    """Sensors on a robot or vehicle that several scenarios share (``config/rigs``)."""

    name: str = Field(min_length=1)
    description: str = ""
    sensors: tuple[Sensor, ...] = Field(min_length=1)


def load_rig(name_or_path: str) -> Rig:
    """The rig of a shipped name or of a file.

    Raises:
        ParameterError: there is no such file, or it has refused keys; names them.
    """
    return load_yaml(Rig, find_config("rigs", name_or_path))


def check_view(sensor: Sensor, tallest_m: float) -> None:
    """Refuse a sensor that cannot see anything of a scene on flat ground.

    Args:
        sensor: the sensor.
        tallest_m: height of the tallest thing of the scene.

    Raises:
        ValueError: it lies below the ground, or its whole view passes over everything or into
            the ground before its range begins.
    """
    if isinstance(sensor, OdometrySensor):
        return
    pose = sensor.true_pose()
    height = float(pose.translation_m[2])
    if height <= 0.0:
        raise ValueError(
            f"sensor '{sensor.name}' looks nowhere: it sits {height:g} m above the ground"
        )
    rise = (pose.rotation @ sensor.view().T)[2]
    near, far = height + sensor.min_range_m * rise, height + sensor.max_range_m * rise
    if not np.any((np.maximum(near, far) >= 0.0) & (np.minimum(near, far) <= tallest_m)):
        raise ValueError(
            f"sensor '{sensor.name}' looks nowhere: its whole view lies above {tallest_m:g} m or "
            "below the ground; see place.rpy_rad (a positive pitch looks down)"
        )
