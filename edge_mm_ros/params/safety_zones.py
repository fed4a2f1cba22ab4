"""Zones of the safety monitor's rules."""

from __future__ import annotations

import itertools
from enum import Enum
from typing import Annotated

from pydantic import Field, model_validator

from edge_mm_ros.datatypes import SafetyLevel
from edge_mm_ros.params.base import StrictModel

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")]
Point = tuple[float, float]


class Level(Enum):
    """What a condition means while it holds."""

    CAUTION = "caution"
    DANGER = "danger"

    @property
    def safety(self) -> SafetyLevel:
        """As a value of the safety state."""
        return SafetyLevel(self.value)


def fault_of_polygon(corners: tuple[Point, ...]) -> str:
    """What is wrong with a polygon; empty where it is simple."""
    if len(corners) < 3:
        return f"needs at least 3 corners, got {len(corners)}"
    sides = list(zip(corners, corners[1:] + corners[:1], strict=True))
    if any(begin == end for begin, end in sides):
        return "repeats a corner"
    for (i, one), (j, other) in itertools.combinations(enumerate(sides), 2):
        neighbours = j - i == 1 or (i == 0 and j == len(sides) - 1)
        if _cross(one, other, neighbours):
            return f"crosses itself: the side {one} meets {other}"
    return ""


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _between(a: Point, b: Point, c: Point) -> bool:
    """Whether `c`, on the line through `a` and `b`, lies between them."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _cross(one: tuple[Point, Point], other: tuple[Point, Point], neighbours: bool) -> bool:
    """Whether two sides meet; neighbours only where they fold back onto each other."""
    (a, b), (c, d) = one, other
    if neighbours:
        shared, tip, far = (b, a, d) if b == c else (a, b, c)
        back = (tip[0] - shared[0]) * (far[0] - shared[0]) + (tip[1] - shared[1]) * (
            far[1] - shared[1]
        )
        return _turn(tip, shared, far) == 0.0 and back > 0.0
    turns = (_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b))
    if (turns[0] > 0) != (turns[1] > 0) and (turns[2] > 0) != (turns[3] > 0) and all(turns):
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0.0 and _between(*end) for turn, end in zip(turns, ends, strict=True))


class Zone(StrictModel):
    """An area on the ground in the robot's frame."""

    name: Name
    level: Level
    polygon_m: tuple[Point, ...]

    @model_validator(mode="after")
    def _check(self) -> Zone:
        if fault := fault_of_polygon(self.polygon_m):
            raise ValueError(f"zone '{self.name}': its polygon {fault}")
        return self


class BrakingZone(StrictModel):
    """The ground that the robot cannot help to pass over: it grows with its speed.

    It reaches from the robot's end in the direction of its motion over the way of the reaction time
    and the braking way, v t + v² / 2a, along the arc on which the robot drives.
    """

    name: Name
    level: Level
    front_m: float = Field(ge=0.0, le=100.0, description="From the origin to the front. [m]")
    rear_m: float = Field(ge=0.0, le=100.0, description="From the origin to the rear. [m]")
    width_m: float = Field(gt=0.0, le=100.0, description="Width that must stay free. [m]")
    margin_m: float = Field(0.3, gt=0.0, le=100.0, description="Free way left over at rest. [m]")
    reaction_s: float = Field(0.5, ge=0.0, le=60.0, description="Until the brakes act. [s]")
    deceleration_mps2: float = Field(gt=0.0, le=50.0, description="Of the brakes. [m/s2]")

    def stopping_distance_m(self, speed_mps: float) -> float:
        """The way until the robot stands, without the margin."""
        speed = abs(speed_mps)
        return speed * self.reaction_s + speed * speed / (2.0 * self.deceleration_mps2)
