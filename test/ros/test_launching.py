"""Processes and arguments of a system, and the launch file for real where it can run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.system import SystemDescription, load_system
from edge_mm_ros.ros import launching
from edge_mm_ros.ros.launching import (
    LaunchArguments,
    ProcessCommand,
    process_commands,
    process_environment,
    transport_environment,
)

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILE = ROOT / "launch" / "safety_monitor.launch.py"
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))


def commands(environ: dict[str, str] | None = None, **arguments: Any) -> list[ProcessCommand]:
    system = load_system("safety_monitor")
    return process_commands(system, "safety_monitor", LaunchArguments(**arguments), environ or {})


def test_each_process_runs_a_container_with_its_name() -> None:
    perception, voice = commands()
    system = str(ROOT / "config" / "systems" / "safety_monitor.yaml")
    assert perception.argv == (
        sys.executable,
        *("-m", "edge_mm_ros.nodes.container"),
        *("--system", system, "--process", "perception"),
    )
    assert voice.argv[-2:] == ("--process", "voice")
    assert (perception.name, voice.name) == ("perception", "voice")
    assert perception.respawn
    assert perception.command_line == (*perception.argv, "--ros-args", "--log-level", "info")


def test_arguments_reach_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for command in commands(
        params_file="mine.yaml",
        namespace="robot/left/",
        use_sim_time=True,
        log_level="debug",
        autostart=False,
    ):
        assert command.argv[-1] == "--no-autostart"
        assert command.command_line[len(command.argv) :] == (
            "--ros-args",
            *("-r", "__ns:=/robot/left"),
            *("--log-level", "debug"),
            *("--params-file", str(tmp_path / "mine.yaml")),
            *("-p", "use_sim_time:=true"),
        )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"params_file": "nowhere.yaml"}, r"params_file .*nowhere\.yaml: no such file"),
        ({"namespace": "a b"}, "namespace 'a b'"),
        ({"namespace": "1st"}, "namespace '1st'"),
        ({"log_level": "loud"}, "log_level 'loud' is none of debug, info"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        LaunchArguments(**arguments)


@pytest.mark.parametrize(
    "environ",
    [
        {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"},
        {"FASTRTPS_DEFAULT_PROFILES_FILE": "/my.xml"},
        {"FASTDDS_DEFAULT_PROFILES_FILE": "/my.xml"},
        {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"},
    ],
)
def test_the_users_own_transport_stays(environ: dict[str, str]) -> None:
    assert transport_environment(environ) == {}
    for command in commands(environ):
        assert command.env.get("FASTDDS_BUILTIN_TRANSPORTS") is None


@pytest.mark.parametrize("environ", [{}, {"RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}])
def test_otherwise_sockets_hold_a_picture(environ: dict[str, str]) -> None:
    for command in commands(environ):
        assert command.env["FASTDDS_BUILTIN_TRANSPORTS"] == "DEFAULT?sockets_size=4MB"


def test_the_systems_environment_wins_and_the_users_malloc_stays() -> None:
    system = validate(
        SystemDescription,
        {
            "name": "s",
            "processes": {
                "p": {
                    "nodes": [{"node": "sensor_fusion"}],
                    "env": {"RMW_IMPLEMENTATION": "rmw_zenoh_cpp", "MALLOC_TOP_PAD_": 1},
                    "respawn": False,
                    "respawn_delay_s": 3,
                }
            },
        },
        "",
    )
    env = process_environment(system.process("p"), {"MALLOC_TRIM_THRESHOLD_": "5"})
    assert env["RMW_IMPLEMENTATION"] == "rmw_zenoh_cpp"
    assert "FASTDDS_BUILTIN_TRANSPORTS" not in env
    assert env["MALLOC_TOP_PAD_"] == "1"
    assert "MALLOC_TRIM_THRESHOLD_" not in env
    assert int(env["MALLOC_MMAP_THRESHOLD_"]) > 1920 * 1080 * 3
    assert env["MALLOC_ARENA_MAX"] == "1"  # what a model leaves can then be given back


def test_there_is_a_launch_file_for_the_robot_the_vehicle_and_the_voice() -> None:
    assert [path.name for path in LAUNCH_FILES] == [
        "safety_monitor.launch.py",
        "vehicle_perception.launch.py",
        "voice_assistant.launch.py",
    ]


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_a_launch_file_is_thin(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 20


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_a_launch_file_starts_the_system_of_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        launching,
        "generate_launch_description",
        lambda *, default_system: asked.append(default_system),
    )
    values: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), values)
    values["generate_launch_description"]()
    assert asked == [path.name.removesuffix(".launch.py")]
    name = asked[0]
    commands = process_commands(load_system(name), name, LaunchArguments(), {})
    assert [command.argv[-1] for command in commands] == list(load_system(name).processes)


RUN_LAUNCH_FILE = f"""
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([GroupAction([
    PushRosNamespace("outer"),
    IncludeLaunchDescription(
        PythonLaunchDescriptionSource({str(LAUNCH_FILE)!r}),
        launch_arguments=[("system", sys.argv[1]), ("namespace", "inner")],
    ),
])]))
sys.exit(service.run())
"""


def test_the_launch_file_starts_the_system_and_starts_it_again(
    ros_graph: Any, tmp_path: Path
) -> None:
    pytest.importorskip("launch_ros", reason="needs launch_ros, which only a ROS installation has")
    from helpers.processes import LifecyclePeer, descendants

    system = tmp_path / "small.yaml"
    system.write_text(
        "name: small\nprocesses: {p: {nodes: [{node: sensor_fusion}]}}", encoding="utf-8"
    )
    domain = str(ros_graph.context.get_domain_id())
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_LAUNCH_FILE, str(system)],
        env={**os.environ, "ROS_DOMAIN_ID": domain, "ROS_LOG_DIR": str(tmp_path)},
    )
    try:
        peer = LifecyclePeer(ros_graph)
        peer.wait_for("/outer/inner/sensor_fusion", "active")
        (first,) = descendants(process.pid)
        os.kill(first, signal.SIGKILL)
        peer.wait_until(lambda: descendants(process.pid) not in ([], [first]), "a new process")
        peer.wait_for("/outer/inner/sensor_fusion", "active")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sensor_fusin: {ros__parameters: {max_range_m: 3.0}}", "unknown node 'sensor_fusin'"),
        ("/robot/sensor_fusin: {ros__parameters: {}}", "unknown node 'sensor_fusin'"),
        ("robot: {sensor_fusin: {ros__parameters: {}}}", "unknown node 'sensor_fusin'"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_parameter_file_for_a_node_that_is_not_there_is_refused(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    arguments = LaunchArguments(params_file=str(path))
    with pytest.raises(ParameterError, match=named):
        process_commands(load_system("safety_monitor"), "safety_monitor", arguments, {})


@pytest.mark.parametrize(
    "key", ["sensor_fusion", "/**", "/**/sensor_fusion", "/robot/sensor_fusion"]
)
def test_a_parameter_file_for_a_node_that_is_there_is_taken(tmp_path: Path, key: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{key}: {{ros__parameters: {{use_sim_time: true}}}}")
    arguments = LaunchArguments(params_file=str(path))
    commands = process_commands(load_system("safety_monitor"), "safety_monitor", arguments, {})
    assert all(str(path) in command.command_line for command in commands)


def test_launch_tells_a_wanted_restart_from_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    actions = ModuleType("launch.actions")
    actions.LogInfo = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "launch.actions", actions)
    crashed = SimpleNamespace(process_name="voice-1", returncode=-11)
    assert launching._say_why(crashed, None) == []
    wanted = SimpleNamespace(process_name="voice-1", returncode=75)
    (said,) = launching._say_why(wanted, None)
    assert said.msg.startswith("voice-1: asked to be started again")
