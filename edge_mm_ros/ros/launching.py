"""From a system to the commands of its processes, for ``ros2 launch`` and ``edge-mm up`` alike."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.share import find_config
from edge_mm_ros.params.system import ProcessDescription, SystemDescription, load_system

# EX_TEMPFAIL of sysexits.h. With it a process asks to be started again: a hung engine cannot be
# removed from it, but nothing crashed.
RESTART_STATUS = 75
RESTART_REASON = "asked to be started again (an engine hangs; its log says which)"

LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")

# Fast DDS's own sockets hold less than one VGA picture: half of them are lost, and reliable ones
# wait for a repetition. Unlike LARGE_DATA, this still talks to processes that set nothing.
TRANSPORT = {"FASTDDS_BUILTIN_TRANSPORTS": "DEFAULT?sockets_size=4MB"}
OWN_TRANSPORT_SETTINGS = (
    "FASTDDS_BUILTIN_TRANSPORTS",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
)

# Without the first three, glibc asks the kernel for each picture's memory and gives it back at
# once. Without the last, each engine's threads leave up to 64 MB in arenas of their own, which
# malloc_trim cannot give back, whenever a model is loaded again.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
    "MALLOC_ARENA_MAX": "1",
}

_NAMESPACE = re.compile(r"^/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*/?$")


@dataclass(frozen=True)
class LaunchArguments:
    """What the user may say when a system starts.

    Attributes:
        params_file: a ROS parameter file that wins over the system's parameters; empty: none.
        namespace: in which all nodes lie; empty: none.
        use_sim_time: whether nodes follow ``/clock``.
        log_level: one of `LOG_LEVELS`, or ROS's ``logger:=level``.
        autostart: whether nodes become active by themselves.
    """

    params_file: str = ""
    namespace: str = ""
    use_sim_time: bool = False
    log_level: str = "info"
    autostart: bool = True

    def __post_init__(self) -> None:
        if self.params_file:
            path = Path(self.params_file).expanduser().resolve()
            if not path.is_file():
                raise ParameterError(f"params_file {path}: no such file")
            object.__setattr__(self, "params_file", str(path))
        if self.namespace.strip("/") and not _NAMESPACE.match(self.namespace):
            raise ParameterError(f"namespace '{self.namespace}' is not a ROS namespace")
        if self.log_level.rpartition(":=")[2].lower() not in LOG_LEVELS:
            raise ParameterError(f"log_level '{self.log_level}' is none of {', '.join(LOG_LEVELS)}")


@dataclass(frozen=True)
class ProcessCommand:
    """How one process of a system is started.

    Attributes:
        name: the process's name in the system.
        argv: the program and its own arguments.
        ros_arguments: what follows ``--ros-args``, without the namespace.
        namespace: of all its nodes, absolute; empty: none.
        env: environment variables besides those of the parent.
        respawn: whether it is started again when it ends.
        respawn_delay_s: wait before that, seconds.
    """

    name: str
    argv: tuple[str, ...]
    ros_arguments: tuple[str, ...] = ()
    namespace: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    respawn: bool = True
    respawn_delay_s: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "env", MappingProxyType(dict(self.env)))

    @property
    def command_line(self) -> tuple[str, ...]:
        """Program and all arguments."""
        namespace = ("-r", f"__ns:={self.namespace}") if self.namespace else ()
        return (*self.argv, "--ros-args", *namespace, *self.ros_arguments)


def transport_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Transport settings to add; none where the user chose some, or another middleware."""
    middleware = environ.get("RMW_IMPLEMENTATION", "")
    if middleware and not middleware.startswith("rmw_fastrtps"):
        return {}
    if any(environ.get(name) for name in OWN_TRANSPORT_SETTINGS):
        return {}
    return dict(TRANSPORT)


def process_environment(process: ProcessDescription, environ: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that a process gets besides those of its parent.

    The system's own win; what the user has set stays.
    """
    added = transport_environment({**environ, **process.env})
    added.update({name: value for name, value in MALLOC.items() if name not in environ})
    added["PYTHONUNBUFFERED"] = "1"
    added.update(process.env)
    return added


def process_commands(
    system: SystemDescription,
    source: str,
    arguments: LaunchArguments,
    environ: Mapping[str, str],
) -> list[ProcessCommand]:
    """The processes of a system, in its order.

    Args:
        system: the system.
        source: name or path from which each process reads the system itself.
        arguments: what the user said.
        environ: the environment that the processes inherit.

    Raises:
        ParameterError: `source` is neither.
    """
    path = str(find_config("systems", source).resolve())
    if arguments.params_file:
        _refuse_unknown_nodes(Path(arguments.params_file), system)
    stem = arguments.namespace.strip("/")
    ros_arguments = ["--log-level", arguments.log_level]
    if arguments.params_file:
        ros_arguments += ["--params-file", arguments.params_file]
    if arguments.use_sim_time:
        ros_arguments += ["-p", "use_sim_time:=true"]
    commands = []
    for name, process in system.processes.items():
        argv = [sys.executable, "-m", "edge_mm_ros.nodes.container"]
        argv += ["--system", path, "--process", name]
        if not arguments.autostart:
            argv.append("--no-autostart")
        commands.append(
            ProcessCommand(
                name,
                tuple(argv),
                tuple(ros_arguments),
                f"/{stem}" if stem else "",
                process_environment(process, environ),
                process.respawn,
                process.respawn_delay_s,
            )
        )
    return commands


def _refuse_unknown_nodes(params_file: Path, system: SystemDescription) -> None:
    """ROS silently ignores the parameters of a node that is not there, a misspelt one too."""
    try:
        content = yaml.safe_load(params_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"params_file {params_file}: cannot be read: {error}") from error
    known = [node.name for node in system.nodes]
    for name in _node_names(content):
        if name.strip("*") and name not in known:
            raise ParameterError(
                f"params_file {params_file}: unknown node '{name}'; system '{system.name}' has: "
                f"{', '.join(known)}"
            )


def _node_names(content: Any, parents: str = "") -> Iterator[str]:
    """The last part of each key above ``ros__parameters``; namespaces may be nested mappings."""
    if isinstance(content, Mapping):
        for key, inner in content.items():
            if key == "ros__parameters":
                yield parents.rsplit("/", 1)[-1]
            else:
                yield from _node_names(inner, f"{parents}/{key}")


def generate_launch_description(default_system: str) -> Any:
    """A ``launch.LaunchDescription`` that starts a system; other launch files can include it."""
    from launch.actions import DeclareLaunchArgument, OpaqueFunction

    from launch import LaunchDescription

    declared = [
        ("system", default_system, "Name of a system that ships, or path of its YAML file."),
        ("params_file", "", "ROS parameter file; wins over the system's parameters."),
        ("namespace", "", "Namespace of all nodes."),
        ("use_sim_time", "false", "Follow /clock: true or false."),
        ("log_level", "info", f"Level of the nodes' logs: {', '.join(LOG_LEVELS)}."),
        ("autostart", "true", "Configure and activate the nodes: true or false."),
    ]
    return LaunchDescription(
        [
            DeclareLaunchArgument(name, default_value=value, description=text)
            for name, value, text in declared
        ]
        + [OpaqueFunction(function=_start_processes)]
    )


def _start_processes(context: Any) -> list[Any]:
    from launch_ros.actions import Node

    given = context.launch_configurations
    commands = process_commands(
        load_system(given["system"]),
        given["system"],
        LaunchArguments(
            given["params_file"],
            given["namespace"],
            _truth(given, "use_sim_time"),
            given["log_level"],
            _truth(given, "autostart"),
        ),
        os.environ,
    )
    return [
        Node(
            executable=command.argv[0],
            arguments=list(command.argv[1:]),
            ros_arguments=list(command.ros_arguments),
            namespace=command.namespace.lstrip("/"),  # relative, below a pushed namespace
            exec_name=command.name,
            additional_env=dict(command.env),
            respawn=command.respawn,
            respawn_delay=command.respawn_delay_s,
            on_exit=_say_why,
            output="screen",
            sigterm_timeout="3",
            sigkill_timeout="2",
        )
        for command in commands
    ]


def _say_why(event: Any, _context: Any) -> list[Any]:
    """Tell a process that asked to be started again from one that crashed."""
    if event.returncode != RESTART_STATUS:
        return []
    from launch.actions import LogInfo

    return [LogInfo(msg=f"{event.process_name}: {RESTART_REASON}")]


def _truth(given: Mapping[str, str], name: str) -> bool:
    value = given[name].lower()
    if value not in {"true", "false"}:
        raise ParameterError(f"launch argument {name}:={given[name]}: give true or false")
    return value == "true"
