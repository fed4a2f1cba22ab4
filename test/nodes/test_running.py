"""What reaches the nodes of a system: its parameters and remappings, and the user's over them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.context import Context
from rclpy.logging import get_logger_effective_level

from edge_mm_ros.nodes.replaying import replay_system
from edge_mm_ros.nodes.running import node_class, node_factory, system_arguments
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.node_kinds import NODE_KINDS
from edge_mm_ros.params.share import sample_recording
from edge_mm_ros.params.system import NodeDescription, SystemDescription
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.replay import ReplayError


def fusion(**parameters: Any) -> NodeDescription:
    values = {
        "node": "sensor_fusion",
        "name": "front",
        "remappings": {"objects": "things"},
        "parameters": parameters,
    }
    return validate(NodeDescription, values, "")


def values_of(
    node: NodeDescription, names: Sequence[str], arguments: Sequence[str] = ()
) -> tuple[list[Any], str]:
    """The node's parameters, and where its topic ``objects`` leads."""
    context = Context()
    with system_arguments([node], ["program", *arguments]) as argv:
        rclpy.init(args=argv, context=context, domain_id=1 + os.getpid() % 100)
    made = node_factory(node)(None, context)  # type: ignore[arg-type]
    try:
        return (
            [made.get_parameter(name).value for name in names],
            made.resolve_topic_name("objects"),
        )
    finally:
        made.destroy_node()
        context.try_shutdown()


@pytest.mark.parametrize("kind", NODE_KINDS)
def test_every_kind_of_node_has_a_class(kind: Any) -> None:
    assert issubclass(node_class(kind), EdgeNode)


def test_the_systems_parameters_and_remappings_reach_the_node() -> None:
    node = fusion(
        robot_frame="12",  # stays a text
        cameras=["a", "no"],
        max_range_m=7,
        camera_mounting={"a": {"xyz_m": [0, 0, 1], "rpy_rad": [0, 0, 0]}},
    )
    names = ["robot_frame", "cameras", "max_range_m", "camera_mounting.a.xyz_m"]
    for namespace, topic in (((), "/things"), (("-r", "__ns:=/robot"), "/robot/things")):
        values, objects = values_of(node, names, ["--ros-args", *namespace])
        assert [list(v) if not isinstance(v, str | float) else v for v in values] == [
            "12",
            ["a", "no"],
            7.0,
            [0.0, 0.0, 1.0],
        ]
        assert objects == topic


@pytest.mark.parametrize("key", ["/**", "front", "/front", "/**/front"])
def test_the_users_parameter_file_wins(tmp_path: Path, key: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"{key}: {{ros__parameters: {{max_range_m: 5.0}}}}", encoding="utf-8")
    node = fusion(max_range_m=7.0, coast_s=3.0)
    values, _ = values_of(
        node, ["max_range_m", "coast_s"], ["--ros-args", "--params-file", str(file)]
    )
    assert values == [5.0, 3.0]


def test_within_the_users_file_the_more_special_key_wins(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "/**: {ros__parameters: {max_range_m: 1.0}}\n"
        "/**/front: {ros__parameters: {max_range_m: 2.0}}\n",
        encoding="utf-8",
    )
    values, _ = values_of(
        fusion(max_range_m=7.0), ["max_range_m"], ["--ros-args", "--params-file", str(file)]
    )
    assert values == [2.0]


def test_the_users_single_parameter_and_remapping_win() -> None:
    values, objects = values_of(
        fusion(max_range_m=7.0),
        ["max_range_m"],
        ["--ros-args", "-p", "max_range_m:=5.0", "-r", "objects:=mine"],
    )
    assert values == [5.0]
    assert objects == "/mine"


def test_a_node_without_parameters_needs_no_file() -> None:
    with system_arguments([fusion()], ["program", "--own"]) as argv:
        assert argv == [
            *("program", "--ros-args", "--", "--own"),
            *("--ros-args", "-r", "front:objects:=things"),
        ]


def test_the_parameter_file_does_not_stay() -> None:
    with system_arguments([fusion(max_range_m=7.0)]) as argv:
        file = Path(argv[argv.index("--params-file") + 1])
        assert file.is_file()
    assert not file.exists()


def test_a_replay_keeps_to_the_settings_of_each_process() -> None:
    nodes = [{"node": "object_detector", "parameters": {"transport": "compressed"}}]
    processes = {
        "still": {"nodes": [{"node": "sensor_fusion"}]},
        "eyes": {"nodes": nodes, "runtime": {"memory_bytes": 1}},
    }
    system = validate(SystemDescription, {"name": "s", "processes": processes}, "")
    level_before = get_logger_effective_level("")
    with pytest.raises(ReplayError, match="does not fit into 0 MB"):
        replay_system(system, BagReader(sample_recording()), log_level="fatal")
    assert get_logger_effective_level("") == level_before
