"""Must show 4: every sensor removed in turn is told in time, and no zone is covered by nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes.scenes import actor, scenario_of
from fakes.watched_scene import WatchedScene, params_of

from edge_mm_ros.datatypes import SensorFault
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.watched_fusion import WatchedFusion
from edge_mm_ros.pipelines.simulation import Record, Simulator

TIMEOUT_S = 0.5
IN_TIME_S = TIMEOUT_S + 0.1
LATENCY_S = 0.15  # longest way of a message, from its capture to its arrival
QUIET: dict[str, dict[str, Any]] = {
    "camera": {
        "kind": "camera",
        "name": "camera",
        "place": {"xyz_m": [0.2, 0.0, 1.2], "rpy_rad": [0.0, 0.08, 0.0]},
        "delay_s": 0.08,
    },
    "lidar": {
        "kind": "lidar",
        "name": "lidar",
        "phase_s": 0.03,
        "columns": 240,
        "place": {"xyz_m": [0.0, 0.0, 1.4]},
        "delay_s": 0.02,
    },
    "radar": {"kind": "radar", "name": "radar", "place": {"xyz_m": [0.3, 0.0, 0.6]}},
    "laser": {
        "kind": "laser",
        "name": "laser",
        "beams": 181,
        "field_of_view_rad": 1.2,
        "place": {"xyz_m": [-0.3, 0.0, 0.2], "rpy_rad": [0.0, 0.0, 3.14159]},
    },
    "left": {
        "kind": "ultrasonic",
        "name": "left",
        "place": {"xyz_m": [0.0, 0.3, 0.4], "rpy_rad": [0.0, 0.0, 1.5708]},
    },
    "odom": {"kind": "odometry", "name": "odom", "rate_hz": 20.0},
}
ZONES = [
    {"name": "ahead", "polygon_m": [[3.6, 1.5], [6.0, 1.5], [6.0, -1.5], [3.6, -1.5]]},
    {"name": "behind", "polygon_m": [[-3.0, 0.6], [-1.8, 0.6], [-1.8, -0.6], [-3.0, -0.6]]},
    {"name": "left_near", "polygon_m": [[-0.2, 1.2], [0.2, 1.2], [0.2, 2.4], [-0.2, 2.4]]},
    {"name": "right_near", "polygon_m": [[-0.2, -1.2], [0.2, -1.2], [0.2, -2.4], [-0.2, -2.4]]},
]
"""By whom each can be covered: camera or LiDAR, laser, left, nobody."""
OUTAGES = [
    ("camera", "silent", 1.5, 2.4),
    ("lidar", "silent", 3.1, 4.0),
    ("lidar", "frozen", 4.7, 5.6),
    ("radar", "silent", 6.3, 7.2),
    ("laser", "silent", 7.9, 8.8),
    ("left", "silent", 9.5, 10.4),
    ("odom", "silent", 11.1, 12.0),
]
RECOVER_S = 0.3
LAST_S = 12.6


def scene(duration_s: float, *outages: tuple[str, str, float, float], **more: Any) -> Scenario:
    return scenario_of(
        actor("walker", "person", *[(7.0, 2.0 - 0.4 * (t % 10)) for t in range(20)]),
        actor("stander", "person", (5.0, -2.8)),
        duration_s=duration_s,
        sensors=list(QUIET.values()),
        walls=[
            {"from_m": [14.0, -8.0], "to_m": [14.0, 8.0]},
            {"from_m": [-6.0, -4.0], "to_m": [-6.0, 4.0]},
        ],
        outages=[
            {"sensor": name, "kind": kind, "from_s": begin, "to_s": end}
            for name, kind, begin, end in outages
        ],
        zones=[{"level": "danger", **zone} for zone in ZONES],
        **more,
    )


@pytest.fixture(scope="module")
def played() -> WatchedScene:
    """Each sensor removed in turn, and then all at once: the recording ends."""
    more = {"watch": {"recover_s": RECOVER_S}}
    return WatchedScene(scene(LAST_S, *OUTAGES), more).play(until_s=LAST_S + 2.0)


@pytest.mark.parametrize(
    ("sensor", "kind", "begin_s", "end_s"), OUTAGES, ids=[f"{o[0]} {o[1]}" for o in OUTAGES]
)
def test_each_fault_is_told_in_time_and_named(
    played: WatchedScene, sensor: str, kind: str, begin_s: float, end_s: float
) -> None:
    told = [(at, fault) for at, fault in played.fault_times(sensor) if begin_s <= at < end_s + 0.6]
    assert [fault for _, fault in told] == [kind, "none"]
    assert begin_s < told[0][0] <= begin_s + IN_TIME_S
    # Taken back once it was well for `recover_s`.
    assert end_s + RECOVER_S - 1e-6 <= told[1][0] <= end_s + RECOVER_S + 0.1 + LATENCY_S
    (state,) = [s for at, s in played.faults if s.sensor == sensor and at == told[0][0]]
    assert ("restart its driver" if kind == "frozen" else "connected") in state.message


def test_no_other_fault_is_told(played: WatchedScene) -> None:
    faults = [(at, s.sensor) for at, s in played.faults if s.fault is not SensorFault.NONE]
    during = [
        (at, name)
        for at, name in faults
        for sensor, _, begin, end in OUTAGES
        if sensor == name and begin <= at < end
    ]
    assert [item for item in faults if item[0] < LAST_S] == during
    assert {name for at, name in faults if at >= LAST_S} == set(QUIET)


def test_when_all_sensors_stop_all_are_told_and_no_zone_is_covered(played: WatchedScene) -> None:
    for name in QUIET:
        at_s = next(at for at, fault in played.fault_times(name) if at >= LAST_S and fault)
        assert at_s <= LAST_S + IN_TIME_S
    after = [item for at, item in played.coverages if at > LAST_S + IN_TIME_S]
    assert len(after) >= 6  # told although nothing is heard
    for coverage in after:
        for zone in coverage.zones:
            assert (zone.covered, zone.seen_share, dict(zone.sensors)) == (False, 0.0, {})


def test_a_zone_is_covered_only_while_a_sensor_that_covers_it_is_well(
    played: WatchedScene,
) -> None:
    by = {"ahead": {"camera", "lidar"}, "behind": {"laser"}, "left_near": {"left"}}
    for zone, able in by.items():
        told = [(at, item.of(zone)) for at, item in played.coverages]
        for at, entry in told:
            assert entry is not None
            # One whose outage has lasted for longer than its timeout cannot cover.
            out = {
                name
                for name, _, begin, end in OUTAGES
                if begin + IN_TIME_S < at < end + RECOVER_S - 1e-6
            }
            assert not out & set(entry.sensors)
            if able <= out:
                assert not entry.covered
        assert any(entry is not None and entry.covered for _, entry in told)
    assert not any(played.covered("right_near", 0.0, LAST_S + 2.0))


def test_a_zone_is_lost_with_its_only_sensor_and_not_with_others(played: WatchedScene) -> None:
    lost = {"behind": (7.9, 8.8), "left_near": (9.5, 10.4)}
    for zone, (begin, end) in lost.items():
        assert all(played.covered(zone, 1.2, begin + 0.4)), "whatever else fails"
        assert not any(played.covered(zone, begin + IN_TIME_S, end))
        assert all(played.covered(zone, end + 1.1, LAST_S))
        entry = next(c.of(zone) for at, c in played.coverages if at > begin + IN_TIME_S)
        assert entry is not None
        assert entry.missing == ("laser",) if zone == "behind" else ("left",)
    assert all(played.covered("ahead", 1.2, LAST_S))  # camera and LiDAR cover it alone, too


def test_a_frozen_sensor_is_left_out_of_the_fusion(played: WatchedScene) -> None:
    refused = {at for at, topic, kind in played.refused if kind == "sensor_frozen"}
    assert refused
    assert all(4.7 + 0.3 < at < 5.6 + RECOVER_S + 0.1 + LATENCY_S for at in refused)


def test_replay_gives_the_same() -> None:
    def run() -> tuple[list[Any], list[Any]]:
        done = WatchedScene(scene(1.5, ("lidar", "silent", 0.5, 1.2))).play()
        return done.faults, [(at, c) for at, c in done.coverages]

    assert run() == run()


def test_what_is_told_does_not_depend_on_when_the_clock_is_looked_at() -> None:
    scenario = scene(2.0, ("lidar", "frozen", 0.4, 1.3), ("left", "silent", 0.6, 1.6))
    records = list(Simulator(scenario).records())

    def run(looks: int) -> WatchedScene:
        """Besides the ticks, so many more between any two arrivals."""
        played = WatchedScene(scenario)
        for before, record in itertools.pairwise([records[0], *records]):
            gap_ns = record.arrival_ns - before.arrival_ns
            for part in range(1, looks + 1):
                played.look_at(before.arrival_ns + gap_ns * part // (looks + 1))
            played.play([record])
        return played

    once, often = run(0), run(3)
    assert {state.fault.value for _, state in once.faults} >= {"frozen", "silent", "none"}
    assert [state for _, state in once.faults] == [state for _, state in often.faults]
    assert [told for _, told in once.coverages] == [told for _, told in often.coverages]
    for one, other in zip(once.objects, often.objects, strict=True):
        assert one[1].stamp_ns == other[1].stamp_ns
        assert [(o.track_id, *o.position_m) for o in one[1].objects] == [
            (o.track_id, *o.position_m) for o in other[1].objects
        ]


def test_a_blind_camera_is_found_by_what_the_others_see_and_covers_nothing() -> None:
    played = WatchedScene(scene(2.2, ("camera", "blind", 1.2, 2.2))).play()
    at_s, fault = played.fault_times("camera")[-1]
    assert fault == "disagrees"
    assert 1.2 < at_s <= 1.2 + IN_TIME_S + LATENCY_S
    entry = played.coverages[-1][1].of("ahead")
    assert entry is not None
    assert "camera" not in entry.sensors
    assert "camera" in entry.missing


@pytest.mark.parametrize("sensor", ["radar", "left"])
def test_a_sensor_that_hears_nothing_of_what_the_others_see_is_found(sensor: str) -> None:
    """A radar and an ultrasonic sensor go on in time, and hold nothing."""
    begin_s = 1.2
    scenario = scenario_of(
        actor("beside", "obstacle", (0.2, 3.0), size_m=[0.8, 0.6, 1.2]),
        actor("walker", "person", *[(7.0, 1.0 - 0.2 * t) for t in range(5)]),
        duration_s=3.0,
        sensors=list(QUIET.values()),
        walls=[{"from_m": [14.0, -8.0], "to_m": [14.0, 8.0]}],
        outages=[{"sensor": sensor, "kind": "blind", "from_s": begin_s, "to_s": 3.0}],
    )
    played = WatchedScene(scenario).play()
    told = played.fault_times(sensor)
    assert [fault for _, fault in told] == ["none", "disagrees"]
    assert begin_s < told[-1][0] <= begin_s + IN_TIME_S + LATENCY_S
    message = next(s for _, s in reversed(played.faults) if s.sensor == sensor).message
    assert "others see objects" in message
    for other in {"radar", "left", "lidar", "camera"} - {sensor}:
        assert "disagrees" not in {fault for _, fault in played.fault_times(other)}


def test_a_clock_that_runs_behind_is_found_and_left_out() -> None:
    scenario = scene(2.0)
    records = [
        replace(
            record,
            stamp_ns=record.stamp_ns - 5 * 10**9,
            value=replace(record.value, stamp_ns=record.stamp_ns - 5 * 10**9),  # type: ignore
        )
        if record.topic == "lidar/points" and record.stamp_ns > 1_700_000_001 * 10**9
        else record
        for record in Simulator(scenario).records()
    ]
    played = WatchedScene(scenario).play(records)
    at_s, fault = played.fault_times("lidar")[-1]
    assert fault == "stamps"
    assert at_s <= 1.0 + IN_TIME_S + LATENCY_S
    assert "clock" in next(s for _, s in reversed(played.faults) if s.sensor == "lidar").message


def test_a_turned_mounting_is_found_and_named() -> None:
    turned = {**QUIET["radar"], "place_error": {"rpy_rad": [0.0, 0.0, -0.3]}}
    sensors = [turned if one["name"] == "radar" else one for one in QUIET.values()]
    played = WatchedScene(
        scene(3.0).model_copy(update={"sensors": scenario_of(sensors=sensors).sensors})
    ).play()
    fault = played.fault_times("radar")[-1][1]
    assert fault == "disagrees"
    assert ("radar/scan", "sensor_disagrees") in {(t, k) for _, t, k in played.refused}
    message = next(s for _, s in reversed(played.faults) if s.sensor == "radar").message
    assert "rad to the left" in message  # it sits turned to the right, so all seems to the left
    assert [f for _, f in played.fault_times("camera")] == ["none"]
    assert [f for _, f in played.fault_times("lidar")] == ["none"]


def test_a_camera_without_calibration_covers_nothing() -> None:
    scenario = scene(1.5, ("lidar", "silent", 0.0, 1.5))
    records = [r for r in Simulator(scenario).records() if r.topic != "camera/camera_info"]
    played = WatchedScene(scenario).play(records)
    assert not any(played.covered("ahead", 0.0, 2.0))
    assert np.isfinite(played.now_s)


def test_one_name_for_two_sensors_is_refused() -> None:
    with pytest.raises(ValueError, match="left"):
        WatchedScene(scene(1.0), {"lasers": ["left"], "laser_mounting": {}})


def test_a_view_of_a_stranger_is_refused() -> None:
    with pytest.raises(ValueError, match="radar_view names other"):
        WatchedScene(scene(1.0), {"radar_view": {"other": {"max_range_m": 5.0}}})


def test_the_two_sensors_of_a_depth_camera_are_told_apart() -> None:
    params = SensorFusionParams(cameras=("front",), lidars=("front",), radars=("radar",))
    states = WatchedFusion(params, {}, lambda: 1).states()
    assert [state.sensor for state in states] == ["camera:front", "lidar:front", "radar"]


def test_a_radar_covers_what_is_promised() -> None:
    promised = {"radar_view": {"radar": {"field_of_view_rad": 1.4, "max_range_m": 20.0}}}
    for more, shares in ((promised, {"radar"}), ({}, set())):
        outages = [(name, "silent", 0.0, 1.0) for name in ("camera", "lidar", "laser", "left")]
        told = WatchedScene(scene(1.0, *outages), more).play().coverages[-1][1].of("ahead")
        assert told is not None
        assert (set(told.sensors), told.covered) == (shares, bool(shares))


FAR = {"name": "far", "level": "danger", "polygon_m": [[8.5, 1], [12, 1], [12, -1], [8.5, -1]]}


def far_scene(*nearer: dict[str, Any], duration_s: float = 1.5) -> Scenario:
    """Somebody stands in a zone that begins beyond the robot's way, before a wall."""
    return scenario_of(
        actor("far", "person", (10.0, 0.0)),
        *nearer,
        duration_s=duration_s,
        sensors=[QUIET["lidar"], QUIET["left"]],
        walls=[{"from_m": [14.0, -8.0], "to_m": [14.0, 8.0]}],
        zones=[FAR],
    )


def told_in_far_zone(played: WatchedScene) -> int:
    """How many objects were told there at last."""
    objects = played.objects[-1][1].objects
    return sum(8.5 < o.position_m[0] < 12.0 and abs(o.position_m[1]) < 1.0 for o in objects)


def test_what_stands_in_a_zone_beyond_the_way_is_told() -> None:
    scenario = far_scene()
    played = WatchedScene(scenario).play()
    assert told_in_far_zone(played) == 1
    assert played.covered("far", 1.3, 1.5) == [True, True]
    changed = WatchedScene(scenario)
    changed.watched.params = params_of(scenario, obstacles={"ahead_m": 1.0})
    assert told_in_far_zone(changed.play()) == 1


def test_what_is_further_than_is_placed_is_not_covered() -> None:
    played = WatchedScene(far_scene(), {"max_range_m": 9.0}).play()
    assert told_in_far_zone(played) == 0
    assert not any(played.covered("far", 0.0, 1.5))


def test_a_zone_is_not_covered_beyond_what_max_objects_leaves_out() -> None:
    scenario = far_scene(actor("near", "person", (5.0, 2.0)))
    for most, covered in ((1, False), (2, True)):
        played = WatchedScene(scenario, {"obstacles": {"max_objects": most}}).play()
        assert told_in_far_zone(played) == covered
        assert any(played.covered("far", 0.0, 1.5)) is covered


def delayed(records: Iterable[Record], topic: str, late: Callable[[int], bool]) -> list[Record]:
    """The records with those of a topic 0.8 s later, by the number that each has among them."""
    numbers = itertools.count()
    told = [
        replace(one, arrival_ns=one.arrival_ns + 800_000_000)
        if one.topic == topic and late(next(numbers))
        else one
        for one in records
    ]
    return sorted(told, key=lambda one: one.arrival_ns)


def test_a_sensor_that_comes_too_late_covers_nothing_and_is_named_with_the_mend() -> None:
    scenario = far_scene(duration_s=3.0)
    timing = {"sensor_timing": {"lidar": {"timeout_s": 1.2}}}
    records = delayed(Simulator(scenario).records(), "lidar/points", lambda number: True)
    played = WatchedScene(scenario, timing).play(records)
    assert {kind for _, topic, kind in played.refused if topic == "lidar/points"} >= {"late"}
    assert not any(played.covered("far", 0.0, 4.0))
    assert [fault for _, fault in played.fault_times("lidar")] == ["none", "stamps"]
    message = next(s for _, s in reversed(played.faults) if s.sensor == "lidar").message
    assert "raise tracking.horizon_s or lower its latency" in message

    mended = WatchedScene(scenario, {**timing, "tracking": {"horizon_s": 1.5}}).play(records)
    assert all(mended.covered("far", 2.2, 3.0))
    assert [fault for _, fault in mended.fault_times("lidar")] == ["none"]
    assert told_in_far_zone(mended) == 1


def test_one_measurement_that_comes_too_late_is_no_fault_and_uncovers_nothing() -> None:
    scenario = far_scene(duration_s=2.5)
    records = delayed(Simulator(scenario).records(), "lidar/points", lambda number: number == 9)
    played = WatchedScene(scenario).play(records)
    assert [kind for _, topic, kind in played.refused if topic == "lidar/points"] == ["late"]
    assert [fault for _, fault in played.fault_times("lidar")] == ["none"]
    assert all(played.covered("far", 1.2, 2.5))
