"""Systems as real processes: up, killed and up again, and down."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from fakes.scripted_backend import write_manifest
from fakes.scripted_detector import HANG_FILE, install_in_other_processes
from helpers.processes import LifecyclePeer, Program, pid_of
from sensor_msgs.msg import Image as RawImage
from vision_msgs.msg import Detection2DArray

from edge_mm_ros.datatypes import Image
from edge_mm_ros.ros import shared_memory
from edge_mm_ros.ros.conversions.images import image_to_msg
from edge_mm_ros.ros.launching import RESTART_STATUS
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
    assert locks
    assert not any(lock.exists() for lock in locks)


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


class CatSystem:
    """A detector in a process of its own, over an engine that hangs in native code on order."""

    def __init__(self, graph: Any, folder: Path, **process: str) -> None:
        write_manifest(folder, "cats", chain="['fake:cpu']", deadline_s="0.2")
        node = "{node: object_detector, parameters: {model: cats}}"
        keys = "".join(f", {key}: {value}" for key, value in process.items())
        self.path = folder / "cats_system.yaml"
        self.path.write_text(
            f"name: cats\nprocesses: {{one: {{nodes: [{node}], respawn_delay_s: 0{keys}}}}}\n"
        )
        self.environ = {**install_in_other_processes(folder), "EDGE_MM_MODELS": str(folder)}
        self._graph = graph
        self._pictures = graph.publisher(RawImage, "camera/image_raw", RELIABLE)
        self.detections = graph.collect(Detection2DArray, "camera/detections", RELIABLE)

    def order_hang(self) -> None:
        Path(self.environ[HANG_FILE]).touch()

    def show_pictures_until(self, condition: Callable[[], bool], what: str) -> None:
        message = image_to_msg(Image(np.zeros((64, 64, 3), np.uint8), 1, "lens"))

        def shown() -> bool:
            self._pictures.publish(message)
            return condition()

        self._graph.spin_until(shown, timeout_s=60, what=what)


def test_a_process_with_a_hung_engine_ends_with_a_status_of_its_own(
    ros_graph: Any, tmp_path: Path
) -> None:
    system = CatSystem(ros_graph, tmp_path)
    arguments = ("--system", str(system.path), "--process", "one")
    with Program(
        ros_graph, "edge_mm_ros.nodes.container", *arguments, **system.environ
    ) as container:
        LifecyclePeer(ros_graph).wait_for("/object_detector", "active")
        system.show_pictures_until(lambda: bool(system.detections), "detections")
        system.order_hang()
        system.show_pictures_until(lambda: container.process.poll() is not None, "it ends")
        output, _ = container.process.communicate(timeout=5)
    assert container.process.returncode == RESTART_STATUS == 75, output
    assert "this process must start again: the engine of cats does not return" in output


def test_a_process_that_asks_to_be_started_again_is_no_crash(
    ros_graph: Any, tmp_path: Path
) -> None:
    system = CatSystem(ros_graph, tmp_path)
    arguments = ("up", str(system.path))
    with Program(ros_graph, "edge_mm_ros.cli.main", *arguments, **system.environ) as up:
        peer = LifecyclePeer(ros_graph)
        peer.wait_for("/object_detector", "active")
        first = pid_of(up.process.pid, "one")
        system.order_hang()
        system.show_pictures_until(
            lambda: pid_of(up.process.pid, "one") not in (None, first), "a new process"
        )
        peer.wait_for("/object_detector", "active")
        system.detections.clear()
        system.show_pictures_until(lambda: bool(system.detections), "detections again")
        status, _, output = up.stop(signal.SIGINT)
    assert status == 0, output
    assert "[edge-mm] one: asked to be started again (an engine hangs" in output
    assert "ended with status" not in output


def test_a_process_has_the_home_of_models_that_its_system_describes(
    ros_graph: Any, tmp_path: Path
) -> None:
    system = CatSystem(ros_graph, tmp_path, runtime="{memory_bytes: 1}")
    arguments = ("--system", str(system.path), "--process", "one")
    with Program(
        ros_graph, "edge_mm_ros.nodes.container", *arguments, **system.environ
    ) as container:
        lines = iter(container.process.stdout or ())
        refusal = next(line for line in lines if "configure:" in line)
    assert "does not fit into 0 MB" in refusal


def test_a_single_node_takes_its_settings_from_a_file(ros_graph: Any, tmp_path: Path) -> None:
    file = tmp_path / "runtime.yaml"
    file.write_text("{memory_bites: 1}", encoding="utf-8")
    for arguments, environ in (
        (("--runtime", str(file)), {}),
        ((), {"EDGE_MM_RUNTIME": str(file)}),
    ):
        with Program(
            ros_graph, "edge_mm_ros.nodes.object_detector", *arguments, **environ
        ) as program:
            output, _ = program.process.communicate(timeout=30)
        assert program.process.returncode == 2
        assert f"{file}: unknown key 'memory_bites'" in output
        assert len(output.splitlines()) == 1
