"""The safety monitor's file of rules."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from edge_mm_ros.params.base import StrictModel
from edge_mm_ros.params.safety_zones import (
    BrakingZone,
    Level,
    Name,
    Point,
    Zone,
    fault_of_polygon,
)

__all__ = ["Level", "Name", "Point", "SafetyRules", "Zone", "words_of"]

Seconds = Annotated[float, Field(ge=0.0, le=86400.0)]
InputKind = Literal[
    "objects", "sources", "detections", "range", "speech", "diagnostics", "coverage", "odometry"
]
Requirement = Literal["optional", "required"]
Reach = Literal["centre", "outline"]


class _Rule(StrictModel):
    name: Name


class ObjectRuleBase(_Rule):
    """A rule about single objects.

    `labels` empty means every class. A condition begins when it has held for `enter_after_s` and
    for `enter_after_frames` measurements, and ends when it has not held for `leave_after_s`.
    """

    labels: tuple[str, ...] = ()
    minimum_score: float = Field(0.0, ge=0.0, le=1.0)
    enter_after_s: Seconds = 0.0
    enter_after_frames: int = Field(1, ge=1, le=10000)
    leave_after_s: Seconds = 1.0


class _ZonedRule(ObjectRuleBase):
    """A rule about a zone.

    With ``coverage: required`` the state is unknown while the sensors do not see the zone. With
    `own_speed_mps` all of it counts only while the robot's forward speed is between the two.
    """

    zone: Name
    coverage: Requirement = "optional"
    own_speed_mps: tuple[float, float] | None = None

    def counts_at(self, forward_mps: float | None) -> bool:
        """Whether it counts at a forward speed; where that is not known, it does."""
        if self.own_speed_mps is None or forward_mps is None:
            return True
        lowest, highest = self.own_speed_mps
        return lowest <= forward_mps <= highest

    @model_validator(mode="after")
    def _check_speeds(self) -> _ZonedRule:
        if self.own_speed_mps is not None and not self.own_speed_mps[0] < self.own_speed_mps[1]:
            raise ValueError(f"own_speed_mps must grow, got {list(self.own_speed_mps)}")
        return self


class ZoneRule(_ZonedRule):
    """An object in a zone; `dwell_s` above 0 tells once more when it has stayed for so long.

    With ``reach: outline`` any part of the object counts, else its centre.
    """

    kind: Literal["zone"]
    reach: Reach = "centre"
    dwell_s: Seconds = 0.0
    leave_margin_m: float = Field(0.2, ge=0.0, le=100.0)


class PredictedEntryRule(_ZonedRule):
    """An object that will be in a zone within `horizon_s`, by its motion or by the robot's own.

    It is taken to go on as it does, and so is the robot. Slower than `minimum_speed_mps`, as the
    robot sees it, or than `minimum_ground_speed_mps` over the ground, nothing is expected of it,
    not even in the zone: what stands there is for a zone rule. Once begun, the condition holds on
    while it is in the zone.
    """

    kind: Literal["predicted_entry"]
    level: Level = Level.CAUTION
    horizon_s: float = Field(gt=0.0, le=10.0)
    minimum_speed_mps: float = Field(0.3, ge=0.0, le=100.0)
    minimum_ground_speed_mps: float = Field(0.0, ge=0.0, le=100.0)
    leave_margin_m: float = Field(0.2, ge=0.0, le=100.0)


class TimeToCollisionRule(ObjectRuleBase):
    """An object that will touch the robot's `footprint_m` within `time_s`, if both go on.

    With `deceleration_mps2` the time is at least what braking needs: the reaction time, and the
    closing speed over twice the deceleration (ISO 15623). The object's extent grows by `sigmas`
    standard deviations of its place. Until `hysteresis_s` beyond, the condition holds on.
    """

    kind: Literal["time_to_collision"]
    level: Level = Level.DANGER
    time_s: float = Field(gt=0.0, le=10.0)
    hysteresis_s: float = Field(0.5, ge=0.0, le=10.0)
    reaction_s: float = Field(0.0, ge=0.0, le=10.0)
    deceleration_mps2: float | None = Field(None, gt=0.0, le=50.0)
    minimum_speed_mps: float = Field(0.3, ge=0.0, le=100.0)
    sigmas: float = Field(1.0, ge=0.0, le=5.0)

    def limit_s(self, closing_mps: float) -> float:
        """The time to collision from which on it is dangerous, at a closing speed."""
        if self.deceleration_mps2 is None:
            return self.time_s
        braking_s = max(closing_mps, 0.0) / (2.0 * self.deceleration_mps2)
        return max(self.time_s, self.reaction_s + braking_s)


class MinimumDistanceRule(ObjectRuleBase):
    """An object or a range sensor's echo nearer than `distance_m`, until `hysteresis_m` beyond.

    `sensors` chooses range sensors by topic prefix; empty means all. With ``reach: outline`` an
    object's nearest part counts, else its centre; both from the robot's origin.
    """

    kind: Literal["minimum_distance"]
    level: Level
    reach: Reach = "centre"
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


class FallenRule(ObjectRuleBase):
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
    """Spoken words or phrases; the condition holds for `hold_s` after the last of them.

    With `incremental` a hypothesis counts, before the utterance ends; with `sounds_alike` also a
    word that only sounds like one of a phrase ("stopp").
    """

    kind: Literal["keyword"]
    level: Level
    phrases: tuple[Annotated[str, AfterValidator(_check_phrase)], ...] = Field(min_length=1)
    minimum_confidence: float = Field(0.4, ge=0.0, le=1.0)
    incremental: bool = True
    sounds_alike: bool = True
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


Rule: TypeAlias = Annotated[
    ZoneRule
    | PredictedEntryRule
    | TimeToCollisionRule
    | MinimumDistanceRule
    | FallenRule
    | KeywordRule
    | StaleRule,
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
        footprint_m: corners of the robot's outline, convex, for times to collision.
        zones: the areas.
        braking_zones: areas that grow with the robot's speed.
        rules: the rules.
    """

    robot_frame: str = "base_link"
    input_timeout_s: float = Field(2.0, gt=0.0, le=3600.0)
    clock_tolerance_s: float = Field(0.5, ge=0.0, le=3600.0)
    names: dict[str, str] = Field(default_factory=dict)
    footprint_m: tuple[Point, ...] = ()
    zones: tuple[Zone, ...] = ()
    braking_zones: tuple[BrakingZone, ...] = ()
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> SafetyRules:
        _refuse_twins("zone", [zone.name for zone in self.all_zones])
        _refuse_twins("rule", [rule.name for rule in self.rules])
        if self.footprint_m and (fault := fault_of_polygon(self.footprint_m)):
            raise ValueError(f"footprint_m: its polygon {fault}")
        for rule in self.rules:
            if isinstance(rule, (ZoneRule, PredictedEntryRule)):
                self._check_zone_of(rule)
            if isinstance(rule, TimeToCollisionRule) and not self.footprint_m:
                raise ValueError(f"rule '{rule.name}' needs footprint_m, the robot's outline")
            if isinstance(rule, KeywordRule) and not self._watches_speech():
                raise ValueError(
                    f"rule '{rule.name}' listens to speech, but no stale rule watches it: add one "
                    "with input: diagnostics and component: 'speech_transcriber: speech'"
                )
        return self

    @property
    def all_zones(self) -> tuple[Zone | BrakingZone, ...]:
        """All zones, also those that grow with the speed."""
        return (*self.zones, *self.braking_zones)

    def zone(self, name: str) -> Zone | BrakingZone:
        """The zone of a name."""
        return next(zone for zone in self.all_zones if zone.name == name)

    def zones_to_cover(self, forward_mps: float | None = None) -> tuple[str, ...]:
        """The zones that must be seen at a forward speed; at any that it may be, if not known."""
        return tuple(
            dict.fromkeys(
                rule.zone
                for rule in self.rules
                if isinstance(rule, (ZoneRule, PredictedEntryRule))
                and rule.coverage == "required"
                and rule.counts_at(forward_mps)
            )
        )

    def _check_zone_of(self, rule: ZoneRule | PredictedEntryRule) -> None:
        fixed = {zone.name for zone in self.zones}
        zones = {zone.name for zone in self.all_zones}
        if rule.zone not in zones:
            known = ", ".join(sorted(zones)) or "none"
            raise ValueError(f"rule '{rule.name}': no zone '{rule.zone}'; there are: {known}")
        if rule.coverage == "required" and rule.zone not in fixed:
            raise ValueError(
                f"rule '{rule.name}': coverage is told of zones with a polygon; require that of "
                f"one that holds the braking zone '{rule.zone}'"
            )

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
