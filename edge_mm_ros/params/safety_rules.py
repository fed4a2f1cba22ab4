"""The safety monitor's file of rules."""

from __future__ import annotations

import itertools
import unicodedata
from enum import Enum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from edge_mm_ros.datatypes import SafetyLevel
from edge_mm_ros.params.base import StrictModel

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")]
Point = tuple[float, float]
Seconds = Annotated[float, Field(ge=0.0, le=86400.0)]


class Level(Enum):
    """What a condition means while it holds."""

    CAUTION = "caution"
    DANGER = "danger"

    @property
    def safety(self) -> SafetyLevel:
        """As a value of the safety state."""
        return SafetyLevel(self.value)


InputKind = Literal["objects", "detections", "range", "speech", "diagnostics"]


def _fault_of_polygon(corners: tuple[Point, ...]) -> str:
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
        if fault := _fault_of_polygon(self.polygon_m):
            raise ValueError(f"zone '{self.name}': its polygon {fault}")
        return self


class _Rule(StrictModel):
    name: Name


class _ObjectRule(_Rule):
    """A rule about single objects.

    `labels` empty means every class. A condition begins when it has held for `enter_after_s` and
    for `enter_after_frames` measurements, and ends when it has not held for `leave_after_s`.
    """

    labels: tuple[str, ...] = ()
    minimum_score: float = Field(0.0, ge=0.0, le=1.0)
    enter_after_s: Seconds = 0.0
    enter_after_frames: int = Field(1, ge=1, le=10000)
    leave_after_s: Seconds = 1.0


class ZoneRule(_ObjectRule):
    """An object in a zone; `dwell_s` above 0 tells once more when it has stayed for so long."""

    kind: Literal["zone"]
    zone: Name
    dwell_s: Seconds = 0.0
    leave_margin_m: float = Field(0.2, ge=0.0, le=100.0)


class MinimumDistanceRule(_ObjectRule):
    """An object or a range sensor's echo nearer than `distance_m`, until `hysteresis_m` beyond.

    `sensors` chooses range sensors by topic prefix; empty means all.
    """

    kind: Literal["minimum_distance"]
    level: Level
    distance_m: float = Field(gt=0.0, le=1000.0)
    hysteresis_m: float = Field(0.2, ge=0.0, le=100.0)
    input: Literal["objects", "range"] = "objects"
    sensors: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> MinimumDistanceRule:
        if self.input == "range" and (self.labels or self.minimum_score):
            raise ValueError("a range sensor knows no labels and no scores")
        if self.input == "objects" and self.sensors:
            raise ValueError("sensors belong to input: range; objects have labels")
        return self


class FallenRule(_ObjectRule):
    """A fallen person: enough of the last `window_s` seconds' measurements carry a label.

    With objects the measurements of one track count, with detections those of one camera.
    """

    kind: Literal["fallen"]
    level: Level = Level.DANGER
    labels: tuple[str, ...] = Field(("Fall",), min_length=1)
    window_s: float = Field(1.0, gt=0.0, le=60.0)
    minimum_share: float = Field(0.5, gt=0.0, le=1.0)
    enter_after_frames: int = Field(3, ge=1, le=10000)
    input: Literal["objects", "detections"] = "objects"
    sensors: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> FallenRule:
        if self.input == "objects" and self.sensors:
            raise ValueError("sensors belong to input: detections; objects come from all cameras")
        return self


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, lower case, without punctuation; apostrophes stay inside words."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    kept = "".join(letter if letter.isalnum() or letter == "'" else " " for letter in folded)
    return tuple(word for raw in kept.split() if (word := raw.strip("'")))


def _check_phrase(phrase: str) -> str:
    if not words_of(phrase):
        raise ValueError("a phrase needs at least one word")
    return phrase


class KeywordRule(_Rule):
    """Spoken words or phrases; the condition holds for `hold_s` after the last of them."""

    kind: Literal["keyword"]
    level: Level
    phrases: tuple[Annotated[str, AfterValidator(_check_phrase)], ...] = Field(min_length=1)
    minimum_confidence: float = Field(0.4, ge=0.0, le=1.0)
    incremental: bool = True
    hold_s: float = Field(5.0, gt=0.0, le=3600.0)


class StaleRule(_Rule):
    """A sensor that must be heard at least every `timeout_s`, else the state is unknown.

    `sensors` chooses cameras or range sensors by topic prefix, empty means all; `component` is
    the beginning of a diagnostic entry's name, ``<node>: <part>``, which must neither be silent nor
    tell an error, nor a warning unless `accept_warnings`.
    """

    kind: Literal["stale"]
    input: InputKind
    timeout_s: float = Field(gt=0.0, le=3600.0)
    sensors: tuple[str, ...] = ()
    component: str = ""
    accept_warnings: bool = False

    @model_validator(mode="after")
    def _check(self) -> StaleRule:
        if (self.input == "diagnostics") != bool(self.component):
            raise ValueError("component and input: diagnostics belong together")
        if self.sensors and self.input not in {"detections", "range"}:
            raise ValueError(f"input: {self.input} takes no sensors")
        return self


Rule = Annotated[
    ZoneRule | MinimumDistanceRule | FallenRule | KeywordRule | StaleRule,
    Field(discriminator="kind"),
]


class SafetyRules(StrictModel):
    """All zones and rules.

    Every input that a rule uses is watched: where no stale rule does, `input_timeout_s` holds.
    Speech is silent when nobody speaks, so a keyword rule needs a stale rule that says how a dead
    microphone is noticed.

    Attributes:
        robot_frame: the frame of polygons and objects.
        input_timeout_s: for inputs without a stale rule of their own.
        clock_tolerance_s: how far stamps may lie ahead of the clock.
        names: what a label is called in messages, for example ``Fall: fallen person``.
        zones: the areas.
        rules: the rules.
    """

    robot_frame: str = "base_link"
    input_timeout_s: float = Field(2.0, gt=0.0, le=3600.0)
    clock_tolerance_s: float = Field(0.5, ge=0.0, le=3600.0)
    names: dict[str, str] = Field(default_factory=dict)
    zones: tuple[Zone, ...] = ()
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> SafetyRules:
        _refuse_twins("zone", [zone.name for zone in self.zones])
        _refuse_twins("rule", [rule.name for rule in self.rules])
        zones = {zone.name for zone in self.zones}
        for rule in self.rules:
            if isinstance(rule, ZoneRule) and rule.zone not in zones:
                known = ", ".join(sorted(zones)) or "none"
                raise ValueError(f"rule '{rule.name}': no zone '{rule.zone}'; there are: {known}")
            if isinstance(rule, KeywordRule) and not self._watches_speech():
                raise ValueError(
                    f"rule '{rule.name}' listens to speech, but no stale rule watches it: add one "
                    "with input: diagnostics and component: 'speech_transcriber: speech'"
                )
        return self

    def zone(self, name: str) -> Zone:
        """The zone of a name."""
        return next(zone for zone in self.zones if zone.name == name)

    def _watches_speech(self) -> bool:
        return any(
            isinstance(rule, StaleRule)
            and (rule.input == "speech" or "speech" in rule.component.lower())
            for rule in self.rules
        )


def _refuse_twins(kind: str, names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(f"{kind} {', '.join(twins)} is defined more than once")
