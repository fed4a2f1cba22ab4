"""Scenarios played through: order, stamps, outages, sameness, truth and expected events."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from fakes.scenes import (
    QUIET_CAMERA,
    QUIET_LIDAR,
    QUIET_ODOMETRY,
    QUIET_RADAR,
    QUIET_ULTRASONIC,
    actor,
    records,
    scenario_of,
)

from edge_mm_ros.datatypes import (
    Detections,
    EventPhase,
    GroundTruth,
    PointCloud,
    SafetyEvent,
    SafetyLevel,
)
from edge_mm_ros.params.scenario import Scenario, load_scenario, shipped_scenarios
from edge_mm_ros.pipelines.simulation import EVENTS_TOPIC, START_NS, TRUTH_TOPIC, Simulator
from edge_mm_ros.pipelines.simulation.scene import Scene
from edge_mm_ros.pipelines.simulation.truth import ExpectedEvents, truth_of

PERSON = actor("someone", "person", (6.0, 2.0), (6.0, 0.0), (6.0, -2.0))
MS = 1_000_000


def flat(value: Any) -> Any:
    """A value by content."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, tuple):
        return tuple(flat(part) for part in value)
    if hasattr(value, "__dataclass_fields__"):
        return tuple(flat(getattr(value, name)) for name in value.__dataclass_fields__)
    return value if not isinstance(value, float) or math.isfinite(value) else repr(value)


def play(scenario: Scenario, seed: int = 0) -> list[Any]:
    return [flat(record) for record in Simulator(scenario, seed).records()]


def everything(**more: Any) -> Scenario:
    sensors = [
        {"kind": kind, "name": kind, "place": {"xyz_m": [0.0, 0.0, 0.6]}}
        for kind in ("camera", "lidar", "radar", "ultrasonic", "laser", "odometry")
    ]
    sensors[1].update(rings=2, columns=60)
    return scenario_of(PERSON, **{"sensors": sensors, **more})


def test_the_same_seed_gives_the_same_records_and_another_one_others() -> None:
    assert play(everything(), 3) == play(everything(), 3)
    assert play(everything(), 3) != play(everything(), 4)


def test_another_sensor_changes_nothing_of_what_the_first_measures() -> None:
    camera = {**QUIET_CAMERA, "edge_sigma_px": 2.0, "false_per_picture": 1.0, "miss_share": 0.3}
    alone = scenario_of(PERSON, sensors=[camera])
    both = scenario_of(PERSON, sensors=[QUIET_LIDAR | {"rings": 1}, camera])
    topic = "camera/detections"
    assert [flat(r) for r in records(alone, topic)] == [flat(r) for r in records(both, topic)]


def test_records_come_in_the_order_of_their_arrival() -> None:
    slow = {**QUIET_CAMERA, "delay_s": 0.25, "delay_jitter_s": 0.1}
    scenario = scenario_of(PERSON, sensors=[slow, QUIET_LIDAR | {"rings": 1}])
    found = list(Simulator(scenario).records())
    arrivals = [record.arrival_ns for record in found]
    assert arrivals == sorted(arrivals)
    assert {record.topic for record in found} == {
        *("camera/camera_info", "camera/detections", "lidar/points", TRUTH_TOPIC),
    }


def test_a_message_is_late_by_its_delay_and_stamped_with_its_capture() -> None:
    camera = {**QUIET_CAMERA, "delay_s": 0.08, "delay_jitter_s": 0.04, "phase_s": 0.02}
    found = records(scenario_of(sensors=[camera]), "camera/detections")
    stamps = [record.stamp_ns - START_NS for record in found]
    assert stamps == [20 * MS + 100 * MS * i for i in range(10)]
    delays = [(record.arrival_ns - record.stamp_ns) / MS for record in found]
    assert all(80.0 <= delay <= 120.0 for delay in delays)
    assert len(set(delays)) > 5


def test_a_clock_offset_moves_stamps_not_arrivals() -> None:
    camera = {**QUIET_CAMERA, "clock_offset_s": -0.3}
    for record in records(scenario_of(PERSON, sensors=[camera]), "camera/detections"):
        assert record.arrival_ns - record.stamp_ns == 300 * MS
        assert isinstance(record.value, Detections)
        assert record.value.stamp_ns == record.stamp_ns


def test_nothing_of_one_sensor_overtakes() -> None:
    camera = {**QUIET_CAMERA, "rate_hz": 50.0, "delay_jitter_s": 0.2}
    found = records(scenario_of(sensors=[camera]), "camera/detections")
    stamps = [record.stamp_ns for record in found]
    assert stamps == sorted(stamps)


def test_messages_are_lost_as_often_as_they_should() -> None:
    camera = {**QUIET_CAMERA, "rate_hz": 500.0, "drop_share": 0.2}
    count = len(records(scenario_of(sensors=[camera]), "camera/detections"))
    assert count / 500 == pytest.approx(0.8, abs=0.06)


def test_an_outage_silences_freezes_or_blinds() -> None:
    lidar = {**QUIET_LIDAR, "rings": 4, "elevation_min_rad": -0.1, "range_sigma_m": 0.02}

    def clouds(kind: str) -> dict[int, PointCloud]:
        outage = {"sensor": "lidar", "kind": kind, "from_s": 0.3, "to_s": 0.6}
        scenario = scenario_of(PERSON, sensors=[lidar], outages=[outage])
        found = records(scenario, "lidar/points")
        return {round((r.stamp_ns - START_NS) / MS): r.value for r in found}  # type: ignore[misc]

    assert sorted(clouds("silent")) == [0, 100, 200, 600, 700, 800, 900]
    frozen = clouds("frozen")
    assert len(frozen) == 10
    for t_ms in (300, 400, 500):
        assert np.array_equal(frozen[t_ms].points_m, frozen[200].points_m)
        assert frozen[t_ms].stamp_ns == START_NS + t_ms * MS
    assert not np.array_equal(frozen[600].points_m, frozen[200].points_m)
    blind = clouds("blind")
    assert [len(blind[t].points_m) > 0 for t in (200, 300, 500, 600)] == [True, False, False, True]


def truths(scenario: Scenario) -> list[GroundTruth]:
    found = [record.value for record in records(scenario, TRUTH_TOPIC)]
    assert all(isinstance(value, GroundTruth) for value in found)
    return found  # type: ignore[return-value]


def test_truth_is_in_the_robot_s_frame_over_the_ground() -> None:
    # The robot looks to the left of the world and drives there.
    robot = {"path": [{"t_s": 0.0, "xy_m": [1.0, 0.0]}, {"t_s": 1.0, "xy_m": [1.0, 1.0]}]}
    walker = actor("walker", "person", (1.0, 5.0), (3.0, 5.0))
    wall = {"from_m": [0.0, 9.0], "to_m": [2.0, 9.0]}
    found = truths(scenario_of(walker, robot=robot, walls=[wall]))
    assert len(found) == 20
    person, side = found[10].objects  # after 0.5 s
    assert person.name == "walker"
    # World (2, 5) from the robot at (1, 0.5): 4.5 m ahead, 1 m to the right.
    assert person.position_m == pytest.approx([4.5, -1.0, 0.875])
    assert person.velocity_mps == pytest.approx([0.0, -2.0, 0.0])
    assert person.seen_by == ("camera",)
    assert (side.name, side.label) == ("wall_1", "wall")
    assert side.position_m[:2] == pytest.approx([8.5, 0.0])
    assert found[10].frame_id == "base_link"


def test_a_fall_changes_class_and_size() -> None:
    faller = actor("faller", "person", (5.0, 0.0), falls_at_s=0.5)
    found = truths(scenario_of(faller))
    assert [t.objects[0].label for t in (found[9], found[10])] == ["person", "fallen person"]
    assert found[10].objects[0].size_m[2] < 0.5


def events(scenario: Scenario) -> list[SafetyEvent]:
    return [e for record in records(scenario, EVENTS_TOPIC) for e in record.value]  # type: ignore


ZONE = {"name": "gate", "level": "danger", "polygon_m": [[5, -1], [7, -1], [7, 1], [5, 1]]}


def test_a_zone_is_expected_to_be_told_from_entry_to_exit() -> None:
    expected = {"kind": "zone", "rule": "in_gate", "zone": "gate", "within_s": 0.4}
    scenario = scenario_of(PERSON, zones=[ZONE], expectations=[expected], duration_s=3.0)
    began, ended = events(scenario)
    assert (began.phase, ended.phase) == (EventPhase.STARTED, EventPhase.ENDED)
    assert began.rule == ended.rule == "in_gate"
    assert began.track_id == "someone"
    assert began.level is SafetyLevel.DANGER
    assert began.values["within_s"] == 0.4
    # It walks from y = 2 to y = -2 in 2 s: within 1 m of the axis from 0.5 s to 1.5 s.
    assert (began.stamp_ns - START_NS) / 1e9 == pytest.approx(0.5, abs=0.11)
    assert (ended.stamp_ns - START_NS) / 1e9 == pytest.approx(1.5, abs=0.11)
    assert began.event_id == ended.event_id


def test_what_no_sensor_sees_is_not_expected_and_other_classes_are_not_meant() -> None:
    expected = {"kind": "zone", "rule": "in_gate", "zone": "gate"}
    wall = {"from_m": [3.0, -5.0], "to_m": [3.0, 5.0]}
    hidden = scenario_of(PERSON, zones=[ZONE], expectations=[expected], walls=[wall], duration_s=3)
    assert events(hidden) == []
    cars = {**expected, "labels": ["car"]}
    assert events(scenario_of(PERSON, zones=[ZONE], expectations=[cars], duration_s=3.0)) == []


def test_a_distance_and_a_lost_sensor_are_expected_to_be_told() -> None:
    coming = actor("coming", "person", (4.0, 0.0), (2.0, 0.0))
    scenario = scenario_of(
        coming,
        duration_s=2.0,
        outages=[{"sensor": "camera", "from_s": 1.5, "to_s": 1.8}],
        expectations=[
            {"kind": "minimum_distance", "rule": "too_near", "distance_m": 3.0},
            {"kind": "sensor_loss", "rule": "camera_lost", "sensor": "camera"},
        ],
    )
    found = [(e.rule, e.phase, round((e.stamp_ns - START_NS) / 1e9, 2)) for e in events(scenario)]
    assert found[0] == ("too_near", EventPhase.STARTED, pytest.approx(0.55))
    assert found[1:] == [
        ("camera_lost", EventPhase.STARTED, pytest.approx(1.5)),
        ("camera_lost", EventPhase.ENDED, pytest.approx(1.8)),
    ]


def test_no_sensor_sees_anything_while_it_is_lost() -> None:
    outage = {"sensor": "camera", "from_s": 0.4, "to_s": 0.8}
    found = truths(scenario_of(PERSON, outages=[outage]))
    assert [bool(t.objects[0].seen_by) for t in (found[6], found[9], found[17])] == [
        True,
        False,
        True,
    ]


def test_every_kind_of_sensor_has_its_topic() -> None:
    sensors = [QUIET_CAMERA, QUIET_LIDAR | {"rings": 1}, QUIET_RADAR, QUIET_ULTRASONIC]
    laser = {"kind": "laser", "name": "laser", "place": {"xyz_m": [0, 0, 0.3]}}
    scenario = scenario_of(sensors=[*sensors, laser, QUIET_ODOMETRY], duration_s=0.1)
    assert {record.topic for record in Simulator(scenario).records()} == {
        *("camera/camera_info", "camera/detections", "lidar/points", "radar/scan"),
        *("ultrasonic/range", "laser/scan", "odom", TRUTH_TOPIC),
    }


@pytest.mark.parametrize("name", sorted(shipped_scenarios()))
def test_every_expectation_of_a_shipped_scenario_comes_true(name: str) -> None:
    scenario = load_scenario(name)
    scene, expected = Scene(scenario), ExpectedEvents(scenario)
    everybody = {"eye": tuple(item.name for item in scenario.actors)}
    told = set()
    for step in range(round(scenario.duration_s * 10)):
        truth = truth_of(scene.at(step / 10.0), step, everybody)
        told |= {event.rule for event in expected.update(truth, step / 10.0)}
    assert told == {expectation.rule for expectation in scenario.expectations}


@pytest.mark.parametrize("name", sorted(shipped_scenarios()))
def test_nobody_of_a_shipped_scenario_moves_as_nobody_does_or_through_the_robot(name: str) -> None:
    scenario = load_scenario(name)
    scene = Scene(scenario)
    fastest = {"person": 4.0, "bicycle": 8.0, "car": 25.0, "truck": 25.0, "obstacle": 0.0}
    for step in range(round(scenario.duration_s * 5)):
        snapshot = scene.at(step / 5.0)
        for state in snapshot.actors:
            speed = float(np.hypot(*state.motion.velocity_mps))
            assert speed <= fastest[state.actor.kind], state.actor.name
            gap = np.hypot(*(state.motion.xy_m - snapshot.robot.xy_m))
            assert gap >= 0.8, state.actor.name
