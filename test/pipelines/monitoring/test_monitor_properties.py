"""What must hold for any course of measurements: nothing stuck, nothing clear without a sensor."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mm_ros.datatypes import (
    EventPhase,
    Health,
    HealthLevel,
    Object3D,
    Objects,
    RangeReading,
    SafetyEvent,
    SafetyLevel,
    Transcript,
)
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.pipelines.monitoring import SafetyMonitor

MS = 1_000_000
TIMEOUT_MS = 500
RULES = validate(
    SafetyRules,
    {
        "input_timeout_s": TIMEOUT_MS / 1000,
        "zones": [
            {"name": "bay", "level": "danger", "polygon_m": [[2, -1], [4, -1], [4, 1], [2, 1]]},
            {"name": "porch", "level": "caution", "polygon_m": [[6, -1], [8, -1], [7, 1]]},
        ],
        "rules": [
            {"name": "in_bay", "kind": "zone", "zone": "bay", "enter_after_s": 0.2, "dwell_s": 0.5},
            {"name": "on_porch", "kind": "zone", "zone": "porch", "leave_after_s": 0.3},
            {"name": "near", "kind": "minimum_distance", "level": "danger", "distance_m": 2.5},
            {
                "name": "echo",
                "kind": "minimum_distance",
                "level": "danger",
                "distance_m": 1.0,
                "input": "range",
            },
            {"name": "fallen", "kind": "fallen", "leave_after_s": 0.3},
            {"name": "alarm", "kind": "keyword", "level": "danger", "phrases": ["stop", "help"]},
            {
                "name": "deaf",
                "kind": "stale",
                "input": "diagnostics",
                "component": "speech",
                "timeout_s": TIMEOUT_MS / 1000,
            },
        ],
    },
    "rules",
)

items = st.lists(
    st.tuples(
        st.floats(0, 10),
        st.floats(-2, 2),
        st.sampled_from("123"),
        st.sampled_from(["Normal", "Fall"]),
    ),
    max_size=3,
)
inputs = st.one_of(
    st.tuples(st.just("objects"), items),
    st.tuples(st.just("range"), st.sampled_from([0.3, 0.9, 1.1, 3.0, float("inf"), float("-inf")])),
    st.tuples(st.just("speech"), st.sampled_from(["stop", "please help", "nothing"])),
    st.tuples(st.just("health"), st.sampled_from(list(HealthLevel))),
    st.tuples(st.just("tick"), st.none()),
)
# Scenes that last, seen by patient rules, which a jump of a second or two does not make unknown.
PATIENT = RULES.model_copy(
    update={
        "input_timeout_s": 3.0,
        "rules": tuple(
            rule.model_copy(
                update={"timeout_s": 3.0}
                if rule.kind == "stale"
                else {"enter_after_s": 0.3, "enter_after_frames": 3}
                if rule.kind in {"zone", "minimum_distance"}
                else {}
            )
            for rule in RULES.rules
        ),
    }
)
IN_BAY, ON_PORCH = (3.0, 0.0, "1", "Normal"), (7.0, 0.0, "2", "Normal")
FALLEN = (9.0, 2.0, "3", "Fall")
scenes = st.lists(
    st.tuples(
        st.lists(st.sampled_from([IN_BAY, ON_PORCH, FALLEN]), unique=True),
        st.sampled_from([0.9, 3.0]),
        st.sampled_from(["stop", "nothing"]),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=5,
)

# Steps of the clock, mostly forward, and how far a measurement's stamp lies behind it.
steps = st.one_of(st.integers(0, 300), st.integers(0, 3000), st.integers(-7_200_000, 0))
lags = st.one_of(st.just(0), st.integers(0, 200), st.integers(-4_000_000, 4_000_000))
courses = st.lists(st.tuples(steps, lags, inputs), max_size=30)


def feed(monitor: SafetyMonitor, kind: str, value: Any, stamp_ns: int, now_ns: int) -> Any:
    if kind == "objects":
        objects = tuple(
            Object3D(
                track,
                label,
                0.9,
                np.array([x, y, 1.0]),
                np.ones(3),
                np.eye(3),
                ("camera:front",) if y > -1.5 else (),  # some are predicted
            )
            for x, y, track, label in value
        )
        return monitor.hear_objects(Objects(objects, stamp_ns, "base_link"), now_ns)
    if kind == "range":
        reading = RangeReading(value, 0.02, 4.0, 0.3, stamp_ns, "left")
        return monitor.hear_range("left", reading, now_ns)
    if kind == "speech":
        spoken = Transcript(value, stamp_ns, stamp_ns, 0.9, "en", True, "mic")
        return monitor.hear_transcript(spoken, now_ns)
    if kind == "health":
        return monitor.hear_health([Health("speech", value, "")], stamp_ns, now_ns)
    return monitor.tick(now_ns)


@settings(max_examples=80, deadline=None)
@given(course=courses)
def test_every_event_ends_as_it_began_and_clear_needs_every_sensor(course: Any) -> None:
    monitor = SafetyMonitor(RULES, (), ("left",))
    now_ms = 10_000_000
    phases: dict[str, list[EventPhase]] = defaultdict(list)
    last: dict[str, SafetyEvent] = {}
    heard_ms: dict[str, int] = {}  # by our own books: when each needed sensor came in good order
    for step_ms, lag_ms, (kind, value) in course:
        now_ms = max(0, now_ms + step_ms)
        if step_ms < -1000:
            heard_ms.clear()
        stamp_ms = max(0, now_ms - lag_ms)
        events = feed(monitor, kind, value, stamp_ms * MS, now_ms * MS)
        if abs(now_ms - stamp_ms) <= TIMEOUT_MS and (kind != "health" or value is HealthLevel.OK):
            heard_ms[kind] = now_ms
        elif kind == "health":
            heard_ms.pop(kind, None)
        for event in events:
            before = phases[event.event_id]
            if event.phase is EventPhase.STARTED:
                assert not before
            else:
                assert before
                assert before[-1] is not EventPhase.ENDED
                first = last[event.event_id]
                assert (event.rule, event.kind, event.level) == (
                    first.rule,
                    first.kind,
                    first.level,
                )
                assert (event.track_id, event.started_ns) == (first.track_id, first.started_ns)
            before.append(event.phase)
            last[event.event_id] = event
        status = monitor.status(now_ms * MS)
        for sensor in ("objects", "range", "health"):
            if now_ms - heard_ms.get(sensor, -1_000_000) > TIMEOUT_MS:
                assert status.level in {SafetyLevel.UNKNOWN, SafetyLevel.DANGER}
                assert any(reason.startswith("unknown: ") for reason in status.reasons)
        running = {key for key, seen in phases.items() if seen and seen[-1] is not EventPhase.ENDED}
        dangers = {key for key in running if last[key].level is SafetyLevel.DANGER}
        assert (status.level is SafetyLevel.DANGER) == bool(dangers)
    # When everything has gone and time has passed, nothing is left.
    for step_ms in range(0, 12_000, 400):
        at_ns = (now_ms + 8_000_000 + step_ms) * MS
        for kind, value in (("objects", []), ("range", 3.0), ("health", HealthLevel.OK)):
            for event in feed(monitor, kind, value, at_ns, at_ns):
                phases[event.event_id].append(event.phase)
        for event in monitor.tick(at_ns):
            phases[event.event_id].append(event.phase)
    assert all(seen[-1] is EventPhase.ENDED for seen in phases.values())
    assert monitor.status(at_ns).level is SafetyLevel.CLEAR


@settings(max_examples=150, deadline=None)
@given(
    shown=scenes,
    step_ms=st.integers(30, 99),  # a jump by less than a step does not show in the stamps
    lag_ms=st.integers(0, 300),
    back_ms=st.integers(100, 2_500) | st.integers(100, 7_200_000),
    jump_at=st.integers(1, 30),
    mended_after=st.integers(1, 60),
    sources=st.sets(st.sampled_from(["objects", "range", "speech", "health"]), min_size=1),
)
def test_a_clock_set_back_hides_no_danger_and_makes_nothing_clear(
    shown: Any,
    step_ms: int,
    lag_ms: int,
    back_ms: int,
    jump_at: int,
    mended_after: int,
    sources: set[str],
) -> None:
    """At every step the state is the one that the same data have without the jump, or unknown.

    So no frame is clear that would not have been clear, and a danger stands where it would have
    stood. The jump is that of sensors' clocks, with a steady delay from stamp to arrival; it may
    be put right again.
    """
    plain, jumped = SafetyMonitor(PATIENT, (), ("left",)), SafetyMonitor(PATIENT, (), ("left",))
    now_ms = 10_000_000
    frames = [scene for scene in shown for _ in range(scene[-1])]
    for index, (people, range_m, said, _) in enumerate(frames):
        now_ms += step_ms
        back = back_ms if jump_at <= index < jump_at + mended_after else 0
        frame = {"range": range_m, "speech": said, "health": HealthLevel.OK, "objects": people}
        for kind, value in frame.items():
            stamp_ms = now_ms - lag_ms
            feed(plain, kind, value, stamp_ms * MS, now_ms * MS)
            stamp_ms -= back if kind in sources else 0
            feed(jumped, kind, value, stamp_ms * MS, now_ms * MS)
            expected = plain.status(now_ms * MS).level
            got = jumped.status(now_ms * MS).level
            if expected is SafetyLevel.DANGER:
                assert got is SafetyLevel.DANGER
            else:
                assert got in {expected, SafetyLevel.UNKNOWN}


@settings(max_examples=25, deadline=None)
@given(course=courses)
def test_equal_courses_give_equal_events(course: Any) -> None:
    def run() -> list[Any]:
        monitor = SafetyMonitor(RULES, (), ("left",))
        now_ms, out = 10_000_000, []
        for step_ms, lag_ms, (kind, value) in course:
            now_ms = max(0, now_ms + step_ms)
            out.append(feed(monitor, kind, value, max(0, now_ms - lag_ms) * MS, now_ms * MS))
        return out

    assert run() == run()
