"""A recording through the nodes of a system, all in this process and apart from every other graph.

The nodes of all processes share one context, so that a replay knows when each is at rest, but each
process of the system keeps a home of models of its own, with its own settings. The nodes'
participant discovers nobody, so that a replay on a robot does not speak into its live graph.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rclpy.context import Context
from rclpy.logging import get_logger_effective_level, set_logger_level

from edge_mm_ros.nodes.models import default_model_host
from edge_mm_ros.nodes.running import node_factory, system_arguments
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.system import SystemDescription
from edge_mm_ros.ros.bags import BagMessage, BagReader, BagWriter
from edge_mm_ros.ros.replay import Published, Replay, ReplayResult

DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def replay_system(
    system: SystemDescription,
    bag: BagReader,
    *,
    rate: float | None = None,
    writer: BagWriter | None = None,
    params_file: Path | None = None,
    log_level: str = "warn",
    on_fed: Callable[[BagMessage, float], None] | None = None,
    on_published: Callable[[Published], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ReplayResult:
    """Replay a recording through a system.

    Args:
        system: whose nodes to run.
        bag: the recording.
        rate: speed relative to real time; None for as fast as possible, without loss.
        writer: takes what the nodes publish.
        params_file: a ROS parameter file that wins over the system's parameters.
        log_level: of the nodes' logs.
        on_fed: told of each message fed, with its time of `time.perf_counter`.
        on_published: told of each message that a node published.
        should_stop: asked before each message; True ends the replay early.

    Raises:
        ReplayError: a node refused a transition, or the nodes did not come to rest.
    """
    arguments = ["", "--ros-args", "-p", "use_sim_time:=true", "--log-level", log_level]
    if params_file is not None:
        arguments += ["--params-file", str(params_file)]
    hosts = {
        name: default_model_host(process.runtime) for name, process in system.processes.items()
    }
    context = Context()
    # Both are the process's, and this replay need not be its last work.
    level_before = get_logger_effective_level("")
    before = os.environ.get(DISCOVERY)
    os.environ[DISCOVERY] = "OFF"
    try:
        with system_arguments(system.nodes, arguments) as complete:
            try:
                context.init(args=complete)
            except RuntimeError as error:  # every error of rcl
                reason = str(error).strip().partition("\n")[0]
                raise ParameterError(f"ROS arguments refused: {reason}") from error
            nodes = [
                node_factory(node)(hosts[name], context)
                for name, process in system.processes.items()
                for node in process.nodes
            ]
        return Replay(
            context,
            nodes,
            bag,
            rate=rate,
            writer=writer,
            on_fed=on_fed,
            on_published=on_published,
            should_stop=should_stop,
        ).run()
    finally:
        for host in hosts.values():
            host.close()
        context.try_shutdown()
        set_logger_level("", level_before)
        if before is None:
            del os.environ[DISCOVERY]
        else:
            os.environ[DISCOVERY] = before
