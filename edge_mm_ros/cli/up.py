"""``edge-mm up``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edge_mm_ros.cli.supervisor import Supervisor
from edge_mm_ros.params.system import load_system
from edge_mm_ros.ros.installation import require_ros
from edge_mm_ros.ros.launching import LaunchArguments, process_commands


def up(
    system: Annotated[str, typer.Argument(help="Name of a system, or path of its YAML file.")],
    params_file: Annotated[
        str, typer.Option(help="ROS parameter file; wins over the system's parameters.")
    ] = "",
    namespace: Annotated[str, typer.Option(help="Namespace of all nodes.")] = "",
    use_sim_time: Annotated[bool, typer.Option("--use-sim-time", help="Follow /clock.")] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warn, error or fatal.")] = "info",
    no_autostart: Annotated[
        bool, typer.Option("--no-autostart", help="Leave configure and activate to others.")
    ] = False,
) -> None:
    """Start a system's processes and keep them running until Ctrl-C or SIGTERM.

    A process that dies is started again. The exit status is 0 after a clean stop, 1 where a
    process had to be killed or ended for good with an error.
    """
    arguments = LaunchArguments(params_file, namespace, use_sim_time, log_level, not no_autostart)
    described = load_system(system)
    commands = process_commands(described, system, arguments, os.environ)
    require_ros()
    print(
        f"{described.name}: {len(described.nodes)} nodes in {len(commands)} processes; Ctrl-C ends",
        flush=True,
    )
    sys.exit(Supervisor(commands, os.environ, sys.stdout).run())
