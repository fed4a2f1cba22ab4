"""A scripted scene for the simulation: who moves where, what sees it, what should be noticed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from edge_mm_ros.params.base import StrictModel, load_yaml
from edge_mm_ros.params.safety_rules import Name, Zone
from edge_mm_ros.params.scenario_sensors import Sensor, check_view, load_rig
from edge_mm_ros.params.share import find_config, share_directory

ActorKind = Literal["person", "car", "truck", "bicycle", "obstacle"]
# Length, width and height in metres.
SIZES_M: Mapping[ActorKind, tuple[float, float, float]] = {
    "person": (0.5, 0.5, 1.75),
    "car": (4.5, 1.8, 1.5),
    "truck": (8.0, 2.5, 3.2),
    "bicycle": (1.8, 0.6, 1.75),
    "obstacle": (1.2, 0.8, 1.0),
}
LYING_M = (1.7, 0.5, 0.35)
FALLEN_LABEL = "fallen person"
_LOWEST_TALLEST_M = 2.0

PlanePoint = tuple[float, float]
Length = Annotated[float, Field(gt=0.0, le=1000.0)]
Time = Annotated[float, Field(ge=0.0, le=3600.0)]


class Waypoint(StrictModel):
    """Where something is at a time; on the way it keeps a smooth speed."""

    t_s: Time = Field(description="Time since the begin. [s]")
    xy_m: PlanePoint = Field(description="Position in the world. [m]")
    heading_rad: float | None = Field(
        default=None,
        description="Direction of its x axis; left out: the direction of the way. [rad]",
    )


Path2D = Annotated[tuple[Waypoint, ...], Field(min_length=1)]


def _check_path(path: tuple[Waypoint, ...]) -> tuple[Waypoint, ...]:
    times = [point.t_s for point in path]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise ValueError(f"its times must grow from waypoint to waypoint, got {times}")
    if len({point.heading_rad is None for point in path}) > 1:
        raise ValueError("give heading_rad on all of its waypoints, or on none")
    return path


class Actor(StrictModel):
    """A person, vehicle or thing; before its first and after its last waypoint it stands still."""

    name: Name = Field(description="Its id in the ground truth.")
    kind: ActorKind
    path: Path2D
    label: str = Field("", description="Class that the camera tells; its kind where left out.")
    size_m: tuple[Length, Length, Length] | None = Field(
        None, description="Length, width, height; of its kind where left out. [m]"
    )
    falls_at_s: Time | None = Field(
        None, description=f"From when on a person lies, with the class '{FALLEN_LABEL}'. [s]"
    )

    @field_validator("path")
    @classmethod
    def _path_goes_on(cls, path: tuple[Waypoint, ...]) -> tuple[Waypoint, ...]:
        return _check_path(path)

    @model_validator(mode="after")
    def _only_people_fall(self) -> Actor:
        if self.falls_at_s is not None and self.kind != "person":
            raise ValueError(f"actor '{self.name}' is a {self.kind}; only a person falls")
        return self

    def size_at_m(self, t_s: float) -> tuple[float, float, float]:
        """Length, width and height at a time."""
        if self.fallen(t_s):
            return LYING_M
        return self.size_m or SIZES_M[self.kind]

    def label_at(self, t_s: float) -> str:
        """Class at a time."""
        return FALLEN_LABEL if self.fallen(t_s) else self.label or self.kind

    def fallen(self, t_s: float) -> bool:
        """Whether it lies at a time."""
        return self.falls_at_s is not None and t_s >= self.falls_at_s


class Robot(StrictModel):
    """The robot or vehicle that carries the sensors; it gives no echo itself."""

    path: Path2D = (Waypoint(t_s=0.0, xy_m=(0.0, 0.0)),)

    @field_validator("path")
    @classmethod
    def _path_goes_on(cls, path: tuple[Waypoint, ...]) -> tuple[Waypoint, ...]:
        return _check_path(path)


class Wall(StrictModel):
    """A straight wall on the ground."""

    from_m: PlanePoint
    to_m: PlanePoint
    height_m: Length = 2.5
    thickness_m: Length = 0.2

    @model_validator(mode="after")
    def _it_has_a_length(self) -> Wall:
        if self.from_m == self.to_m:
            raise ValueError(f"a wall needs two different ends, got {self.from_m} twice")
        return self


class Outage(StrictModel):
    """A time in which a sensor fails.

    ``silent``: no message; ``frozen``: the last measurement again and again, with new stamps;
    ``blind``: messages in time that hold nothing.
    """

    sensor: str
    kind: Literal["silent", "frozen", "blind"] = "silent"
    from_s: Time
    to_s: Time

    @model_validator(mode="after")
    def _it_lasts(self) -> Outage:
        if not self.from_s < self.to_s:
            raise ValueError(f"to_s {self.to_s:g} must be later than from_s {self.from_s:g}")
        return self


class _Expectation(StrictModel):
    rule: Name = Field(description="The rule of the safety monitor that should tell.")
    within_s: Time = Field(1.0, description="How soon; later counts as late. [s]")


class ZoneExpectation(_Expectation):
    """An event whenever the centre of an object is in a zone of the robot's frame."""

    kind: Literal["zone"]
    zone: Name
    labels: tuple[str, ...] = ()


class DistanceExpectation(_Expectation):
    """An event whenever the centre of an object is nearer to the robot's origin, on the ground."""

    kind: Literal["minimum_distance"]
    distance_m: Length
    labels: tuple[str, ...] = ()


class SensorLossExpectation(_Expectation):
    """An event for each outage of a sensor."""

    kind: Literal["sensor_loss"]
    sensor: str


Expectation = Annotated[
    ZoneExpectation | DistanceExpectation | SensorLossExpectation, Field(discriminator="kind")
]


class Scenario(StrictModel):
    """A scene with its sensors.

    The world's x, y plane is the flat ground; `rig` names sensors of ``config/rigs`` to which
    `sensors` adds.
    """

    name: Name
    description: str = ""
    duration_s: float = Field(gt=0.0, le=3600.0, description="How long it lasts. [s]")
    truth_rate_hz: float = Field(20.0, gt=0.0, le=1000.0, description="Of the truth. [Hz]")
    visibility_m: float | None = Field(
        None, gt=1.0, le=100000.0, description="Meteorological visibility in fog. [m]"
    )
    robot: Robot = Robot()
    actors: tuple[Actor, ...] = ()
    walls: tuple[Wall, ...] = ()
    rig: str = Field("", description="A rig of sensors: a name or the path of a YAML file.")
    sensors: tuple[Sensor, ...] = Field(min_length=1)
    outages: tuple[Outage, ...] = ()
    zones: tuple[Zone, ...] = ()
    expectations: tuple[Expectation, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _mount_the_rig(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("rig"), str):
            return values
        added = values.get("sensors", ())
        if not values["rig"] or not isinstance(added, (list, tuple)):
            return values
        return {**values, "rig": "", "sensors": [*load_rig(values["rig"]).sensors, *added]}

    @model_validator(mode="after")
    def _check(self) -> Scenario:
        _refuse_twins("sensor", [sensor.name for sensor in self.sensors])
        _refuse_twins("actor", [actor.name for actor in self.actors])
        _refuse_twins("zone", [zone.name for zone in self.zones])
        heights = [actor.size_at_m(0.0)[2] for actor in self.actors]
        heights += [wall.height_m for wall in self.walls]
        for sensor in self.sensors:
            check_view(sensor, max([*heights, _LOWEST_TALLEST_M]))
        sensors = {sensor.name for sensor in self.sensors}
        zones = {zone.name for zone in self.zones}
        kinds = {sensor.name: sensor.kind for sensor in self.sensors}
        for outage in self.outages:
            _refuse_stranger("an outage", "sensor", outage.sensor, sensors)
            if outage.kind == "blind" and kinds[outage.sensor] == "odometry":
                raise ValueError(f"odometry '{outage.sensor}' cannot be blind; let it be silent")
        for expected in self.expectations:
            who = f"the expectation of rule '{expected.rule}'"
            if isinstance(expected, SensorLossExpectation):
                _refuse_stranger(who, "sensor", expected.sensor, sensors)
            elif isinstance(expected, ZoneExpectation):
                _refuse_stranger(who, "zone", expected.zone, zones)
        return self


def load_scenario(name_or_path: str) -> Scenario:
    """The scenario of a shipped name or of a file, with the sensors of its rig.

    Raises:
        ParameterError: there is no such file, or it has refused keys; names them.
    """
    return load_yaml(Scenario, find_config("scenarios", name_or_path))


def shipped_scenarios() -> dict[str, Path]:
    """The scenarios that ship, by name, without reading them."""
    folder = share_directory() / "config" / "scenarios"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _refuse_twins(kind: str, names: list[str]) -> None:
    if twins := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ValueError(f"{kind} {', '.join(twins)} is defined more than once")


def _refuse_stranger(who: str, kind: str, name: str, known: set[str]) -> None:
    if name not in known:
        raise ValueError(
            f"{who} names the {kind} '{name}'; there are: {', '.join(sorted(known)) or 'none'}"
        )
