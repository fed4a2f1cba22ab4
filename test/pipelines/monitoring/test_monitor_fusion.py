"""What the safety monitor makes of a fusion: coverage, motion, predictions, sensors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import (
    Coverage,
    EventPhase,
    InvalidInput,
    Object3D,
    Objects,
    ObjectSource,
    ObjectSources,
    Odometry,
    RigidTransform,
    SafetyEvent,
    SafetyLevel,
    SensorFault,
    SensorState,
    ZoneCoverage,
)
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.pipelines.monitoring import SafetyMonitor, SourcesTold

S = 1_000_000_000
BAY = {"name": "bay", "level": "danger", "polygon_m": [[2, -1], [4, -1], [4, 1], [2, 1]]}
IN_BAY = {"name": "in_bay", "kind": "zone", "zone": "bay", "leave_after_s": 0.5}
COVERED = {**IN_BAY, "coverage": "required"}
SOON = {
    "name": "soon",
    "kind": "predicted_entry",
    "zone": "bay",
    "horizon_s": 2.0,
    "leave_after_s": 0.0,
}
# A robot of 1 m by 1 m about its origin.
SQUARE = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]
CRASH = {
    "name": "crash",
    "kind": "time_to_collision",
    "time_s": 2.0,
    "hysteresis_s": 0.5,
    "sigmas": 0.0,
    "leave_after_s": 0.0,
}
BRAKE = {
    "name": "brake",
    "level": "danger",
    "front_m": 0.5,
    "rear_m": 0.5,
    "width_m": 1.0,
    "margin_m": 0.2,
    "reaction_s": 0.5,
    "deceleration_mps2": 2.0,
}


def person(
    x: float,
    y: float = 0.0,
    velocity: tuple[float, float] | None = (0.0, 0.0),
    *,
    track: str = "1",
    sources: tuple[str, ...] = ("camera:front", "lidar:top"),
    size_m: float = 0.5,
    sigma_m: float = 0.1,
) -> Object3D:
    return Object3D(
        track,
        "person",
        0.9,
        np.array([x, y, 0.9]),
        np.full(3, size_m),
        np.eye(3) * sigma_m**2,
        sources,
        None if velocity is None else np.array([*velocity, 0.0]),
    )


class Bench:
    """A monitor and shorthand for feeding it; times in seconds."""

    def __init__(self, *rules: dict[str, Any], odometry: str = "", **more: Any) -> None:
        values = {"zones": [BAY], "rules": rules, "input_timeout_s": 1.0, **more}
        self.monitor = SafetyMonitor(
            validate(SafetyRules, values, "rules"), ("front",), ("left",), odometry=odometry
        )
        self.events: list[SafetyEvent] = []

    def take(self, events: list[SafetyEvent]) -> list[str]:
        self.events += events
        return [f"{event.event_id} {event.phase.value}" for event in events]

    def objects(
        self, at_s: float, *items: Object3D, told: SourcesTold = SourcesTold.INSIDE
    ) -> list[str]:
        now_ns = round(at_s * S)
        found = Objects(items, now_ns, "base_link")
        return self.take(self.monitor.hear_objects(found, now_ns, told))

    def sources(self, at_s: float, *items: Object3D) -> list[str]:
        entries = tuple(ObjectSource(i.track_id, i.sources, i.velocity_mps) for i in items)
        now_ns = round(at_s * S)
        return self.take(self.monitor.hear_sources(ObjectSources(entries, now_ns), now_ns))

    def drive(self, at_s: float, forward: float, turn: float = 0.0, of: str = "base_link") -> None:
        odometry = Odometry(
            RigidTransform.identity(),
            np.array([forward, 0.0, 0.0]),
            np.array([0.0, 0.0, turn]),
            np.zeros((6, 6)),
            np.zeros((6, 6)),
            round(at_s * S),
            "odom",
            of,
        )
        self.take(self.monitor.hear_odometry(odometry, round(at_s * S)))

    def cover(
        self, at_s: float, share: float, *missing: str, sensors: dict[str, float] | None = None
    ) -> list[str]:
        seen = {"lidar": share} if sensors is None else sensors
        zone = ZoneCoverage("bay", share, 0.0, seen, 0, share >= 0.8, missing)
        return self.see(at_s, zone)

    def see(self, at_s: float, *zones: ZoneCoverage) -> list[str]:
        coverage = Coverage(zones, round(at_s * S), "base_link")
        return self.take(self.monitor.hear_coverage(coverage, round(at_s * S)))

    def tick(self, at_s: float) -> list[str]:
        return self.take(self.monitor.tick(round(at_s * S)))

    def level(self, at_s: float) -> SafetyLevel:
        return self.monitor.status(round(at_s * S)).level

    def reasons(self, at_s: float) -> tuple[str, ...]:
        return self.monitor.status(round(at_s * S)).reasons

    def zones(self, at_s: float) -> dict[str, str]:
        return {zone.name: zone.level.value for zone in self.monitor.zones(round(at_s * S))}


# Coverage -------------------------------------------------------------------------------------


def test_before_coverage_is_told_nothing_is_clear() -> None:
    bench = Bench(COVERED)
    bench.objects(0.0)
    assert bench.level(0.0) is SafetyLevel.UNKNOWN
    assert bench.reasons(0.0) == ("unknown: 'coverage' has not been heard",)
    bench.cover(0.0, 1.0)
    assert bench.level(0.0) is SafetyLevel.CLEAR


def test_a_zone_that_is_not_covered_is_unknown_and_says_what_is_missing() -> None:
    bench = Bench(COVERED)
    bench.objects(0.0)
    bench.cover(0.0, 1.0)
    assert bench.cover(0.1, 0.38, "camera", "ultrasonic/left") == ["coverage_bay-1 started"]
    assert bench.level(0.1) is SafetyLevel.UNKNOWN
    assert bench.reasons(0.1) == (
        "unknown: zone 'bay' is not covered: about 40 % of it is seen, by lidar; no view from "
        "camera and ultrasonic/left",
    )
    event = bench.events[-1]
    assert (event.kind, event.level) == ("coverage", SafetyLevel.UNKNOWN)
    assert event.values["seen_share"] == 0.38
    assert event.evidence == ("coverage",)
    assert event.message.startswith("Zone 'bay' is not covered: about 40 %")
    assert bench.cover(0.2, 1.0) == ["coverage_bay-1 ended"]
    assert bench.events[-1].message == "Zone 'bay' is covered again after 0.1 s."
    assert bench.level(0.2) is SafetyLevel.CLEAR


def test_a_zone_that_was_never_covered_is_told_after_a_start_and_unknown_before() -> None:
    bench = Bench(COVERED)
    for step in range(11):
        bench.objects(step / 10)
        assert bench.cover(step / 10, 0.3) == []
        assert bench.level(step / 10) is SafetyLevel.UNKNOWN
    assert bench.cover(1.1, 0.3) == ["coverage_bay-1 started"]
    other = Bench(COVERED)
    other.objects(0.0)
    other.cover(0.0, 1.0)
    assert other.cover(0.1, 0.3) == ["coverage_bay-1 started"]


@pytest.mark.parametrize(("share", "words"), [(0.0, "none of it"), (0.04, "hardly any of it")])
def test_nothing_seen_is_said_so(share: float, words: str) -> None:
    bench = Bench(COVERED)
    bench.objects(0.0)
    bench.cover(0.0, share, "lidar", sensors={})
    assert words in bench.reasons(0.0)[0]


def test_a_zone_that_the_fusion_does_not_know_is_unknown() -> None:
    bench = Bench(COVERED)
    bench.objects(0.0)
    bench.see(0.0)
    assert "the fusion tells nothing of it" in bench.reasons(0.0)[0]
    assert bench.level(0.0) is SafetyLevel.UNKNOWN


def test_lost_coverage_is_unknown_within_its_time_out() -> None:
    bench = Bench(
        COVERED, {"name": "blind", "kind": "stale", "input": "coverage", "timeout_s": 0.3}
    )
    for step in range(4):
        bench.objects(step / 10)
        bench.cover(step / 10, 1.0)
    bench.objects(0.7)
    assert bench.tick(0.7) == ["blind-1 started"] or bench.events[-1].event_id == "blind-1"
    assert bench.level(0.7) is SafetyLevel.UNKNOWN
    assert "'coverage' is silent for more than 0.3 s" in bench.reasons(0.7)[0]


def test_danger_outranks_a_zone_that_is_not_covered() -> None:
    bench = Bench(COVERED)
    bench.cover(0.0, 0.2)
    bench.objects(0.0, person(3.0))
    assert bench.level(0.0) is SafetyLevel.DANGER
    assert [reason.partition(":")[0] for reason in bench.reasons(0.0)] == ["danger", "unknown"]


def test_coverage_that_nobody_asks_for_counts_for_nothing() -> None:
    bench = Bench(IN_BAY)
    assert "coverage" not in {source.topic for source in bench.monitor.sources}
    bench.objects(0.0)
    bench.cover(0.0, 0.0)
    assert bench.level(0.0) is SafetyLevel.CLEAR


def test_a_rule_can_count_at_some_speeds_only() -> None:
    bench = Bench({**COVERED, "own_speed_mps": [-5.0, 1.0]}, odometry="odom")
    bench.drive(0.0, 0.0)
    bench.objects(0.0, person(3.0))
    bench.cover(0.0, 1.0)
    assert bench.cover(0.1, 0.3) == ["coverage_bay-1 started"]
    assert bench.level(0.1) is SafetyLevel.DANGER
    bench.drive(0.2, 2.0)
    assert bench.cover(0.2, 0.3) == ["coverage_bay-1 ended"]
    assert bench.objects(0.5, person(3.0)) == ["in_bay-1 ended"]
    assert bench.level(0.5) is SafetyLevel.CLEAR
    bench.drive(0.6, -1.0)
    bench.cover(0.6, 0.3)
    assert bench.level(0.6) is SafetyLevel.UNKNOWN


# How the zones are ----------------------------------------------------------------------------


def test_a_zone_is_as_grave_as_what_is_told_of_it() -> None:
    bench = Bench(IN_BAY, SOON)
    assert bench.zones(0.0) == {"bay": "unknown"}  # nothing was heard
    bench.objects(0.0)
    assert bench.zones(0.0) == {"bay": "clear"}
    bench.objects(0.1, person(3.0, sources=()))
    assert bench.zones(0.1) == {"bay": "unknown"}
    bench.objects(0.2, person(0.5, velocity=(1.0, 0.0), track="2"), person(9.0))
    bench.objects(0.7, person(0.5, velocity=(1.0, 0.0), track="2"), person(9.0))
    assert bench.zones(0.7) == {"bay": "caution"}
    bench.objects(0.8, person(3.0))
    assert bench.zones(0.8) == {"bay": "danger"}
    assert bench.tick(3.0) == ["stale_objects-1 started", "stale_objects/sources-1 started"]
    assert bench.zones(3.0) == {"bay": "danger"}  # silence clears nothing


def test_a_zone_that_must_be_covered_and_is_not_is_unknown() -> None:
    bench = Bench(COVERED)
    bench.objects(0.0)
    bench.cover(0.0, 1.0)
    assert bench.zones(0.0) == {"bay": "clear"}
    bench.cover(0.1, 0.3)
    assert bench.zones(0.1) == {"bay": "unknown"}
    bench.objects(0.2, person(3.0))
    assert bench.zones(0.2) == {"bay": "danger"}


def test_what_nobody_sees_is_not_drawn_clear_whether_it_must_be_seen_now_or_not() -> None:
    elsewhere = {"name": "yard", "level": "caution", "polygon_m": [[-4, -1], [-2, -1], [-2, 1]]}
    rules = (COVERED, {**IN_BAY, "name": "stop", "zone": "brake"})
    bench = Bench(*rules, odometry="odom", zones=[BAY, elsewhere], braking_zones=[BRAKE])
    bench.objects(0.0)
    bench.drive(0.0, 1.0)
    bay, yard = (ZoneCoverage(name, 1.0, 0.0, {}, 0, True, ()) for name in ("bay", "yard"))
    bench.see(0.0, bay, yard)
    assert bench.zones(0.0) == {"bay": "clear", "yard": "clear", "brake": "clear"}
    bench.see(0.1, bay, replace(yard, covered=False))
    assert bench.zones(0.1) == {"bay": "clear", "yard": "unknown", "brake": "unknown"}


def test_a_braking_zone_is_where_it_is_at_this_speed() -> None:
    rule = {"name": "stop", "kind": "zone", "zone": "brake"}
    bench = Bench(rule, odometry="odom", braking_zones=[BRAKE])
    bench.objects(0.0)
    assert bench.zones(0.0) == {"bay": "unknown"}  # it has no place without a speed
    bench.drive(0.0, 2.0)
    zones = {zone.name: zone for zone in bench.monitor.zones(0)}
    assert {name: zone.level.value for name, zone in zones.items()} == {
        "bay": "clear",
        "brake": "clear",
    }
    # From the front at 0.5 m: 0.5 s of reaction, braking with 2 m/s2, and 0.2 m.
    assert zones["brake"].outline_m[:, 0].max() == pytest.approx(0.5 + 1.0 + 1.0 + 0.2)


# Predicted objects ----------------------------------------------------------------------------


def test_a_prediction_begins_no_danger_and_does_not_vanish() -> None:
    bench = Bench(IN_BAY)
    bench.objects(0.0, person(5.0))
    assert bench.objects(0.1, person(3.0, sources=())) == ["in_bay-predicted-1 started"]
    event = bench.events[-1]
    assert event.level is SafetyLevel.UNKNOWN
    assert event.message == "Person 1 is predicted, but not seen, in zone 'bay', 3.0 m away."
    assert (event.values["seen"], event.supporting) == ("predicted", ())
    assert bench.level(0.1) is SafetyLevel.UNKNOWN
    assert bench.objects(0.2, person(3.0)) == ["in_bay-1 started"]
    assert bench.level(0.2) is SafetyLevel.DANGER
    bench.objects(0.6, person(3.0))
    assert bench.events[-1].event_id == "in_bay-predicted-1"
    assert bench.events[-1].phase is EventPhase.ENDED
    assert bench.reasons(0.6) == ("danger: person 1 is in zone 'bay'",)


def test_a_prediction_ends_no_danger() -> None:
    bench = Bench(IN_BAY)
    bench.objects(0.0, person(3.0))
    for step in range(1, 20):  # unseen, it is predicted to walk on and out of the zone
        assert bench.objects(step / 10, person(3.0 + step, sources=())) == []
        assert bench.level(step / 10) is SafetyLevel.DANGER
    assert bench.reasons(1.9) == ("danger: person 1 was last seen in zone 'bay'",)
    assert bench.objects(2.0, person(5.0)) == []
    assert bench.objects(2.5, person(5.0)) == ["in_bay-1 ended"]


def test_a_danger_whose_object_is_lost_ends_after_the_hysteresis() -> None:
    bench = Bench(IN_BAY)
    bench.objects(0.0, person(3.0))
    bench.objects(0.1, person(3.0, sources=()))
    assert bench.objects(0.5) == []
    assert bench.objects(0.6) == ["in_bay-1 ended"]


FALLEN = {"name": "fallen", "kind": "fallen", "enter_after_frames": 3, "leave_after_s": 0.5}


def fallen(sources: tuple[str, ...] = ("camera:front",)) -> Object3D:
    return replace(person(5.0, sources=sources), label="Fall")


def test_a_prediction_is_no_evidence_of_a_fall() -> None:
    bench = Bench(FALLEN)
    bench.objects(0.0, fallen())
    for step in range(1, 10):
        assert bench.objects(step / 10, fallen(sources=())) == []


def test_a_prediction_ends_no_fall() -> None:
    bench = Bench(FALLEN)
    for step in range(3):
        bench.objects(step / 10, fallen())
    for step in range(3, 20):
        assert bench.objects(step / 10, person(5.0, sources=())) == []
    assert bench.reasons(1.9) == ("danger: Fall 1 was seen, but is not now",)
    assert bench.objects(2.4) == ["fallen-1 ended"]


def test_where_nobody_tells_sensors_all_objects_count_as_seen() -> None:
    bench = Bench(IN_BAY)
    assert bench.objects(0.0, person(3.0, sources=()), told=SourcesTold.NEVER) == [
        "in_bay-1 started"
    ]


def test_objects_wait_for_their_sources_whichever_come_first() -> None:
    unseen = person(3.0, sources=())
    for first in ("objects", "sources"):
        bench = Bench(IN_BAY)
        if first == "sources":
            bench.sources(0.0, person(3.0))
            told = bench.objects(0.0, unseen, told=SourcesTold.APART)
        else:
            assert bench.objects(0.0, unseen, told=SourcesTold.APART) == []
            told = bench.sources(0.0, person(3.0))
        assert told == ["in_bay-1 started"]
        assert bench.events[0].supporting == ("camera:front", "lidar:top")


def test_sources_that_are_lost_hold_nothing_back_for_long() -> None:
    bench = Bench(IN_BAY)
    assert bench.objects(0.0, person(3.0, sources=()), told=SourcesTold.APART) == []
    assert bench.tick(0.1) == ["in_bay-1 started"]
    other = Bench(IN_BAY)
    other.objects(0.0, person(3.0, sources=()), told=SourcesTold.APART)
    assert other.objects(0.1, person(3.0), told=SourcesTold.APART) == ["in_bay-1 started"]


# Which sensors ----------------------------------------------------------------------------------


def test_an_event_names_its_sensors_and_those_that_are_silent() -> None:
    bench = Bench(IN_BAY, {"name": "eye", "kind": "stale", "input": "detections", "timeout_s": 1.0})
    bench.monitor.hear_sensor(SensorState("top", "lidar", SensorFault.FROZEN, 0, "frozen"))
    bench.monitor.hear_sensor(SensorState("side", "radar", SensorFault.NONE, 0, "well"))
    bench.objects(0.0, person(3.0, sources=("radar:side",)))
    (event,) = bench.events
    assert event.supporting == ("radar:side",)
    assert event.silent == ("camera:front", "lidar:top")  # the camera was never heard
    bench.monitor.hear_sensor(SensorState("top", "lidar", SensorFault.NONE, 0, "well"))
    bench.objects(0.1, person(3.5, track="2"))
    assert bench.events[-1].silent == ("camera:front",)


def test_a_range_supports_its_own_event() -> None:
    from edge_mm_ros.datatypes import RangeReading

    echo = {
        "name": "near",
        "kind": "minimum_distance",
        "level": "danger",
        "input": "range",
        "distance_m": 1.0,
    }
    bench = Bench(echo)
    reading = RangeReading(0.5, 0.02, 4.0, 0.3, 0, "left")
    (event,) = bench.monitor.hear_range("left", reading, 0)
    assert event.supporting == ("ultrasonic:left",)


# Times to collision -----------------------------------------------------------------------------


def crash(**changes: Any) -> Bench:
    bench = Bench({**CRASH, **changes}, odometry="odom", footprint_m=SQUARE)
    bench.drive(0.0, 0.0)
    return bench


def test_the_time_until_the_outlines_touch() -> None:
    bench = crash()
    # The front is at 0.5 m, the person's edge 0.25 m before its centre: 4.75 - 0.75 = 4 m.
    assert bench.objects(0.0, person(4.75, 0.0, (-1.9, 0.0))) == []
    assert bench.objects(0.1, person(4.75, 0.0, (-2.1, 0.0))) == ["crash-1 started"]
    event = bench.events[-1]
    assert event.values["time_to_collision_s"] == pytest.approx(4.0 / 2.1, abs=0.005)
    assert event.values["closing_speed_mps"] == pytest.approx(2.1, rel=1e-6)
    assert event.message == "Person 1 is on collision course, in 1.9 s, 4.8 m away."
    assert event.level is SafetyLevel.DANGER
    # Within the hysteresis of 0.5 s it goes on: 4 / 1.7 = 2.35 s.
    assert bench.objects(0.2, person(4.75, 0.0, (-1.7, 0.0))) == []
    assert bench.objects(0.3, person(4.75, 0.0, (-1.5, 0.0))) == ["crash-1 ended"]


def test_the_robots_own_motion_counts() -> None:
    bench = crash()
    bench.objects(0.0, person(4.75))
    assert bench.events == []
    bench.drive(0.1, 2.1)
    assert bench.objects(0.1, person(4.75)) == ["crash-1 started"]
    assert bench.events[-1].values["own_speed_mps"] == pytest.approx(2.1)
    assert bench.objects(0.2, person(4.75, 0.0, (2.1, 0.0))) == ["crash-1 ended"]


@pytest.mark.parametrize(
    ("y", "hits"),
    [(0.0, True), (0.74, True), (-0.74, True), (0.76, False), (-0.76, False)],
)
def test_the_widths_of_robot_and_object_count(y: float, hits: bool) -> None:
    bench = crash()
    bench.objects(0.0, person(3.0, y, (-2.0, 0.0)))
    assert bool(bench.events) is hits


def test_an_object_whose_place_is_not_sure_is_taken_to_be_larger() -> None:
    for sigmas, hits in ((0.0, False), (1.0, False), (2.0, True)):
        bench = crash(sigmas=sigmas)
        bench.objects(0.0, person(3.0, 1.0, (-2.0, 0.0), sigma_m=0.2))
        assert bool(bench.events) is hits


def test_what_goes_by_what_stands_and_what_goes_away_is_no_collision() -> None:
    bench = crash(sigmas=1.0)
    for step, (place, velocity) in enumerate(
        [
            ((3.0, 0.0), (0.0, 0.0)),
            ((3.0, 0.0), (2.0, 0.0)),
            ((3.0, 3.0), (0.0, -2.0)),
            ((0.8, 0.0), (-0.1, 0.0)),  # slower than minimum_speed_mps
            ((0.8, 0.0), (2.0, 0.0)),
            ((0.6, 0.0), (2.0, 0.0)),
        ]
    ):
        assert bench.objects(step / 10, person(*place, velocity)) == []


def test_a_fast_thin_thing_does_not_slip_through_between_two_looks() -> None:
    bench = crash()
    bench.objects(0.0, person(0.0, 30.0, (0.0, -25.0), size_m=0.05))
    (event,) = bench.events
    assert event.values["time_to_collision_s"] == pytest.approx((30.0 - 0.525) / 25.0, abs=0.005)


def test_with_brakes_the_time_is_what_braking_needs() -> None:
    bench = crash(time_s=0.5, reaction_s=1.0, deceleration_mps2=5.0)
    # From 20 m/s: 1 s + 20 / 10 s = 3 s, so 60 m; from 5 m/s: 1.5 s, so 7.5 m.
    assert bench.objects(0.0, person(61.0, 0.0, (-20.0, 0.0))) == []
    assert bench.objects(0.1, person(60.0, 0.0, (-20.0, 0.0))) == ["crash-1 started"]
    other = crash(time_s=0.5, reaction_s=1.0, deceleration_mps2=5.0)
    assert other.objects(0.0, person(8.5, 0.0, (-5.0, 0.0))) == []
    assert other.objects(0.1, person(8.0, 0.0, (-5.0, 0.0))) == ["crash-1 started"]


def test_a_robot_that_turns_sweeps_over_what_stands_beside() -> None:
    bench = Bench(
        {**CRASH, "time_s": 1.0},
        odometry="odom",
        footprint_m=[[-0.5, -0.5], [3.0, -0.5], [3.0, 0.5], [-0.5, 0.5]],
    )
    bench.drive(0.0, 0.0, turn=1.0)
    assert bench.objects(0.0, person(2.0, 1.5)) == ["crash-1 started"]
    bench.drive(0.1, 0.0, turn=-1.0)
    assert bench.objects(0.1, person(2.0, 1.5)) == ["crash-1 ended"]


# Predicted entry and braking zones ------------------------------------------------------------


def test_an_entry_is_predicted_and_holds_on_inside() -> None:
    bench = Bench({**SOON, "level": "caution"})
    assert bench.objects(0.0, person(3.0, 4.0, (0.0, -1.4))) == []
    assert bench.objects(0.1, person(3.0, 4.0, (0.0, -1.6))) == ["soon-1 started"]
    event = bench.events[-1]
    assert event.values["entry_s"] == pytest.approx(3.0 / 1.6, abs=0.005)
    assert event.message == "Person 1 is about to enter zone 'bay', in 1.9 s, 5.0 m away."
    assert bench.level(0.1) is SafetyLevel.CAUTION
    assert bench.objects(0.2, person(3.0, 0.5, (0.0, 0.0))) == []
    assert bench.objects(0.3, person(3.0, -1.5, (0.0, -1.0))) == ["soon-1 ended"]


def test_the_robots_motion_carries_the_zone_onto_what_stands() -> None:
    bench = Bench(SOON, odometry="odom")
    bench.drive(0.0, 0.0)
    assert bench.objects(0.0, person(6.0)) == []
    bench.drive(0.1, 1.2)
    assert bench.objects(0.1, person(6.0)) == ["soon-1 started"]
    assert bench.events[-1].values["entry_s"] == pytest.approx(2.0 / 1.2, abs=0.005)


def test_what_creeps_at_the_border_is_not_expected() -> None:
    bench = Bench(SOON)
    assert bench.objects(0.0, person(4.1, 0.0, (-0.2, 0.0))) == []
    assert bench.objects(0.1, person(4.1, 0.0, (-0.4, 0.0))) == ["soon-1 started"]


def test_what_stands_in_the_zone_is_no_entry() -> None:
    bench = Bench(SOON)
    for at_s in (0.0, 0.1, 0.2):
        assert bench.objects(at_s, person(3.0), person(2.5, 0.0, (0.2, 0.0), track="2")) == []
    assert bench.objects(0.3, person(3.0, 0.0, (0.0, 0.4))) == ["soon-1 started"]
    assert bench.events[-1].values["entry_s"] == 0.0
    assert bench.objects(0.4, person(3.0)) == []  # who stops there is still there
    assert bench.objects(0.5, person(3.0, 1.5)) == ["soon-1 ended"]


def test_a_speed_over_the_ground_can_be_asked_for() -> None:
    bench = Bench({**SOON, "minimum_ground_speed_mps": 0.5}, odometry="odom")
    bench.drive(0.0, 1.2)
    assert bench.objects(0.0, person(6.0)) == []  # only the robot moves
    assert bench.objects(0.1, person(3.0, 0.0, (0.4, 0.0))) == []
    assert bench.objects(0.2, person(6.0, 0.0, (-0.6, 0.0))) == ["soon-1 started"]


def test_a_rule_on_the_braking_zone_follows_the_speed() -> None:
    rule = {**IN_BAY, "name": "braking", "zone": "brake", "leave_margin_m": 0.0}
    bench = Bench(rule, odometry="odom", braking_zones=[BRAKE])
    assert bench.objects(0.0, person(2.0)) == []
    assert "'odom' has not been heard" in bench.reasons(0.0)[0]
    bench.drive(0.0, 1.0)  # 0.5 + 0.5 + 0.25 + 0.2 m
    assert bench.objects(0.1, person(1.5)) == []
    assert bench.level(0.1) is SafetyLevel.CLEAR
    bench.drive(0.2, 2.0)  # 0.5 + 1.0 + 1.0 + 0.2 m
    assert bench.objects(0.2, person(1.5)) == ["braking-1 started"]
    bench.drive(0.3, 0.0)
    bench.objects(0.3, person(1.5))
    assert bench.objects(0.8, person(1.5)) == ["braking-1 ended"]


def test_lost_odometry_is_unknown_while_a_rule_needs_it() -> None:
    bench = crash()
    bench.objects(0.0)
    assert bench.level(0.0) is SafetyLevel.CLEAR
    bench.objects(1.5)
    assert bench.reasons(1.5) == ("unknown: 'odom' is silent for more than 1 s",)
    with pytest.raises(InvalidInput, match="odometry is of frame 'cart'") as raised:
        bench.drive(1.5, 1.0, of="cart")
    assert raised.value.kind == "frame"
    assert bench.level(1.5) is SafetyLevel.UNKNOWN


def test_a_velocity_that_is_not_known_is_unknown() -> None:
    bench = crash()
    assert bench.objects(0.0, person(3.0, velocity=None)) == ["crash-predicted-1 started"]
    assert bench.reasons(0.0) == (
        "unknown: the velocity of person 1 is not known, which rule 'crash' needs",
    )
    bench.objects(0.1, person(3.0))
    assert bench.level(0.1) is SafetyLevel.CLEAR


def test_a_collision_by_prediction_alone_is_unknown() -> None:
    bench = crash()
    bench.objects(0.0, person(3.0, 0.0, (-2.0, 0.0), sources=()))
    assert bench.level(0.0) is SafetyLevel.UNKNOWN
    assert "is predicted, but not seen, on collision course" in bench.reasons(0.0)[0]


# Outlines ---------------------------------------------------------------------------------------


def test_of_a_large_thing_its_outline_can_count() -> None:
    truck = person(7.0, size_m=6.5)
    by_centre, by_outline = Bench(IN_BAY), Bench({**IN_BAY, "reach": "outline"})
    assert by_centre.objects(0.0, truck) == []
    assert by_outline.objects(0.0, truck) == ["in_bay-1 started"]
    small = {"name": "spot", "level": "danger", "polygon_m": [[5, 0], [5.1, 0], [5.1, 0.1]]}
    spot = Bench({**IN_BAY, "zone": "spot", "reach": "outline"}, zones=[small])
    assert spot.objects(0.0, truck) == ["in_bay-1 started"]
    near = {
        "name": "near",
        "kind": "minimum_distance",
        "level": "danger",
        "distance_m": 4.0,
        "reach": "outline",
    }
    assert Bench(near).objects(0.0, truck) == ["near-1 started"]
    assert Bench({**near, "reach": "centre"}).objects(0.0, truck) == []


# What is refused ------------------------------------------------------------------------------


def test_a_braking_zone_without_odometry_is_refused() -> None:
    with pytest.raises(ParameterError, match="'in_bay' needs the robot's own speed; odometry"):
        Bench({**IN_BAY, "zone": "brake"}, braking_zones=[BRAKE])
