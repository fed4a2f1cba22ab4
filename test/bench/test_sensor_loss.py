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
    uncoverable,
    without,
)
from edge_mm_ros.bench.loss_events import Comparison
from edge_mm_ros.bench.monitored_scene import Told
from edge_mm_ros.datatypes import (
    EventPhase,
    GroundTruth,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    TrueObject,
)
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.scenario_sensors import load_rig
from edge_mm_ros.pipelines.simulation import EVENTS_TOPIC, TRUTH_TOPIC, Record

MS = 1_000_000
LOSS = Loss(("lidar",), 100 * MS)


def alarm(sensor: str, at_ms: int) -> SafetyEvent:
    return SafetyEvent(
        f"lost-{at_ms}",
        EventPhase.STARTED,
        SafetyLevel.UNKNOWN,
        "lost",
        "stale",
        at_ms * MS,
        at_ms * MS,
        f"'sensor_fusion: sensor {sensor}' is not well: silent.",
    )


def truth(at_ms: int, seen_by: tuple[str, ...]) -> GroundTruth:
    size, place = np.array([0.5, 0.5, 1.7]), np.array([4.0, 0.0, 0.8])
    item = TrueObject("anna", "person", place, 0.0, size, np.zeros(3), seen_by)
    return GroundTruth((item,), at_ms * MS, "base_link")


def test_an_alarm_is_of_that_sensor_and_not_from_before() -> None:
    some = Told(events=[alarm("lidar", 50), alarm("top/lidar", 150), alarm("lidar", 600)])
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
        record(EVENTS_TOPIC, 120, (alarm("lidar", 120),)),
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


GOOD = sensor_loss.Outcome(
    "parking", ("odom",), {"odom": 0.05}, 0.0, ("behind",), 0.0, Comparison(3, (), ())
)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"overdue_s": {"odom": 0.2}}, "latest alarm"),
        ({"overdue_s": {"odom": math.nan}}, "latest alarm"),
        ({"clear_uncovered_s": 0.1}, "not covered"),
        ({"clear_bare_s": 0.1}, "nobody can cover"),
        ({"events": Comparison(3, ("way of anna at 2.00 s",), ())}, "events missed"),
    ],
)
def test_each_bar_fails_by_what_it_is_for(bad: dict[str, object], words: str) -> None:
    assert sensor_loss.result([GOOD]).ok
    found = sensor_loss.result([GOOD, replace(GOOD, **bad)])  # type: ignore[arg-type]
    (failed,) = [bar.name for bar in found.bars if not bar.ok]
    assert words in failed
    assert found.notes


def test_where_every_zone_can_be_covered_there_is_no_bar_on_those_that_cannot() -> None:
    for bare, bars in ((("behind",), 1), ((), 0)):
        found = sensor_loss.result([replace(GOOD, bare=()), replace(GOOD, bare=bare)])
        assert sum("nobody can cover" in bar.name for bar in found.bars) == bars


def test_what_is_told_late_is_counted_and_named() -> None:
    late = Comparison(3, (), ("way of anna at 2.00 s, by 1.50 s",))
    found = sensor_loss.result([replace(GOOD, events=late)])
    (count,) = [one.median for one in found.measures if "late" in one.name]
    assert count == 1.0
    assert found.notes == ("parking without odom: late way of anna at 2.00 s, by 1.50 s",)
    assert found.ok  # told, so not missed


def test_false_events_are_counted_and_named() -> None:
    lines = ("way of wall_1 at 3.00 s", "way of nothing at 4.00 s")
    bad = replace(GOOD, false_of_full=lines, false=lines[:1])
    found = sensor_loss.result([bad, bad])
    counts = {one.name: one.median for one in found.measures}
    assert counts["parking: false events of the full run"] == 2.0
    assert counts["parking: false events, of each run"] == 1.0
    assert found.notes == tuple(f"parking with all sensors: false {line}" for line in lines)
    assert found.ok  # they are not asked for, and no bar of this benchmark


def test_a_scene_of_which_no_event_is_asked_for_shows_nothing() -> None:
    empty = replace(GOOD, scenario="sensor_loss", events=Comparison(0, (), ()))
    found = sensor_loss.result([GOOD, replace(empty, scenario="parking"), empty])
    assert [bar.name for bar in found.bars if not bar.ok] == ["sensor_loss: events asked for"]


def test_every_sensor_of_the_scenarios_is_lost_alone() -> None:
    for name in sensor_loss.SCENES:
        alone = {loss[0] for loss in sensor_loss.losses_of(name) if len(loss) == 1}
        assert alone == {one.name for one in sensor_loss.load_scenario(name).sensors}
