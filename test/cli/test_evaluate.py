"""``edge-mm evaluate``: figures of recordings whose errors are known, and of the real fusion."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("radar_msgs")

from rclpy.serialization import serialize_message

from edge_mm_ros.cli.main import main
from edge_mm_ros.datatypes import EventPhase, GroundTruth, Object3D, Objects
from edge_mm_ros.ros.bags import BagReader, BagWriter
from edge_mm_ros.ros.conversions.ground_truth import truth_from_msgs, truth_sources_to_msg
from edge_mm_ros.ros.conversions.objects import objects_to_msg
from edge_mm_ros.ros.conversions.safety import events_from_msg, events_to_msg
from edge_mm_ros.ros.messages import deserialize, message_type_name

SCENARIO: dict[str, Any] = {
    "name": "short",
    "duration_s": 4.0,
    "rig": "robot",
    "actors": [
        {
            "name": "walker",
            "kind": "person",
            "path": [{"t_s": 0.0, "xy_m": [6.5, 1.0]}, {"t_s": 4.0, "xy_m": [4.5, -1.0]}],
        },
        {"name": "stander", "kind": "person", "path": [{"t_s": 0.0, "xy_m": [8.0, 2.0]}]},
    ],
    "zones": [
        {
            "name": "way",
            "level": "danger",
            "polygon_m": [[0.5, 1.5], [6, 1.5], [6, -1.5], [0.5, -1.5]],
        }
    ],
    "expectations": [{"kind": "zone", "rule": "object_in_way", "zone": "way"}],
}
OFFSET_M = np.array([0.3, 0.0, 0.0])
SLOWER_MPS = np.array([0.0, 0.25, 0.0])


def run(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated recording."""
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "short.yaml").write_text(yaml.safe_dump(SCENARIO), encoding="utf-8")
    assert run("simulate", folder / "short.yaml", "--output", folder / "scene.mcap") == 0
    return folder / "scene.mcap"


def messages(path: Path, topic: str) -> list[Any]:
    return [deserialize(m.cdr, m.msg_type) for m in BagReader(path) if m.topic == topic]


def truths(scene: Path) -> list[GroundTruth]:
    pairs = zip(
        messages(scene, "/ground_truth/objects"), messages(scene, "/ground_truth/objects/sources")
    )
    return [truth_from_msgs(*pair) for pair in pairs]


def write_objects(path: Path, scene: Path, *, with_events: bool = True) -> Path:
    """Objects 0.3 m too far, and events 0.25 s too late, with a false track after 2 s."""
    with BagWriter(path) as writer:

        def put(topic: str, stamp_ns: int, message: Any) -> None:
            writer.add_topic(topic, message_type_name(type(message)))
            writer.write(topic, stamp_ns, serialize_message(message))

        for index, truth in enumerate(truths(scene)):
            wrong = {9: np.array([3.0, 6.0, 0.9])} if 40 <= index < 50 else {}
            objects = tuple(
                Object3D(
                    f"track_{number}",
                    item.label,
                    0.9,
                    item.position_m + OFFSET_M,
                    item.size_m,
                    np.diag([0.01, 0.04, 0.04]),
                    ("lidar",),
                )
                for number, item in enumerate(truth.objects)
            ) + tuple(
                Object3D(f"track_{number}", "person", 0.5, place, np.ones(3), np.eye(3), ())
                for number, place in wrong.items()
            )
            told = Objects(objects, truth.stamp_ns, "base_link")
            put("/robot/objects", truth.stamp_ns, objects_to_msg(told))
            renamed = tuple(
                replace(item, name=f"track_{n}", velocity_mps=item.velocity_mps + SLOWER_MPS)
                for n, item in enumerate(truth.objects)
            )
            sources = truth_sources_to_msg(replace(truth, objects=renamed))
            put("/robot/objects/sources", truth.stamp_ns, sources)
        for message in messages(scene, "/ground_truth/events") if with_events else ():
            late = [
                replace(event, stamp_ns=event.stamp_ns + 250_000_000, track_id="track_0")
                for event in events_from_msg(message)
                if event.phase is EventPhase.STARTED
            ]
            put("/safety/events", late[0].stamp_ns, events_to_msg(late, late[0].stamp_ns))
    return path


def test_known_errors_give_known_figures(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = write_objects(tmp_path / "out.mcap", scene)
    result = tmp_path / "deep" / "figures.json"
    assert run("evaluate", recording, "--truth", scene, "--json", result) == 0
    figures = json.loads(result.read_text(encoding="utf-8"))
    assert figures["frames"] == 80
    assert figures["clear"]["motp_m"] == pytest.approx(0.3)
    assert figures["clear"]["misses"] == figures["clear"]["switches"] == 0
    assert figures["clear"]["false_positives"] == 10
    assert figures["clear"]["mota"] == pytest.approx(1 - 10 / figures["clear"]["objects"])
    assert figures["position_rms_m"] == pytest.approx(0.3)
    assert figures["velocity_rms_mps"] == pytest.approx(0.25, abs=1e-3)
    assert figures["false_alarms_per_minute"] == pytest.approx(60.0 / 4.0)
    # 0.3 m with a standard deviation of 0.1 m: 3 of them, outside of the ellipse.
    assert figures["consistency"]["mean_nees"] == pytest.approx(9.0)
    assert figures["consistency"]["inside_share"] == 0.0
    assert figures["never_found"] == []
    (outcome,) = figures["events"]["outcomes"]
    assert outcome["delay_s"] == pytest.approx(0.25)
    assert (figures["events"]["missed"], figures["events"]["late"]) == (0, 0)
    printed = capsys.readouterr().out
    for name in ("GOSPA", "HOTA", "MOTA", "NEES", "id switches", "walker", "object_in_way"):
        assert name in printed


def test_a_recording_without_safety_events_is_scored_without_them(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = write_objects(tmp_path / "out.mcap", scene, with_events=False)
    assert run("evaluate", recording, "--truth", scene) == 0
    assert "none were recorded" in capsys.readouterr().out


def test_a_recording_without_objects_is_refused_with_the_mend(
    scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", scene) == 1
    printed = capsys.readouterr().err
    assert "no topic objects of vision_msgs/msg/Detection3DArray" in printed
    assert "edge-mm replay" in printed
    assert printed.count("\n") == 1


def test_a_recording_without_truth_is_refused_with_the_mend(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = write_objects(tmp_path / "out.mcap", scene)
    assert run("evaluate", recording) == 1
    printed = capsys.readouterr().err
    assert "no topic ground_truth/objects" in printed
    assert "--truth" in printed


def test_recordings_of_different_times_are_refused(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagWriter(tmp_path / "old.mcap") as writer:
        writer.add_topic("/objects", "vision_msgs/msg/Detection3DArray")
        objects = objects_to_msg(Objects((), 5, "base_link"))
        writer.write("/objects", 5, serialize_message(objects))
    assert run("evaluate", tmp_path / "old.mcap", "--truth", scene) == 1
    assert "do not overlap in time" in capsys.readouterr().err


def test_a_file_that_is_no_recording_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", tmp_path / "nothing.mcap") == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.timeout(300)
def test_a_simulated_scene_goes_through_the_fusion_and_is_scored(
    scene: Path, tmp_path: Path
) -> None:
    output, result = tmp_path / "out.mcap", tmp_path / "figures.json"
    system = ("--system", "simulated", "--rate", "max")
    assert run("replay", scene, *system, "--output", output) == 0
    assert run("evaluate", output, "--truth", scene, "--json", result) == 0
    figures = json.loads(result.read_text(encoding="utf-8"))
    assert figures["never_found"] == []
    assert figures["clear"]["mota"] > 0.5
    assert figures["position_rms_m"] < 0.5
    assert figures["events"]["missed"] == 0
