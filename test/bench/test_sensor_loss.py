"""The checks of `edge-mm bench sensor_loss`: each finds what it is there for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edge_mm_ros.bench import sensor_loss
from edge_mm_ros.bench.loss_checks import (
    Loss,
    alarm_ns,
    clear_s,
    last_arrival_ns,
    missed,
    uncoverable,
    without,
)
from edge_mm_ros.bench.monitored_scene import Told
from edge_mm_ros.datatypes import (
    EventPhase,
    GroundTruth,
    Object3D,
    Objects,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    TrueObject,
)
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.scenario_sensors import load_rig
from edge_mm_ros.pipelines.simulation import EVENTS_TOPIC, START_NS, TRUTH_TOPIC, Record

MS = 1_000_000
LOSS = Loss(("lidar",), 100 * MS)


def event(
    rule: str = "way", at_ms: int = 200, phase: EventPhase = EventPhase.STARTED, **more: object
) -> SafetyEvent:
    values = {"kind": "zone", "track_id": "7", "message": "Something."} | more
    return SafetyEvent(
        str(more.get("event_id", f"{rule}-1")),
        phase,
        SafetyLevel.DANGER,
        rule,
        str(values["kind"]),
        at_ms * MS,
        at_ms * MS,
        str(values["message"]),
        track_id=str(values["track_id"]),
    )


def truth(at_ms: int, x_m: float = 4.0, seen_by: tuple[str, ...] = ("camera",)) -> GroundTruth:
    size = np.array([0.5, 0.5, 1.7])
    place = np.array([x_m, 0.0, 0.8])
    item = TrueObject("anna", "person", place, 0.0, size, np.zeros(3), seen_by)
    return GroundTruth((item,), at_ms * MS, "base_link")


def told(events: list[SafetyEvent], seen_by: tuple[str, ...] = ("camera",)) -> Told:
    place = np.array([4.2, 0.0, 0.8])
    track = Object3D("7", "person", 0.9, place, np.ones(3), np.eye(3), ("lidar:lidar",))
    return Told(
        events=events,
        states=[SafetyStatus(SafetyLevel.DANGER, at_ms * MS) for at_ms in (0, 3000)],
        truths=[truth(at_ms, seen_by=seen_by) for at_ms in range(0, 3000, 50)],
        needed=[("way",), ("way",)],
        uncovered=[(), ()],
        objects=[Objects((track,), 200 * MS, "base_link")],
    )


def test_an_event_that_a_remaining_sensor_sees_must_be_told() -> None:
    ended = event(at_ms=500, phase=EventPhase.ENDED)
    full = told([event(), ended])
    assert missed(
        full, told([event(at_ms=900), event(at_ms=990, phase=EventPhase.ENDED)]), LOSS
    ) == (
        1,
        [],
    )
    asked, lines = missed(full, told([]), LOSS)
    assert asked == 1
    assert lines == [f"way of anna at {(200 * MS - START_NS) / 1e9:.2f} s"]
    assert missed(full, told([event("other")]), LOSS)[1] == lines
    assert missed(full, told([event(at_ms=1600)]), LOSS)[1] == lines  # too late to matter


def test_what_nobody_left_sees_is_not_asked_for_nor_what_came_before() -> None:
    assert missed(told([event()]), told([], seen_by=()), LOSS) == (0, [])
    assert missed(told([event(at_ms=50)]), told([]), LOSS) == (0, [])
    far = told([event()])
    far.truths = [truth(at_ms, x_m=9.0) for at_ms in range(0, 3000, 50)]
    assert missed(far, told([]), LOSS) == (0, [])  # a track that stands for nothing


@pytest.mark.parametrize(
    ("centre_m", "yaw_deg", "who"),
    [
        ((6.0, 0.0), 90.0, "anna"),  # its face 1.4 m behind the track, both ends far away
        ((6.0, 5.0), 90.0, "anna"),
        ((10.6, 0.0), 0.0, "wall_1"),  # its end 0.1 m behind the track
        ((10.6, 0.0), 90.0, "anna"),
        ((7.5, 3.0), 45.0, "wall_1"),  # through the track
        ((7.5, 3.0), -45.0, "anna"),
    ],
)
def test_an_event_is_of_the_object_whose_edge_is_nearest(
    centre_m: tuple[float, float], yaw_deg: float, who: str
) -> None:
    place, size = np.array([*centre_m, 0.45]), np.array([12.0, 0.2, 0.9])
    wall = TrueObject("wall_1", "wall", place, math.radians(yaw_deg), size, np.zeros(3))
    full, lost = told([event()]), told([])
    (track,) = full.objects[0].objects
    track = replace(track, position_m=np.array([4.5, 0.0, 0.8]))  # 0.25 m behind anna
    full.objects = [replace(full.objects[0], objects=(track,))]
    for one in (full, lost):
        one.truths = [replace(each, objects=(*each.objects, wall)) for each in one.truths]
    asked, lines = missed(full, lost, LOSS)
    assert asked == len(lines) == (who == "anna")  # nobody is said to see a wall
    assert all(f" of {who} " in line for line in lines)


def test_an_alarm_is_of_that_sensor_and_not_from_before() -> None:
    def alarm(sensor: str, at_ms: int) -> SafetyEvent:
        message = f"'sensor_fusion: sensor {sensor}' is not well: silent."
        return event("lost", at_ms, kind="stale", message=message, track_id="")

    some = told([alarm("lidar", 50), alarm("top/lidar", 150), alarm("lidar", 600)])
    assert alarm_ns(some, "lidar", 100 * MS) == 600 * MS
    assert alarm_ns(some, "radar", 0) is None


def test_being_clear_without_coverage_is_counted() -> None:
    clear, unknown = SafetyLevel.CLEAR, SafetyLevel.UNKNOWN
    levels = [clear, clear, unknown, clear]
    one = Told(
        states=[SafetyStatus(level, 100 * i * MS) for i, level in enumerate(levels)],
        needed=[("way",), ("way",), ("way",), ()],
        uncovered=[(), ("way",), ("way",), ()],
    )
    assert clear_s(one) == pytest.approx(0.1)
    assert clear_s(one, {"way"}) == pytest.approx(0.2)
    assert clear_s(one, {"way"}, from_ns=150 * MS) == 0.0
    assert clear_s(one, {"behind"}) == 0.0


def test_which_zones_can_be_covered_follows_from_the_fields_of_view() -> None:
    rig = {sensor.name: sensor for sensor in load_rig("robot").sensors}
    zones = {
        "ahead": [(2.0, 0.5), (3.0, 0.5), (3.0, -0.5), (2.0, -0.5)],
        "behind": [(-2.0, 0.5), (-3.0, 0.5), (-3.0, -0.5), (-2.0, -0.5)],
    }
    assert uncoverable(list(rig.values()), zones, 0.8) == set()
    assert uncoverable([rig["camera"]], zones, 0.8) == {"behind"}
    assert uncoverable([rig["radar"], rig["odom"]], zones, 0.8) == {"ahead", "behind"}


def test_a_lost_sensor_is_cut_out_of_records_truth_and_expectations() -> None:
    zone = [[3.0, 1.0], [5.0, 1.0], [5.0, -1.0], [3.0, -1.0]]
    values = {
        "name": "s",
        "duration_s": 1.0,
        "rig": "robot",
        "zones": [{"name": "way", "level": "danger", "polygon_m": zone}],
        "expectations": [{"kind": "zone", "rule": "in_way", "zone": "way"}],
    }
    scenario = validate(Scenario, values, "s")

    def record(topic: str, at_ms: int, value: object) -> Record:
        return Record(topic, at_ms * MS, at_ms * MS, value)  # type: ignore[arg-type]

    records = [
        record("lidar/points", 40, None),
        record("odom", 60, None),
        record(TRUTH_TOPIC, 120, truth(120, seen_by=("lidar",))),
        record(EVENTS_TOPIC, 120, (event(),)),
        record("lidar/points", 140, None),
        record("odom", 160, None),
    ]
    left = without(scenario, records, LOSS)
    assert [(one.topic, one.arrival_ns // MS) for one in left] == [
        ("lidar/points", 40),
        ("odom", 60),
        (TRUTH_TOPIC, 120),
        ("odom", 160),
    ]
    assert left[2].value.objects[0].seen_by == ()  # type: ignore[union-attr]
    assert len(without(scenario, records, replace(LOSS, to_ns=110 * MS))) == len(records)
    assert [one.topic for one in without(scenario, records, Loss(("odom",), 0))].count(
        EVENTS_TOPIC
    ) == 1
    assert last_arrival_ns(records, "lidar", 100 * MS) == 40 * MS
    assert last_arrival_ns(records, "camera", 100 * MS) == 100 * MS


GOOD = sensor_loss.Outcome("parking", ("odom",), {"odom": 0.05}, 0.0, (), 0.0, 3, ())


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"overdue_s": {"odom": 0.2}}, "latest alarm"),
        ({"overdue_s": {"odom": math.nan}}, "latest alarm"),
        ({"clear_uncovered_s": 0.1}, "not covered"),
        ({"clear_bare_s": 0.1}, "nobody can cover"),
        ({"missed": ("way of anna at 2.00 s",)}, "events missed"),
    ],
)
def test_each_bar_fails_by_what_it_is_for(bad: dict[str, object], words: str) -> None:
    assert sensor_loss.result([GOOD]).ok
    found = sensor_loss.result([GOOD, replace(GOOD, **bad)])  # type: ignore[arg-type]
    (failed,) = [bar.name for bar in found.bars if not bar.ok]
    assert words in failed
    assert found.notes


def test_a_scene_of_which_no_event_is_asked_for_shows_nothing() -> None:
    empty = replace(GOOD, scenario="sensor_loss", asked=0)
    found = sensor_loss.result([GOOD, replace(GOOD, asked=0), empty])
    assert [bar.name for bar in found.bars if not bar.ok] == ["sensor_loss: events asked for"]


def test_every_sensor_of_the_scenarios_is_lost_alone() -> None:
    for name in sensor_loss.SCENES:
        alone = {loss[0] for loss in sensor_loss.losses_of(name) if len(loss) == 1}
        assert alone == {one.name for one in sensor_loss.load_scenario(name).sensors}
