"""``edge-mm simulate``: a recording of standard messages, the same again by the same seed."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("radar_msgs")

from edge_mm_ros.cli.main import main
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.conversions.camera_info import calibration_from_msg
from edge_mm_ros.ros.conversions.detections import detections_from_msg
from edge_mm_ros.ros.conversions.ground_truth import truth_from_msgs
from edge_mm_ros.ros.conversions.point_clouds import cloud_from_msg
from edge_mm_ros.ros.conversions.radar_scans import radar_scan_from_msg
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.messages import deserialize

SCENARIO: dict[str, Any] = {
    "name": "short",
    "duration_s": 1.0,
    "rig": "robot",
    "actors": [
        {
            "name": "walker",
            "kind": "person",
            "path": [{"t_s": 0.0, "xy_m": [6.0, 1.0]}, {"t_s": 1.0, "xy_m": [6.0, 0.0]}],
        }
    ],
}
TYPES = {
    "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
    "/camera/detections": "vision_msgs/msg/Detection2DArray",
    "/lidar/points": "sensor_msgs/msg/PointCloud2",
    "/radar/scan": "radar_msgs/msg/RadarScan",
    "/ultrasonic/front_left/range": "sensor_msgs/msg/Range",
    "/odom": "nav_msgs/msg/Odometry",
    "/ground_truth/objects": "vision_msgs/msg/Detection3DArray",
    "/ground_truth/objects/sources": "diagnostic_msgs/msg/DiagnosticArray",
    "/ground_truth/scenario": "std_msgs/msg/String",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulate")
    (folder / "short.yaml").write_text(yaml.safe_dump(SCENARIO), encoding="utf-8")
    for name, seed in (("first", 7), ("again", 7), ("other", 8)):
        run("simulate", folder / "short.yaml", "--output", folder / f"{name}.mcap", "--seed", seed)
    return folder


def run(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def digests(path: Path) -> list[tuple[str, int, str]]:
    return [(m.topic, m.stamp_ns, hashlib.sha256(m.cdr).hexdigest()) for m in BagReader(path)]


def messages(path: Path, topic: str) -> list[Any]:
    return [deserialize(m.cdr, m.msg_type) for m in BagReader(path) if m.topic == topic]


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(folder: Path) -> None:
    first = digests(folder / "first.mcap")
    assert first == digests(folder / "again.mcap")
    assert first != digests(folder / "other.mcap")


def test_every_sensor_has_its_standard_messages(folder: Path) -> None:
    bag = BagReader(folder / "first.mcap")
    assert TYPES.items() <= bag.topics.items()
    counts = Counter(message.topic for message in bag)
    assert counts["/lidar/points"] == counts["/camera/detections"] == 10
    assert counts["/radar/scan"] == 15
    assert counts["/odom"] == 50
    assert counts["/ground_truth/objects"] == counts["/ground_truth/objects/sources"] == 20


def test_messages_are_recorded_when_they_arrive_and_stamped_when_they_were_taken(
    folder: Path,
) -> None:
    recorded = [m for m in BagReader(folder / "first.mcap") if m.topic == "/camera/detections"]
    for message in recorded:
        stamp_ns = to_ns(deserialize(message.cdr, message.msg_type).header.stamp)
        assert 0.08 <= (message.stamp_ns - stamp_ns) / 1e9 <= 0.10


def test_the_messages_hold_the_scene(folder: Path) -> None:
    path = folder / "first.mcap"
    infos = messages(path, "/camera/camera_info")
    assert calibration_from_msg(infos[0]).width == 1280
    found = [detections_from_msg(m) for m in messages(path, "/camera/detections")]
    assert sum("person" in one.labels for one in found) >= 8
    cloud = cloud_from_msg(messages(path, "/lidar/points")[0]).points_m
    near = (abs(cloud[:, 0] - 5.75) < 0.5) & (abs(cloud[:, 1] - 1.0) < 0.5) & (cloud[:, 2] > -1.2)
    assert near.sum() >= 5
    scans = [radar_scan_from_msg(m) for m in messages(path, "/radar/scan")]
    assert sum(abs(scan.range_m - 5.6).min(initial=99.0) < 0.6 for scan in scans) >= 10


def test_the_truth_is_there_with_velocities_and_who_sees_it(folder: Path) -> None:
    path = folder / "first.mcap"
    pairs = zip(
        messages(path, "/ground_truth/objects"), messages(path, "/ground_truth/objects/sources")
    )
    truths = [truth_from_msgs(*pair) for pair in pairs]
    walker = truths[10].objects[0]
    assert walker.position_m == pytest.approx([6.0, 0.5, 0.875])
    assert walker.velocity_mps == pytest.approx([0.0, -1.0, 0.0])
    assert {"camera", "lidar"} <= set(walker.seen_by)


def test_the_recording_holds_its_own_scenario(folder: Path) -> None:
    (text,) = messages(folder / "first.mcap", "/ground_truth/scenario")
    assert '"name":"walker"' in text.data


def test_without_a_name_it_lists_the_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("simulate") == 0
    printed = capsys.readouterr().out
    assert "crossing_pedestrians" in printed
    assert "sensor_loss" in printed


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"weather": "nice"}, "unknown key 'weather'"),
        ({"actors": [{"name": "a", "kind": "person"}]}, "missing key 'actors.0.path'"),
        (
            {"sensors": [{"kind": "radar", "name": "camera", "place": {"xyz_m": [0, 0, 1]}}]},
            "sensor camera is defined more than once",
        ),
        ({"sensors": [{"kind": "radar", "name": "r"}]}, "sensor 'r' looks nowhere"),
        ({"duration_s": -3}, "duration_s"),
    ],
)
def test_a_scenario_that_cannot_be_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, Any], told: str
) -> None:
    path, output = tmp_path / "bad.yaml", tmp_path / "out.mcap"
    path.write_text(yaml.safe_dump({**SCENARIO, **changed}), encoding="utf-8")
    assert run("simulate", path, "--output", output) == 2
    printed = capsys.readouterr().err
    assert str(path) in printed
    assert told in printed
    assert printed.count("\n") == 1
    assert not output.exists()


def test_wrong_arguments_are_told(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("simulate", "fog") == 2
    assert "--output is missing" in capsys.readouterr().err
    assert run("simulate", "moon", "--output", tmp_path / "o.mcap") == 2
    assert "there are: crossing_pedestrians" in capsys.readouterr().err
    assert run("simulate", "fog", "--output", folder / "first.mcap") == 2
    assert "exists already" in capsys.readouterr().err
