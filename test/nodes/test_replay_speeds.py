"""Must show 6: a recording replayed at any speed gives the same tracks, message for message."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("radar_msgs")
pytest.importorskip("vision_msgs")

from edge_mm_ros.bench.scene_feed import SceneFeed
from edge_mm_ros.cli.simulate import write_recording
from edge_mm_ros.datatypes import Objects
from edge_mm_ros.nodes.replaying import replay_system
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.scenario_sensors import load_rig
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.params.system import load_system
from edge_mm_ros.pipelines.simulation import START_NS, Simulator
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.conversions.objects import objects_from_msg
from edge_mm_ros.ros.replay import Published, ReplayResult

pytestmark = pytest.mark.timeout(300)

DURATION_S = 4.0
TOPICS = ("/objects", "/objects/sources", "/coverage")


class Run:
    """One replay: what it did, and the messages of each topic."""

    def __init__(self, recording: Path, rate: float | None) -> None:
        self.messages: dict[str, list[Any]] = defaultdict(list)
        self.result: ReplayResult = replay_system(
            load_system("simulated"), BagReader(recording), rate=rate, on_published=self._take
        )

    def _take(self, published: Published) -> None:
        if published.topic in TOPICS:
            self.messages[published.topic].append(published.message())

    @property
    def objects(self) -> list[Objects]:
        return [objects_from_msg(message) for message in self.messages["/objects"]]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """Two people whose ways cross, while the LiDAR is frozen and odometry is lost for a time."""
    sensors: list[dict[str, Any]] = [one.model_dump() for one in load_rig("robot").sensors]
    for sensor in sensors:
        if sensor["kind"] == "lidar":
            sensor["columns"] = 240  # for speed
    ways = {"left": ((4.0, 2.0), (5.0, -2.0)), "right": ((5.0, -2.5), (4.0, 2.0))}
    values = {
        "name": "short",
        "duration_s": DURATION_S,
        "sensors": sensors,
        "robot": {"path": [{"t_s": 0.0, "xy_m": [0, 0]}, {"t_s": DURATION_S, "xy_m": [1.5, 0]}]},
        "actors": [
            {
                "name": name,
                "kind": "person",
                "path": [{"t_s": 0.0, "xy_m": begin}, {"t_s": DURATION_S, "xy_m": end}],
            }
            for name, (begin, end) in ways.items()
        ],
        "outages": [
            {"sensor": "lidar", "kind": "frozen", "from_s": 1.0, "to_s": 1.9},
            {"sensor": "odom", "kind": "silent", "from_s": 2.5, "to_s": 3.2},
        ],
    }
    return validate(Scenario, values, "short")


@pytest.fixture(scope="module")
def recording(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speeds") / "scene.mcap"
    write_recording(scenario, path, 0)
    return path


@pytest.fixture(scope="module")
def lockstep(recording: Path) -> Run:
    return Run(recording, None)


def test_the_lockstep_replay_follows_both_people(lockstep: Run) -> None:
    last = lockstep.objects[-1]
    assert last.stamp_ns > START_NS + (DURATION_S - 0.2) * 1e9
    assert {"1", "2"} <= {item.track_id for item in last.objects if item.label == "person"}
    assert lockstep.result.dropped == {}


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0])
def test_a_timed_replay_gives_the_objects_of_lockstep(
    recording: Path, lockstep: Run, rate: float
) -> None:
    timed = Run(recording, rate)
    assert timed.result.dropped == {}
    assert timed.result.wall_s >= DURATION_S / rate
    for topic in TOPICS:
        assert timed.messages[topic] == lockstep.messages[topic], topic


def test_the_scene_in_process_gives_the_same_objects(scenario: Scenario, lockstep: Run) -> None:
    node = next(n for n in load_system("simulated").nodes if n.node == "sensor_fusion")
    told: list[Objects] = []
    feed = SceneFeed(
        validate(SensorFusionParams, node.parameters, "simulated"), {}, on_objects=told.append
    )
    for record in Simulator(scenario, 0).records():
        feed.take(record)
    assert [one.stamp_ns for one in told] == [one.stamp_ns for one in lockstep.objects]
    for one, other in zip(told, lockstep.objects, strict=True):
        assert [o.track_id for o in one.objects] == [o.track_id for o in other.objects]
        for ours, theirs in zip(one.objects, other.objects, strict=True):
            # Messages carry ranges and Doppler as 32-bit numbers.
            assert ours.position_m == pytest.approx(theirs.position_m, abs=2e-3)
