"""Every sensor removed in turn: fusion and monitor together, on a short simulated scene."""

from __future__ import annotations

from typing import Any

import pytest

from edge_mm_ros.bench.monitored_scene import MonitoredScene, Told
from edge_mm_ros.bench.sensor_loss import FullRun, Outcome, outcome_of
from edge_mm_ros.datatypes import EventPhase, SafetyLevel
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.scenario_sensors import load_rig
from edge_mm_ros.pipelines.evaluation import score_events
from edge_mm_ros.pipelines.simulation import START_NS, Record, Simulator
from edge_mm_ros.pipelines.stamps import to_ns

FAILURES = (  # each sensor for a second, one after the other; name, kind, alarm
    ("camera", "silent", "camera_lost"),
    ("lidar", "silent", "lidar_lost"),
    ("radar", "silent", "radar_lost"),
    ("ultrasonic/front_left", "silent", "ultrasonic_lost"),
    ("ultrasonic/front_right", "silent", "ultrasonic_lost"),
    ("ultrasonic/rear_left", "silent", "ultrasonic_lost"),
    ("ultrasonic/rear_right", "silent", "ultrasonic_lost"),
    ("odom", "silent", "odometry_lost"),
    ("lidar", "frozen", "lidar_lost"),
    ("camera", "blind", "camera_lost"),
)
BEGIN_S, LAST_S, EVERY_S = 1.5, 1.0, 1.2
END_S = BEGIN_S + EVERY_S * len(FAILURES)
RATES_HZ = {"camera": 8.0, "lidar": 5.0, "radar": 8.0, "ultrasonic": 5.0, "odometry": 20.0}
SHORT_S = 3.6
SYSTEMS = {"robot": "simulated", "vehicle": "vehicle_simulated"}
RULES = {"robot": {"object_in_way"}, "vehicle": {"vehicle_in_lane", "object_behind"}}
EVERY_SENSOR = [(rig, sensor.name) for rig in SYSTEMS for sensor in load_rig(rig).sensors]
OFF_S = 0.5  # of the last measurement before, which may have been on its way for a while
WAY = [[0.5, 1.5], [6.0, 1.5], [6.0, -1.5], [0.5, -1.5]]


def rig_of(name: str) -> list[dict[str, Any]]:
    """A shipped rig with fewer and coarser measurements, for speed."""
    sensors: list[dict[str, Any]] = [one.model_dump() for one in load_rig(name).sensors]
    for sensor in sensors:
        sensor["rate_hz"] = RATES_HZ[sensor["kind"]]
        if sensor["kind"] == "lidar":
            sensor["columns"] = 240
    return sensors


def robot_scene(*outages: dict[str, Any], duration_s: float = END_S) -> Scenario:
    """A person who walks to and fro through the way of the robot, and one who stands."""
    turns = [{"t_s": 1.5 + 3.0 * i, "xy_m": [4.5, 2.6 if i % 2 else -2.6]} for i in range(5)]
    values = {
        "name": "loss",
        "duration_s": duration_s,
        "sensors": rig_of("robot"),
        "actors": [
            {"name": "walker", "kind": "person", "path": turns},
            {"name": "stander", "kind": "person", "path": [{"t_s": 0.0, "xy_m": [8.0, -2.5]}]},
        ],
        "outages": outages,
        "zones": [{"name": "way", "level": "danger", "polygon_m": WAY}],
        "expectations": [{"kind": "zone", "rule": "object_in_way", "zone": "way"}],
    }
    return validate(Scenario, values, "loss")


def car_scene() -> Scenario:
    """A car that stands; one person steps before it, one behind it."""
    ways = {
        "ahead": ([8.0, 3.2], [8.0, -0.5]),
        "behind": ([-1.7, 3.4], [-1.7, 0.0]),
    }
    values = {
        "name": "around_the_car",
        "duration_s": SHORT_S,
        "sensors": rig_of("vehicle"),
        "actors": [
            {
                "name": name,
                "kind": "person",
                "path": [{"t_s": 1.2, "xy_m": begin}, {"t_s": 3.2, "xy_m": end}],
            }
            for name, (begin, end) in ways.items()
        ],
    }
    return validate(Scenario, values, "around_the_car")


def scene(*outages: dict[str, Any], duration_s: float = END_S) -> list[Record]:
    return list(Simulator(robot_scene(*outages, duration_s=duration_s)).records())


def seconds(stamp_ns: int) -> float:
    return (stamp_ns - START_NS) / 1e9


def is_never_clear_uncovered(told: Told) -> bool:
    return all(
        state.level is not SafetyLevel.CLEAR
        for state, zones in zip(told.states, told.uncovered, strict=True)
        if zones
    )


@pytest.fixture(scope="module")
def played() -> tuple[MonitoredScene, Told]:
    outages = [
        {
            "sensor": sensor,
            "kind": kind,
            "from_s": BEGIN_S + EVERY_S * index,
            "to_s": BEGIN_S + EVERY_S * index + LAST_S,
        }
        for index, (sensor, kind, _) in enumerate(FAILURES)
    ]
    monitored = MonitoredScene("simulated")
    return monitored, monitored.play(scene(*outages))


@pytest.mark.parametrize("index", range(len(FAILURES)), ids=lambda i: " ".join(FAILURES[i][:2]))
def test_of_each_lost_sensor_an_alarm_tells_within_its_time_out(
    played: tuple[MonitoredScene, Told], index: int
) -> None:
    monitored, told = played
    sensor, kind, rule = FAILURES[index]
    begin_s = BEGIN_S + EVERY_S * index
    alarms = [
        seconds(event.stamp_ns)
        for event in told.events
        if event.rule == rule
        and event.phase is EventPhase.STARTED
        and sensor in event.message
        and begin_s <= seconds(event.stamp_ns) <= begin_s + EVERY_S
    ]
    (alarm,) = alarms
    of_kind = "odometry" if sensor == "odom" else sensor.partition("/")[0]
    timeout_s = monitored.params.timeout_of(of_kind, sensor)
    assert alarm <= begin_s + timeout_s + 0.1 + (0.0 if kind == "silent" else OFF_S)
    for state in told.states:
        if alarm < seconds(state.stamp_ns) < begin_s + LAST_S:
            assert state.level in {SafetyLevel.UNKNOWN, SafetyLevel.DANGER}
    for event in told.events:
        if alarm < seconds(event.stamp_ns) < begin_s + LAST_S:
            assert any(name.endswith(f":{sensor}") for name in event.silent)


def test_no_event_is_missed_that_the_remaining_sensors_see(
    played: tuple[MonitoredScene, Told],
) -> None:
    _, told = played
    score = score_events(told.expected, told.events, told.states, START_NS + to_ns(END_S))
    assert len(score.outcomes) == 4
    assert (score.missed, score.late) == (0, 0)
    assert score.clear_in_danger_s == 0.0


def test_what_is_not_covered_is_never_clear(played: tuple[MonitoredScene, Told]) -> None:
    _, told = played
    assert SafetyLevel.CLEAR in {state.level for state in told.states}
    assert is_never_clear_uncovered(told)


def test_what_an_event_rests_on_is_not_what_is_silent(
    played: tuple[MonitoredScene, Told],
) -> None:
    _, told = played
    seen = [event for event in told.events if event.rule == "object_in_way"]
    begun = [event for event in seen if event.phase is EventPhase.STARTED]
    # What is only predicted rests on nothing, and makes no danger.
    assert all(bool(e.supporting) == (e.level is SafetyLevel.DANGER) for e in begun)
    assert sum(event.level is SafetyLevel.DANGER for event in begun) >= 4
    silent = {name for event in seen for name in event.silent}
    assert silent  # the person enters while a sensor is lost


def test_with_ultrasonic_sensors_alone_the_way_is_unknown() -> None:
    outages = [
        {"sensor": name, "from_s": 1.5, "to_s": 3.0} for name in ("camera", "lidar", "radar")
    ]
    told = MonitoredScene("simulated").play(scene(*outages, duration_s=3.0))
    assert is_never_clear_uncovered(told)
    late = [
        (state, zones)
        for state, zones in zip(told.states, told.uncovered, strict=True)
        if seconds(state.stamp_ns) > 2.2
    ]
    assert late
    for state, zones in late:
        assert zones == ("way",)
        assert state.level in {SafetyLevel.UNKNOWN, SafetyLevel.DANGER}
        assert any("zone 'way' is not covered" in reason for reason in state.reasons)


# Each sensor of both rigs removed for good -------------------------------------------------------


class Whole:
    """A short scene of a rig, played with all sensors."""

    def __init__(self, rig: str) -> None:
        scenario = robot_scene(duration_s=SHORT_S) if rig == "robot" else car_scene()
        self.full = FullRun(scenario, SYSTEMS[rig])
        self.told = self.full.told

    def outcome(self, *sensors: str) -> Outcome:
        return outcome_of(self.full, sensors, from_s=BEGIN_S)


@pytest.fixture(scope="module")
def whole() -> dict[str, Whole]:
    return {rig: Whole(rig) for rig in SYSTEMS}


@pytest.mark.parametrize("rig", SYSTEMS)
def test_with_all_sensors_the_events_are_told_and_the_state_was_clear(
    whole: dict[str, Whole], rig: str
) -> None:
    told = whole[rig].told
    late = [e for e in told.events if seconds(e.stamp_ns) > BEGIN_S]
    assert {e.rule for e in late if e.level is SafetyLevel.DANGER} >= RULES[rig]
    assert not [e for e in late if e.kind == "stale"]
    assert SafetyLevel.CLEAR in {state.level for state in told.states}


def test_the_rigs_are_those_of_the_issue() -> None:
    kinds = [sensor.kind for sensor in load_rig("vehicle").sensors]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "camera": 1,
        "lidar": 1,
        "radar": 3,
        "ultrasonic": 12,
        "odometry": 1,
    }
    assert {sensor for rig, sensor in EVERY_SENSOR if rig == "robot"} == {s for s, _, _ in FAILURES}


@pytest.mark.parametrize(("rig", "sensor"), EVERY_SENSOR)
def test_without_a_sensor_there_is_an_alarm_and_all_else_is_told(
    whole: dict[str, Whole], rig: str, sensor: str
) -> None:
    outcome = whole[rig].outcome(sensor)
    assert 0.0 < outcome.overdue_s[sensor] <= 0.1
    assert (outcome.clear_uncovered_s, outcome.clear_bare_s) == (0.0, 0.0)
    assert outcome.events.asked >= len(RULES[rig])
    assert (outcome.events.missed, outcome.events.late) == ((), ())


@pytest.mark.parametrize(
    ("rig", "sensors", "zone"),
    [
        ("robot", ("camera", "lidar", "radar"), "way"),
        ("vehicle", ("top/lidar", *(f"ultrasonic/rear_{n}" for n in range(1, 7))), "behind"),
        ("vehicle", ("top/lidar", "front/camera"), "lane_ahead"),
    ],
)
def test_a_zone_that_no_remaining_sensor_can_see_is_never_clear(
    whole: dict[str, Whole], rig: str, sensors: tuple[str, ...], zone: str
) -> None:
    outcome = whole[rig].outcome(*sensors)
    assert zone in outcome.bare
    assert (outcome.clear_uncovered_s, outcome.clear_bare_s) == (0.0, 0.0)
    assert all(0.0 < late <= 0.1 for late in outcome.overdue_s.values())
