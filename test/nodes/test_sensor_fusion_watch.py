"""The fusion node with failing sensors: a simulated recording through it, in lockstep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.scenes import actor, scenario_of

pytest.importorskip("rclpy")
pytest.importorskip("radar_msgs")
pytest.importorskip("vision_msgs")

from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter

from edge_mm_ros.cli.simulate import write_recording
from edge_mm_ros.datatypes import Coverage, SensorState
from edge_mm_ros.nodes.replaying import replay_system
from edge_mm_ros.nodes.sensor_fusion import SensorFusionNode
from edge_mm_ros.params.system import load_system
from edge_mm_ros.pipelines.simulation import START_NS
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.conversions.coverage import coverage_from_msg
from edge_mm_ros.ros.conversions.sensor_states import sensor_state_from_status
from edge_mm_ros.ros.replay import Published

IN_TIME_S = 0.5 + 0.1
LIDAR_PLACE = {"xyz_m": [0.0, 0.0, 1.4], "rpy_rad": [0.0, 0.0, 0.0]}
LEFT_PLACE = {"xyz_m": [0.0, 0.3, 0.4], "rpy_rad": [0.0, 0.0, 1.5708]}
RULES = """
zones:
  - {name: ahead, level: danger, polygon_m: [[3.6, 1.5], [6.0, 1.5], [6.0, -1.5], [3.6, -1.5]]}
  - {name: left, level: danger, polygon_m: [[-0.2, 1.2], [0.2, 1.2], [0.2, 2.4], [-0.2, 2.4]]}
rules:
  - {name: object_ahead, kind: zone, zone: ahead}
"""


class Heard:
    """What the node published, with the simulated time in seconds from the begin."""

    def __init__(self) -> None:
        self.coverages: list[tuple[float, Coverage]] = []
        self.states: list[tuple[float, SensorState]] = []
        self.grids: list[tuple[float, Any]] = []

    def take(self, published: Published) -> None:
        at_s = (published.stamp_ns - START_NS) / 1e9
        if published.topic == "/coverage":
            self.coverages.append((at_s, coverage_from_msg(published.message())))
        elif published.topic == "/free_space":
            self.grids.append((at_s, published.message()))
        elif published.topic == "/diagnostics":
            for status in published.message().status:
                state = sensor_state_from_status(status)
                if state is not None:
                    self.states.append((at_s, state))

    def first(self, sensor: str, fault: str, after_s: float) -> float:
        return next(
            at
            for at, state in self.states
            if at >= after_s and state.sensor == sensor and state.fault.value == fault
        )

    def covered(self, zone: str, from_s: float, to_s: float) -> set[bool]:
        told = [c.of(zone) for at, c in self.coverages if from_s <= at < to_s]
        assert told
        return {entry is not None and entry.covered for entry in told}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """The LiDAR is silent from 1.5 to 2.5 s; the recording, and with it all, ends at 4.0 s."""
    folder = tmp_path_factory.mktemp("watch")
    lidar = {"kind": "lidar", "name": "lidar", "columns": 240, "place": LIDAR_PLACE}
    left = {"kind": "ultrasonic", "name": "left", "place": LEFT_PLACE}
    laser = {"kind": "laser", "name": "laser", "beams": 31, "place": {"xyz_m": [0.3, 0.0, 0.2]}}
    scenario = scenario_of(
        actor("stander", "person", (9.0, 1.5)),
        duration_s=4.0,
        truth_rate_hz=1.0,
        sensors=[lidar, left, laser],
        outages=[{"sensor": "lidar", "kind": "silent", "from_s": 1.5, "to_s": 2.5}],
    )
    write_recording(scenario, folder / "scene.mcap", 0)
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    parameters = {
        "lidars": ["lidar"],
        "ultrasonics": ["left"],
        "lasers": ["laser"],
        "lidar_mounting": {"lidar": LIDAR_PLACE},
        "ultrasonic_mounting": {"left": LEFT_PLACE},
        "zones_file": str(folder / "rules.yaml"),
        "watch": {"recover_s": 0.3},
    }
    system = {
        "name": "watched",
        "processes": {"one": {"nodes": [{"node": "sensor_fusion", "parameters": parameters}]}},
    }
    (folder / "system.yaml").write_text(json.dumps(system), encoding="utf-8")
    found = Heard()
    replay_system(
        load_system(str(folder / "system.yaml")),
        BagReader(folder / "scene.mcap"),
        on_published=found.take,
    )
    return found


def test_a_silent_sensor_is_told_in_time_and_taken_back(heard: Heard) -> None:
    assert 1.5 < heard.first("lidar", "silent", 1.0) <= 1.5 + IN_TIME_S
    assert 2.8 <= heard.first("lidar", "none", 2.5) <= 3.0
    assert {s.fault.value for at, s in heard.states if s.sensor == "left" and at < 4.4} == {"none"}
    assert 0.5 < heard.first("camera", "silent", 0.0) <= IN_TIME_S  # never heard at all


def test_a_sensor_without_a_place_is_named_and_sees_nothing(heard: Heard) -> None:
    at_s = heard.first("laser", "silent", 0.0)
    assert at_s <= IN_TIME_S
    message = next(s.message for at, s in heard.states if at == at_s and s.sensor == "laser")
    assert "no mounting in the parameters" in message
    assert not any("laser" in zone.sensors for _, c in heard.coverages for zone in c.zones)


def test_a_zone_is_covered_only_while_its_sensor_is_heard(heard: Heard) -> None:
    assert heard.covered("ahead", 1.2, 1.5) == {True}
    assert heard.covered("ahead", 1.5 + IN_TIME_S, 2.5) == {False}
    assert heard.covered("ahead", 3.6, 4.0) == {True}
    assert heard.covered("left", 1.2, 4.0) == {True}
    entry = next(c.of("ahead") for at, c in heard.coverages if at > 1.5 + IN_TIME_S)
    assert entry is not None
    assert entry.missing == ("camera", "laser", "lidar")  # two were never of use


def test_coverage_goes_on_while_nothing_is_heard(heard: Heard) -> None:
    # A replay ends half a second after its last message; clock steps are 0.1 s.
    times = [at for at, _ in heard.coverages if at >= 4.0]
    assert len(times) >= 2
    gaps = [after - before for (before, _), (after, _) in zip(heard.coverages, heard.coverages[1:])]
    assert max(gaps) <= 0.3


def test_the_grid_is_published_while_somebody_listens(heard: Heard) -> None:
    at_s, grid = heard.grids[-1]
    assert at_s > 3.5
    assert (grid.header.frame_id, grid.info.width) == ("base_link", 100)
    assert set(grid.data) == {-1, 0, 100}


@pytest.mark.parametrize(
    ("rules", "words"),
    [("zones: [", "not valid YAML"), ("robot_frame: odom\n" + RULES, "'odom'")],
    ids=["broken", "another frame"],
)
def test_a_file_of_zones_that_cannot_be_used_is_refused_by_configure(
    ros_graph: Any, tmp_path: Path, rules: str, words: str
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rules, encoding="utf-8")
    node = SensorFusionNode(
        context=ros_graph.context,
        parameter_overrides=[Parameter("zones_file", value=str(path))],
    )
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert words in node.last_error
