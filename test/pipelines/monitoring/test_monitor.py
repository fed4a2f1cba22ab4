"""The safety monitor: zones, distances, falls, silence, and clocks that jump."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import (
    Detections,
    EventPhase,
    Health,
    HealthLevel,
    InvalidInput,
    Object3D,
    Objects,
    RangeReading,
    SafetyEvent,
    SafetyLevel,
    Transcript,
)
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.pipelines.monitoring import SafetyMonitor

S = 1_000_000_000
HOUR = 3600.0
BAY = {"name": "bay", "level": "danger", "polygon_m": [[2, -1], [4, -1], [4, 1], [2, 1]]}
PORCH = {"name": "porch", "level": "caution", "polygon_m": [[6, -1], [8, -1], [8, 1], [6, 1]]}
IN_BAY = {"name": "in_bay", "kind": "zone", "zone": "bay", "leave_after_s": 0.5}
ON_PORCH = {"name": "on_porch", "kind": "zone", "zone": "porch", "leave_after_s": 0.5}
DEAF = {
    "name": "deaf",
    "kind": "stale",
    "input": "diagnostics",
    "component": "speech_transcriber: speech",
    "timeout_s": 3.0,
}
ALARM = {"name": "alarm", "kind": "keyword", "level": "danger", "phrases": ["stop"]}


class Bench:
    """A monitor and shorthand for feeding it; times in seconds."""

    def __init__(self, *rules: dict[str, Any], **more: Any) -> None:
        self.notices: list[str] = []
        values = {"zones": [BAY, PORCH], "rules": rules, "input_timeout_s": 1.0, **more}
        self.monitor = SafetyMonitor(
            validate(SafetyRules, values, "rules"),
            ("front", "rear"),
            ("left", "right"),
            lambda topic, fault: self.notices.append(f"{topic} {fault.kind}: {fault}"),
        )
        self.events: list[SafetyEvent] = []

    def take(self, events: list[SafetyEvent]) -> list[str]:
        self.events += events
        return [f"{event.event_id} {event.phase.value}" for event in events]

    def objects(
        self, at_s: float, *items: Object3D, now_s: float | None = None, frame: str = "base_link"
    ) -> list[str]:
        now_s = at_s if now_s is None else now_s
        return self.take(
            self.monitor.hear_objects(Objects(items, round(at_s * S), frame), round(now_s * S))
        )

    def range(self, at_s: float, range_m: float, sensor: str = "left") -> list[str]:
        reading = RangeReading(range_m, 0.02, 4.0, 0.3, round(at_s * S), sensor)
        return self.take(self.monitor.hear_range(sensor, reading, round(at_s * S)))

    def detections(self, at_s: float, *labels: str, camera: str = "front") -> list[str]:
        found = Detections(
            np.zeros((len(labels), 4), np.float32),
            np.full(len(labels), 0.8, np.float32),
            labels,
            round(at_s * S),
            "optical",
        )
        return self.take(self.monitor.hear_detections(camera, found, round(at_s * S)))

    def says(self, at_s: float, text: str, now_s: float | None = None) -> list[str]:
        spoken = Transcript(text, round(at_s * S), round(at_s * S), 0.9, "en", True, "mic")
        now_s = at_s if now_s is None else now_s
        return self.take(self.monitor.hear_transcript(spoken, round(now_s * S)))

    def health(
        self,
        at_s: float,
        level: HealthLevel = HealthLevel.OK,
        name: str = "",
        now_s: float | None = None,
    ) -> list[str]:
        entry = Health(name or "speech_transcriber: speech", level, "it says so")
        now_s = at_s if now_s is None else now_s
        return self.take(self.monitor.hear_health([entry], round(at_s * S), round(now_s * S)))

    def tick(self, at_s: float) -> list[str]:
        return self.take(self.monitor.tick(round(at_s * S)))

    def level(self, at_s: float) -> SafetyLevel:
        return self.monitor.status(round(at_s * S)).level

    def reasons(self, at_s: float) -> tuple[str, ...]:
        return self.monitor.status(round(at_s * S)).reasons


def person(
    x: float, y: float = 0.0, track: str = "1", label: str = "Normal", score: float = 0.9
) -> Object3D:
    return Object3D(
        track, label, score, np.array([x, y, 0.9]), np.ones(3), np.eye(3) * 0.01, ("camera:front",)
    )


# Zones ----------------------------------------------------------------------------------------


def test_entering_dwelling_and_leaving_a_zone() -> None:
    bench = Bench({**IN_BAY, "enter_after_s": 0.3, "enter_after_frames": 3, "dwell_s": 1.0})
    told = [bench.objects(step / 10, person(3.0, 0.5)) for step in range(20)]
    assert told[3] == ["in_bay-1 started"]
    assert told[10] == ["in_bay-1 ongoing"]
    assert sum(map(len, told)) == 2
    assert bench.level(1.9) is SafetyLevel.DANGER
    assert bench.objects(2.0, person(5.0)) == []  # outside for less than leave_after_s
    assert bench.objects(2.3, person(5.0)) == []
    assert bench.objects(2.4, person(5.0)) == ["in_bay-1 ended"]
    assert bench.level(2.4) is SafetyLevel.CLEAR
    started, ongoing, ended = bench.events
    assert (started.stamp_ns, started.started_ns) == (3 * S // 10, 0)
    assert (started.kind, started.level) == ("zone", SafetyLevel.DANGER)
    assert (started.label, started.track_id, started.sensor) == ("Normal", "1", "camera:front")
    assert started.evidence == ("objects",)
    assert started.values["x_m"] == 3.0
    assert started.values["y_m"] == 0.5
    assert started.values["distance_m"] == pytest.approx(math.hypot(3.0, 0.5))
    assert started.values["bearing_rad"] == pytest.approx(math.atan2(0.5, 3.0))
    assert started.values["confidence"] == 0.9
    assert started.message == "Normal 1 is in zone 'bay', 3.0 m away."
    assert ongoing.values["dwell_s"] == 1.0
    assert ended.started_ns == 0
    assert ended.values["dwell_s"] == pytest.approx(2.4)
    assert ended.message == "Normal 1 is no longer seen in zone 'bay' after 2.4 s."


def test_the_time_and_the_frames_of_entering_both_count() -> None:
    by_time = Bench({**IN_BAY, "enter_after_s": 0.3})
    assert [bool(by_time.objects(t, person(3.0))) for t in (0.0, 0.2, 0.29, 0.3)] == [
        False,
        False,
        False,
        True,
    ]
    by_frames = Bench({**IN_BAY, "enter_after_frames": 3})
    assert [bool(by_frames.objects(t, person(3.0))) for t in (0.0, 0.9, 1.0)] == [
        False,
        False,
        True,
    ]


def test_a_step_outside_begins_the_entering_anew_and_a_gap_does_not() -> None:
    bench = Bench({**IN_BAY, "enter_after_s": 0.3})
    bench.objects(0.0, person(3.0))
    bench.objects(0.1, person(5.0))
    bench.objects(0.2, person(3.0))
    assert bench.objects(0.4, person(3.0)) == []
    assert bench.objects(0.5, person(3.0)) == ["in_bay-1 started"]
    other = Bench({**IN_BAY, "enter_after_s": 0.3})
    other.objects(0.0, person(3.0))
    other.objects(0.2)
    assert other.objects(0.3, person(3.0)) == ["in_bay-1 started"]


def test_at_the_border_of_a_zone_nothing_flutters() -> None:
    bench = Bench({**IN_BAY, "leave_after_s": 0.0, "leave_margin_m": 0.3})
    for step in range(20):
        bench.objects(step / 10, person(3.9 if step % 2 else 4.2))
    assert [event.phase for event in bench.events] == [EventPhase.STARTED]
    assert bench.objects(2.1, person(4.4)) == ["in_bay-1 ended"]


def test_an_object_that_vanishes_has_left_after_the_hysteresis() -> None:
    bench = Bench(IN_BAY)
    bench.objects(0.0, person(3.0))
    assert bench.objects(0.4) == []
    assert bench.objects(0.5) == ["in_bay-1 ended"]


def test_each_track_has_its_own_event() -> None:
    bench = Bench(IN_BAY)
    assert bench.objects(0.0, person(3.0, track="1"), person(3.5, track="2")) == [
        "in_bay-1 started",
        "in_bay-2 started",
    ]
    bench.objects(0.1, person(3.0, track="1"))
    assert bench.objects(0.6, person(3.0, track="1")) == ["in_bay-2 ended"]
    assert bench.events[-1].track_id == "2"


def test_only_the_labels_and_scores_of_the_rule_count() -> None:
    bench = Bench({**IN_BAY, "labels": ["Normal"], "minimum_score": 0.5})
    assert bench.objects(0.0, person(3.0, label="Car"), person(3.0, score=0.4, track="2")) == []
    assert bench.objects(0.1, person(3.0, score=0.5, track="3")) == ["in_bay-1 started"]


def test_objects_without_a_track_are_kept_under_their_label() -> None:
    bench = Bench(IN_BAY)
    first = bench.objects(0.0, person(9.0, track=""), person(3.0, track=""))
    assert first == ["in_bay-1 started"]
    assert bench.objects(0.1, person(3.0, track=""), person(9.0, track="")) == []


def test_objects_in_another_frame_are_refused_and_do_not_count_as_heard() -> None:
    bench = Bench(IN_BAY)
    with pytest.raises(InvalidInput, match="'odom', the rules in 'base_link'") as raised:
        bench.objects(0.0, person(3.0), frame="odom")
    assert raised.value.kind == "frame"
    assert bench.level(0.0) is SafetyLevel.UNKNOWN


def test_a_caution_zone_gives_caution_and_danger_outranks_it() -> None:
    bench = Bench(IN_BAY, ON_PORCH)
    bench.objects(0.0, person(7.0))
    assert bench.level(0.0) is SafetyLevel.CAUTION
    bench.objects(0.1, person(7.0), person(3.0, track="2"))
    assert bench.level(0.1) is SafetyLevel.DANGER
    assert bench.reasons(0.1) == (
        "danger: Normal 2 is in zone 'bay'",
        "caution: Normal 1 is in zone 'porch'",
    )


# Distances ------------------------------------------------------------------------------------

NEAR = {"name": "near", "kind": "minimum_distance", "level": "danger", "distance_m": 2.0}


def test_minimum_distance_of_objects_with_hysteresis() -> None:
    bench = Bench({**NEAR, "hysteresis_m": 0.5, "leave_after_s": 0.0})
    assert bench.objects(0.0, person(2.1)) == []
    assert bench.objects(0.1, person(1.2, -1.6)) == ["near-1 started"]
    assert bench.objects(0.2, person(2.4)) == []
    assert bench.objects(0.3, person(2.6)) == ["near-1 ended"]
    assert bench.objects(0.4, person(2.4)) == []
    assert bench.events[0].values["distance_m"] == pytest.approx(2.0)


ECHO = {**NEAR, "input": "range", "distance_m": 1.0, "leave_after_s": 0.0, "hysteresis_m": 0.2}


def test_minimum_distance_of_a_range_sensor() -> None:
    bench = Bench(ECHO)
    assert bench.range(0.0, 1.01) == []
    assert bench.range(0.1, 0.9) == ["near-1 started"]
    event = bench.events[0]
    assert (event.sensor, event.evidence) == ("left", ("left/range",))
    assert event.values["distance_m"] == 0.9
    assert bench.range(0.2, 1.15) == []
    assert bench.range(0.3, 1.25) == ["near-1 ended"]


def test_rep_117_infinities_of_a_range_sensor() -> None:
    bench = Bench(ECHO)
    assert bench.range(0.0, math.inf) == []
    assert bench.range(0.1, -math.inf) == ["near-1 started"]
    assert bench.events[0].values["distance_m"] == 0.02
    assert bench.range(0.2, math.inf) == ["near-1 ended"]


def test_range_sensors_do_not_end_each_other_s_conditions() -> None:
    bench = Bench(ECHO)
    assert bench.range(0.0, 0.5, "left") == ["near-1 started"]
    assert bench.range(0.1, 3.0, "right") == []
    assert bench.range(0.2, 0.5, "right") == ["near-2 started"]
    assert bench.range(0.3, 3.0, "left") == ["near-1 ended"]


# Falls ----------------------------------------------------------------------------------------

FALLEN = {
    "name": "fallen",
    "kind": "fallen",
    "window_s": 1.0,
    "minimum_share": 0.6,
    "enter_after_frames": 3,
    "leave_after_s": 0.5,
}


def test_a_fall_needs_evidence_over_time() -> None:
    bench = Bench(FALLEN)
    labels = ["Normal", "Fall", "Normal", "Fall", "Normal", "Fall", "Fall", "Fall", "Fall"]
    told = [bench.objects(i / 10, person(5.0, label=label)) for i, label in enumerate(labels)]
    # Falls among the frames so far: 1/2, 2/4, 3/6, 4/7 = 0.57, 5/8 = 0.63.
    assert [index for index, events in enumerate(told) if events] == [7]
    event = bench.events[0]
    assert (event.kind, event.level, event.label) == ("fallen", SafetyLevel.DANGER, "Fall")
    assert event.values["share"] == pytest.approx(5 / 8)
    assert event.values["distance_m"] == 5.0


def test_one_frame_that_errs_is_no_fall() -> None:
    bench = Bench(FALLEN)
    for step in range(30):
        bench.objects(step / 10, person(5.0, label="Fall" if step % 3 == 0 else "Normal"))
    assert bench.events == []


def test_a_fall_ends_when_the_person_stands_again() -> None:
    bench = Bench(FALLEN)
    for step in range(8):
        bench.objects(step / 10, person(5.0, label="Fall"))
    for step in range(8, 30):
        bench.objects(step / 10, person(5.0))
    assert [event.phase for event in bench.events] == [EventPhase.STARTED, EventPhase.ENDED]


@pytest.mark.parametrize("period_s", [0.1, 0.33, 0.7, 1.5])
def test_a_slow_detector_finds_a_fall_too(period_s: float) -> None:
    bench = Bench({**FALLEN, "enter_after_frames": 5}, input_timeout_s=5.0)
    for step in range(5):
        bench.objects(step * period_s, person(5.0, label="Fall"))
    assert [event.phase for event in bench.events] == [EventPhase.STARTED]


def test_falls_far_apart_are_no_evidence_of_one() -> None:
    bench = Bench(FALLEN, input_timeout_s=20.0)
    for step in range(10):
        bench.objects(step * 6.0, person(5.0, label="Fall"))
    assert bench.events == []


def test_of_untracked_objects_a_fallen_one_counts_whatever_their_order() -> None:
    standing, fallen = person(5.0, track=""), person(6.0, track="", label="Fall")
    for items in ((standing, fallen), (fallen, standing)):
        bench = Bench(FALLEN)
        for step in range(5):
            bench.objects(step / 10, *items)
        assert [event.phase for event in bench.events] == [EventPhase.STARTED]


def test_a_fall_by_detections_alone_is_per_camera() -> None:
    bench = Bench({**FALLEN, "input": "detections"})
    for step in range(4):
        bench.detections(step / 10, "Normal", "Fall", camera="front")
        bench.detections(step / 10 + 0.05, "Normal", camera="rear")
    (event,) = bench.events
    assert (event.sensor, event.evidence) == ("front", ("front/detections",))
    assert event.values["confidence"] == pytest.approx(0.8)


# Silence --------------------------------------------------------------------------------------


def test_before_the_first_measurement_the_state_is_unknown() -> None:
    bench = Bench(IN_BAY)
    assert bench.level(0.0) is SafetyLevel.UNKNOWN
    assert bench.reasons(0.0) == ("unknown: 'objects' has not been heard",)
    assert bench.tick(0.0) == []
    assert bench.tick(1.0) == []  # a start takes its time
    assert bench.tick(1.1) == ["stale_objects-1 started"]
    assert bench.objects(1.2) == ["stale_objects-1 ended"]
    assert bench.level(1.2) is SafetyLevel.CLEAR


def test_a_component_that_is_not_well_yet_is_told_only_after_its_time_out() -> None:
    bench = Bench(ALARM, DEAF)
    assert bench.health(0.0, HealthLevel.WARN) == []
    assert bench.level(0.0) is SafetyLevel.UNKNOWN
    assert bench.health(3.0, HealthLevel.WARN) == []
    assert bench.health(3.5, HealthLevel.WARN) == ["deaf-1 started"]
    assert bench.health(4.0) == ["deaf-1 ended"]
    assert bench.health(4.5, HealthLevel.WARN) == ["deaf-2 started"]


def test_a_silent_sensor_is_unknown_and_told_once() -> None:
    bench = Bench(IN_BAY)
    bench.objects(0.0)
    assert bench.tick(1.0) == []
    assert bench.level(1.0) is SafetyLevel.CLEAR
    assert bench.level(1.01) is SafetyLevel.UNKNOWN
    assert bench.tick(1.1) == ["stale_objects-1 started"]
    assert bench.tick(1.2) == []
    event = bench.events[0]
    assert (event.kind, event.level) == ("stale", SafetyLevel.UNKNOWN)
    assert event.evidence == ("objects",)
    assert event.values["age_s"] == pytest.approx(1.1)
    assert bench.objects(5.0) == ["stale_objects-1 ended"]


def test_danger_stays_while_its_sensor_is_silent_and_both_are_told() -> None:
    bench = Bench(IN_BAY)
    bench.objects(0.0, person(3.0))
    bench.tick(60.0)
    assert bench.level(60.0) is SafetyLevel.DANGER
    assert bench.reasons(60.0) == (
        "danger: Normal 1 is in zone 'bay'",
        "unknown: 'objects' is silent for more than 1 s",
    )
    assert "in_bay-1 ended" in bench.objects(61.0)


def test_unknown_outranks_caution() -> None:
    bench = Bench(ON_PORCH)
    bench.objects(0.0, person(7.0))
    assert bench.level(2.0) is SafetyLevel.UNKNOWN


def test_every_used_sensor_is_watched_and_a_rule_s_own_time_out_wins() -> None:
    watched = Bench(
        IN_BAY, ECHO, {"name": "slow", "kind": "stale", "input": "objects", "timeout_s": 5.0}
    )
    watched.objects(0.0)
    watched.range(0.0, 3.0, "left")
    assert watched.level(0.0) is SafetyLevel.UNKNOWN  # the right one was never heard
    watched.range(0.0, 3.0, "right")
    assert watched.level(0.0) is SafetyLevel.CLEAR
    assert watched.reasons(1.5) == (
        "unknown: 'left/range' is silent for more than 1 s",
        "unknown: 'right/range' is silent for more than 1 s",
    )


@pytest.mark.parametrize("behind_s", [1.01, HOUR])
def test_old_stamps_are_unknown_however_often_they_come(behind_s: float) -> None:
    bench = Bench(IN_BAY)
    for step in range(5):
        bench.objects(step / 10, now_s=step / 10 + behind_s)
        assert bench.level(step / 10 + behind_s) is SafetyLevel.UNKNOWN
    assert "stamps of 'objects' are more than 1 s old" in bench.reasons(0.4 + behind_s)[0]


def test_stamps_from_the_future_are_left_out_told_and_unknown() -> None:
    bench = Bench(IN_BAY, clock_tolerance_s=0.5)
    bench.objects(0.4, now_s=0.0)
    assert bench.level(0.0) is SafetyLevel.CLEAR
    assert bench.objects(HOUR, person(3.0), now_s=0.1) == ["stale_objects-1 started"]
    assert bench.level(0.1) is SafetyLevel.UNKNOWN
    assert "ahead of the clock" in bench.reasons(0.1)[0]
    assert bench.notices == [
        "objects stamp_ahead: stamps lie 3599.9 s ahead of the clock; the measurement is left out; "
        "is its clock right?"
    ]
    # Put right, the clock's stamps are no jump, and count at once.
    assert bench.objects(0.5, person(3.0)) == ["stale_objects-1 ended", "in_bay-1 started"]
    assert len(bench.notices) == 1
    # A danger does not end because its sensor's clock runs ahead.
    for now_s in (0.9, 1.7):
        bench.objects(HOUR, now_s=now_s)
        assert bench.level(now_s) is SafetyLevel.DANGER


def test_speech_is_watched_by_the_transcriber_s_health() -> None:
    bench = Bench(ALARM, DEAF)
    assert bench.level(0.0) is SafetyLevel.UNKNOWN
    bench.health(0.0, name="object_detector: state")
    assert bench.level(0.0) is SafetyLevel.UNKNOWN
    bench.health(0.5)
    assert bench.level(0.5) is SafetyLevel.CLEAR
    assert bench.health(1.5, HealthLevel.WARN) == ["deaf-1 started"]
    assert bench.level(1.5) is SafetyLevel.UNKNOWN
    assert bench.events[-1].message == "'speech_transcriber: speech' is not well: it says so."
    assert bench.health(2.5) == ["deaf-1 ended"]
    assert bench.level(5.5) is SafetyLevel.CLEAR
    assert bench.level(5.6) is SafetyLevel.UNKNOWN


def test_warnings_can_be_accepted_and_errors_cannot() -> None:
    bench = Bench(ALARM, {**DEAF, "accept_warnings": True})
    bench.health(0.0, HealthLevel.WARN)
    assert bench.level(0.0) is SafetyLevel.CLEAR
    for level in (HealthLevel.ERROR, HealthLevel.STALE):
        bench.health(0.1, level)
        assert bench.level(0.1) is SafetyLevel.UNKNOWN


def test_of_several_entries_under_one_rule_each_is_told() -> None:
    bench = Bench(IN_BAY, {**DEAF, "component": "fusion: sensor sonar/"})
    for name in ("fusion: sensor sonar/left", "fusion: sensor sonar/right"):
        bench.health(0.0, name=name)
    assert bench.health(0.5, HealthLevel.ERROR, "fusion: sensor sonar/left") == ["deaf-1 started"]
    assert bench.health(0.6, HealthLevel.ERROR, "fusion: sensor sonar/right") == ["deaf-2 started"]
    assert bench.health(0.7, name="fusion: sensor sonar/left") == ["deaf-1 ended"]
    bench.objects(0.8)
    assert bench.reasons(0.8) == ("unknown: 'fusion: sensor sonar/right' is not well",)
    assert bench.events[0].message == "'fusion: sensor sonar/left' is not well: it says so."
    assert bench.events[2].message == "'fusion: sensor sonar/left' is well again after 0.2 s."


def test_a_spoken_keyword_is_danger_while_it_is_held() -> None:
    bench = Bench(ALARM, DEAF)
    bench.health(0.0)
    assert bench.says(1.0, "Stop!") == ["alarm-1 started"]
    assert bench.level(1.0) is SafetyLevel.DANGER
    bench.health(3.0)
    assert bench.tick(6.0) == ["alarm-1 ended"]
    assert bench.level(6.0) is SafetyLevel.CLEAR


# Clocks ---------------------------------------------------------------------------------------


def test_stamps_that_jump_back_an_hour_are_told_once_and_leave_nothing_stuck() -> None:
    bench = Bench(IN_BAY)
    bench.objects(HOUR, person(3.0))
    # They are an hour old by the clock, so the state is unknown, but the danger is not over.
    assert bench.objects(0.1, now_s=HOUR + 0.1) == ["stale_objects-1 started"]
    assert [reason.partition(":")[0] for reason in bench.reasons(HOUR + 0.1)] == [
        "danger",
        "unknown",
    ]
    assert bench.objects(0.5, now_s=HOUR + 0.5) == ["in_bay-1 ended"]
    assert bench.events[-1].stamp_ns == round((HOUR + 0.5) * S)
    assert bench.level(HOUR + 0.5) is SafetyLevel.UNKNOWN
    assert bench.notices == [
        "objects stamp_jump: stamps jumped back by 3599.9 s; conditions go on by the clock; "
        "was a clock set back?"
    ]
    # Set right again, the stamps count as they are.
    assert bench.objects(HOUR + 0.6, person(3.0)) == ["stale_objects-1 ended", "in_bay-2 started"]
    assert bench.events[-1].stamp_ns == round((HOUR + 0.6) * S)


@pytest.mark.parametrize("back_s", [0.4, 0.9, 1.2, 1.6])
def test_a_person_stays_in_the_zone_while_the_sensor_s_clock_is_set_back(back_s: float) -> None:
    rule = {**IN_BAY, "enter_after_s": 0.3, "enter_after_frames": 4}
    bench = Bench(rule, input_timeout_s=2.0)
    for step in range(20):
        at_s = step / 10 + (10 - back_s if step >= 8 else 10)
        told = bench.objects(at_s, person(3.0), now_s=10 + step / 10)
        assert told == (["in_bay-1 started"] if step == 3 else [])
        if step >= 3:
            assert bench.level(10 + step / 10) is SafetyLevel.DANGER
    assert len(bench.notices) == (back_s > 1.1)  # less, messages that overtake each other may be


def test_speech_whose_stamps_jump_or_lie_ahead_is_told_and_heard() -> None:
    bench = Bench(ALARM, DEAF)
    bench.health(HOUR)
    assert bench.says(HOUR, "stop") == ["alarm-1 started"]
    bench.tick(HOUR + 60)
    assert bench.says(0.0, "stop", now_s=HOUR + 61) == ["alarm-2 started"]
    assert bench.level(HOUR + 61) is SafetyLevel.DANGER
    bench.tick(HOUR + 120)
    assert "alarm-3 started" in bench.says(2 * HOUR, "stop", now_s=HOUR + 121)
    assert [notice.partition(";")[0] for notice in bench.notices] == [
        "speech stamp_jump: stamps jumped back by 3600.0 s",
        "speech stamp_ahead: stamps lie 3479.0 s ahead of the clock",
    ]


def test_health_whose_stamps_jump_or_lie_ahead_is_told_and_unknown() -> None:
    bench = Bench(ALARM, DEAF)
    bench.health(HOUR)
    assert bench.level(HOUR) is SafetyLevel.CLEAR
    bench.health(0.0, name="object_detector: state", now_s=HOUR + 0.1)  # nobody's rule needs it
    assert bench.notices == []
    bench.health(0.0, now_s=HOUR + 0.2)
    assert bench.level(HOUR + 0.2) is SafetyLevel.UNKNOWN
    bench.health(2 * HOUR, now_s=HOUR + 0.3)
    assert bench.level(HOUR + 0.3) is SafetyLevel.UNKNOWN
    assert [notice.partition(";")[0] for notice in bench.notices] == [
        "/diagnostics stamp_jump: stamps jumped back by 3600.0 s",
        "/diagnostics stamp_ahead: stamps lie 3599.7 s ahead of the clock",
    ]
    bench.health(HOUR + 0.4)
    assert bench.level(HOUR + 0.4) is SafetyLevel.CLEAR


def test_a_clock_that_jumps_back_begins_everything_anew_once() -> None:
    bench = Bench(IN_BAY, ALARM, DEAF)
    bench.health(HOUR)
    bench.objects(HOUR, person(3.0))
    bench.says(HOUR, "stop")
    assert sorted(bench.tick(0.0)) == ["alarm-1 ended", "in_bay-1 ended"]
    assert bench.level(0.0) is SafetyLevel.UNKNOWN
    assert bench.objects(0.1, person(3.0)) == ["in_bay-2 started"]
    assert bench.says(0.2, "stop") == ["alarm-2 started"]
    bench.health(0.3)
    assert bench.objects(0.6) == ["in_bay-2 ended"]
    assert bench.notices == ["clock stamp_jump: it jumped back by 3600.0 s; everything begins anew"]


def test_a_recording_played_in_a_loop_tells_the_same_each_time() -> None:
    bench = Bench(IN_BAY)
    rounds = []
    for _ in range(3):
        before = len(bench.events)
        for step in range(30):
            bench.objects(step / 10, *([person(3.0)] if 5 <= step < 15 else []))
        rounds.append([(event.phase, event.stamp_ns) for event in bench.events[before:]])
    assert rounds[0] == rounds[1] == rounds[2]
    assert len(rounds[0]) == 2


def test_measurements_that_overtake_each_other_do_no_harm() -> None:
    bench = Bench({**IN_BAY, "enter_after_s": 0.2})
    for stamp in (0.0, 0.2, 0.1, 0.3):
        bench.objects(stamp, person(3.0), now_s=0.3)
    assert [event.phase for event in bench.events] == [EventPhase.STARTED]
    assert bench.notices == []


def test_stop_ends_everything_and_leaves_the_state_unknown() -> None:
    bench = Bench(IN_BAY, ALARM, DEAF)
    bench.objects(0.0, person(3.0))
    bench.says(0.0, "stop")
    ended = bench.take(bench.monitor.stop(S))
    assert sorted(ended) == ["alarm-1 ended", "in_bay-1 ended"]
    assert bench.level(1.0) is SafetyLevel.UNKNOWN


def test_reset_is_as_new() -> None:
    bench = Bench(IN_BAY)
    bench.objects(HOUR, person(3.0))
    bench.monitor.reset()
    assert bench.level(0.0) is SafetyLevel.UNKNOWN
    assert bench.objects(0.0, person(3.0)) == ["in_bay-1 started"]
    assert bench.notices == []


# Wiring ---------------------------------------------------------------------------------------


def test_the_sources_are_what_the_rules_need() -> None:
    bench = Bench(IN_BAY, ECHO, {**FALLEN, "input": "detections", "sensors": ["rear"]}, ALARM, DEAF)
    assert {source.topic for source in bench.monitor.sources} == {
        "objects",
        "objects/sources",
        "left/range",
        "right/range",
        "rear/detections",
        "speech",
        "/diagnostics",
    }


def test_a_rule_about_a_sensor_that_is_not_listed_is_refused() -> None:
    with pytest.raises(ParameterError, match="rule 'near' needs up; ultrasonics lists left, right"):
        Bench({**ECHO, "sensors": ["up"]})
    rules = validate(SafetyRules, {"rules": [ECHO]}, "rules")
    with pytest.raises(ParameterError, match="rule 'near' needs at least one of the ultrasonics"):
        SafetyMonitor(rules)
