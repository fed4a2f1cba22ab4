"""Systems as real processes: up, killed and up again, and down."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray
from helpers.processes import LifecyclePeer, Program, pid_of

from edge_mm_ros.ros import shared_memory
from edge_mm_ros.ros.qos import RELIABLE

# Models are loaded several times, on machines of any speed.
pytestmark = pytest.mark.timeout(300)

PERCEPTION = ("/object_detector", "/sensor_fusion", "/safety_monitor")
VOICE = ("/speech_transcriber", "/event_summarizer")
SMALL = "name: small\nprocesses: {one: {nodes: [{node: sensor_fusion}], respawn_delay_s: 0}}\n"


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A system of one node that loads no model."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return str(path)


def test_a_killed_process_comes_back_and_leaves_the_other_alone(ros_graph: Any) -> None:
    peer = LifecyclePeer(ros_graph)
    reports = ros_graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)

    def last_report_of_safety() -> int:
        stamps = [
            report.header.stamp.sec * 1_000_000_000 + report.header.stamp.nanosec
            for report in reports
            if report.status and report.status[0].hardware_id == "/safety_monitor"
        ]
        return stamps[-1] if stamps else 0

    with Program(ros_graph, "edge_mm_ros.cli.main", "up", "safety_monitor") as up:
        for node in PERCEPTION + VOICE:
            peer.wait_for(node, "active")
        perception = pid_of(up.process.pid, "perception")
        voice = pid_of(up.process.pid, "voice")
        assert perception is not None
        assert voice is not None

        os.kill(voice, signal.SIGKILL)
        killed_ns = time.time_ns()
        peer.wait_until(lambda: last_report_of_safety() > killed_ns, "safety goes on")
        peer.wait_until(lambda: pid_of(up.process.pid, "voice") not in (None, voice), "new voice")
        for node in VOICE:
            peer.wait_for(node, "active")
        assert pid_of(up.process.pid, "perception") == perception
        assert [peer.state(node) for node in PERCEPTION] == ["active"] * 3

        locks = shared_memory.locks_of(perception)
        os.kill(perception, signal.SIGKILL)
        peer.wait_until(
            lambda: pid_of(up.process.pid, "perception") not in (None, perception), "new perception"
        )
        for node in PERCEPTION:
            peer.wait_for(node, "active")

        status, took_s, output = up.stop(signal.SIGTERM)
    assert took_s < 3.0
    assert status == 0, output
    assert "[edge-mm] voice: ended by SIGKILL" in output
    assert "[edge-mm] perception: starts again in 1 s" in output
    segments = [lock for lock in locks if "port" not in lock.name]  # ports are named by domain
    assert segments
    assert not any(lock.exists() for lock in segments)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_container_stops_cleanly_in_time(
    ros_graph: Any, small: str, number: signal.Signals
) -> None:
    arguments = ("--system", small, "--process", "one")
    with Program(ros_graph, "edge_mm_ros.nodes.container", *arguments) as container:
        LifecyclePeer(ros_graph).wait_for("/sensor_fusion", "active")
        status, took_s, output = container.stop(number)
    assert status == 0, output
    assert took_s < 3.0
    assert "Traceback" not in output


def test_without_autostart_a_node_waits_for_its_transitions(ros_graph: Any, small: str) -> None:
    arguments = ("up", small, "--no-autostart", "--namespace", "robot")
    with Program(ros_graph, "edge_mm_ros.cli.main", *arguments) as up:
        peer = LifecyclePeer(ros_graph)
        peer.wait_for("/robot/sensor_fusion", "unconfigured")
        status, took_s, output = up.stop(signal.SIGINT)
    assert status == 0, output
    assert took_s < 3.0


def test_a_single_node_waits_unless_it_is_told_to_start(ros_graph: Any) -> None:
    peer = LifecyclePeer(ros_graph)
    for arguments, state in (((), "unconfigured"), (("--autostart",), "active")):
        named = (*arguments, "--ros-args", "-r", f"__node:={state}_node")
        with Program(ros_graph, "edge_mm_ros.nodes.sensor_fusion", *named) as program:
            peer.wait_for(f"/{state}_node", state)
            status, took_s, output = program.stop(signal.SIGTERM)
        assert status == 0, output
        assert took_s < 3.0


def test_a_model_file_put_right_later_works(ros_graph: Any, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    path = tmp_path / "late.yaml"
    nodes = (
        f"[{{node: sensor_fusion}}, {{node: safety_monitor, parameters: {{rules_file: {rules}}}}}]"
    )
    path.write_text(f"name: late\nprocesses: {{one: {{nodes: {nodes}}}}}", encoding="utf-8")
    with Program(ros_graph, "edge_mm_ros.cli.main", "up", str(path)) as up:
        peer = LifecyclePeer(ros_graph)
        peer.wait_for("/sensor_fusion", "active")  # not kept back by the other
        peer.wait_for("/safety_monitor", "unconfigured")
        rules.write_text(
            "rules: [{name: near, kind: minimum_distance, level: danger, distance_m: 1.0}]",
            encoding="utf-8",
        )
        peer.wait_for("/safety_monitor", "active")
        _, _, output = up.stop(signal.SIGINT)
    failures = [line for line in output.splitlines() if "configure:" in line]
    assert 1 <= len(failures) <= 2
    assert str(rules) in failures[0]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--system", "nowhere", "--process", "one"), "no systems named 'nowhere'"),
        (("--system", "safety_monitor", "--process", "ears"), "no process 'ears'"),
        (
            ("--system", "safety_monitor", "--process", "voice", "--ros-args", "-p"),
            "Failed to parse ROS arguments",
        ),
    ],
)
def test_a_wrong_start_is_one_line(ros_graph: Any, arguments: tuple[str, ...], named: str) -> None:
    with Program(ros_graph, "edge_mm_ros.nodes.container", *arguments) as container:
        output, _ = container.process.communicate(timeout=30)
    assert container.process.returncode == 2
    assert named in output
    assert len(output.splitlines()) == 1
