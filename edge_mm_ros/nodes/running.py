"""Runs nodes as a process: context, executor, autostart and a clean stop."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from lifecycle_msgs.msg import State
from rclpy.context import Context
from rclpy.executors import Executor
from rclpy.logging import get_logger
from rclpy.utilities import remove_ros_args

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.heap import collect_seldom
from edge_mm_ros.nodes.autostart import Autostart
from edge_mm_ros.nodes.models import default_model_host
from edge_mm_ros.nodes.stop_request import STOP_DEADLINE_S, StopRequest, end_now
from edge_mm_ros.params.node_kinds import NodeKind, class_stem
from edge_mm_ros.params.runtime import RUNTIME_VARIABLE, RuntimeParams, runtime_settings
from edge_mm_ros.params.system import NodeDescription
from edge_mm_ros.ros.executor import make_executor, spin_once
from edge_mm_ros.ros.launching import RESTART_STATUS
from edge_mm_ros.ros.log_bridge import forward_logs
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.runtime import ModelHost

SPIN_S = 0.2

NodeFactory = Callable[[ModelHost, Context], EdgeNode]


def run_node(node_type: type[Any]) -> None:
    """The program of one node.

    As with every lifecycle node it waits, unconfigured, for its transitions; with ``--autostart``
    it becomes active by itself. Parameters and remappings are given after ``--ros-args``.
    """
    parser = argparse.ArgumentParser(
        description=(node_type.__doc__ or "").partition("\n")[0],
        epilog="ROS arguments follow --ros-args.",
    )
    parser.add_argument("--autostart", action="store_true", help="configure and activate at start")
    parser.add_argument(
        "--runtime",
        metavar="FILE",
        default="",
        help=f"YAML file for the home of models; else the one of {RUNTIME_VARIABLE}",
    )
    with StopRequest(STOP_DEADLINE_S) as stop:
        options = parse_own_arguments(parser, sys.argv)
        try:
            settings = runtime_settings(options.runtime)
        except EdgeMmError as error:
            parser.exit(2, f"{parser.prog}: {error}\n")
        status = run_nodes(
            contextlib.nullcontext(sys.argv),
            [lambda host, context: node_type(host=host, context=context)],
            stop,
            autostart=options.autostart,
            settings=settings,
        )
    sys.exit(status)


def parse_own_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """The program's options, without what goes to ROS; exits with status 2 where ROS refuses."""
    try:
        own = remove_ros_args(list(argv))
    except RuntimeError as error:  # every error of rcl
        parser.exit(2, f"{parser.prog}: {_short(error)}\n")
    return parser.parse_args(own[1:])


def run_nodes(
    arguments: AbstractContextManager[Sequence[str]],
    factories: Sequence[NodeFactory],
    stop: StopRequest,
    *,
    autostart: bool,
    settings: RuntimeParams,
) -> int:
    """Run nodes until a stop signal: one context, one executor, one home of models.

    Args:
        arguments: gives the program's arguments, of which those after ``--ros-args`` go to ROS;
            entered only while ROS reads them.
        factories: each makes one node; a node that cannot be made does not stop the others.
        stop: tells when to end.
        autostart: whether nodes are configured and activated, again where they fail.
        settings: of the home of models.

    Returns:
        the exit status: 0 after a stop signal, 1 where no node could be made or one broke for
        good, 2 where the ROS arguments are refused, `RESTART_STATUS` where the home of models
        asks for a new process. A process with a hung engine ends here.
    """
    context = Context()
    try:
        with arguments as argv:
            context.init(args=list(argv))
    except RuntimeError as error:  # every error of rcl
        print(f"edge_mm_ros: {_short(error)}", file=sys.stderr)
        return 2
    host = default_model_host(settings)
    executor = make_executor(context)
    stop.on_request(executor.wake)
    forward_logs("edge_mm_ros", get_logger("edge_mm_ros"))
    nodes = _create(factories, host, context)
    collect_seldom()
    for node in nodes:
        executor.add_node(node)
    try:
        status = _spin(executor, nodes, host, stop, Autostart(nodes if autostart else ()))
    finally:
        for node in nodes:
            _end(node)
            executor.remove_node(node)
            node.destroy_node()
        host.close()
        executor.shutdown()
        context.try_shutdown()
    if any(model.hung_calls for model in host.status()):
        end_now(status)
    return status


def node_class(kind: NodeKind) -> type[Any]:
    """The class of a kind of node, imported when it is first asked for."""
    module = importlib.import_module(f"edge_mm_ros.nodes.{kind}")
    found: type[Any] = getattr(module, f"{class_stem(kind)}Node")
    return found


def node_factory(node: NodeDescription) -> NodeFactory:
    """What makes a node of a system."""
    return lambda host, context: node_class(node.node)(host=host, name=node.name, context=context)


@contextlib.contextmanager
def system_arguments(
    nodes: Sequence[NodeDescription], argv: Sequence[str] = ("",)
) -> Iterator[list[str]]:
    """ROS arguments that give nodes their parameters and remappings; the user's own win.

    Among parameter files the later wins, among remappings the earlier. The parameter file exists
    inside the block only, where the context is initialised.

    Args:
        nodes: of a system.
        argv: the program's name and the user's arguments.
    """
    remappings = [
        argument
        for node in nodes
        for source, target in node.remappings.items()
        for argument in ("-r", f"{node.name}:{source}:={target}")
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="edge_mm_ros_") as file:
        file.write(parameter_file(nodes))
        file.flush()
        own = ("--params-file", file.name) if any(node.parameters for node in nodes) else ()
        yield [*argv[:1], "--ros-args", *own, "--", *argv[1:], "--ros-args", *remappings]


def parameter_file(nodes: Sequence[NodeDescription]) -> str:
    """The nodes' parameters as a ROS parameter file, in any namespace.

    rcl merges files by key, in the order in which each key first came; the doubled wildcard is a
    key that no user writes, so that every key of a user's file comes later and wins. JSON is
    YAML in which each text is quoted and stays a text.
    """
    return json.dumps(
        {
            f"/**/**/{node.name}": {"ros__parameters": node.parameters}
            for node in nodes
            if node.parameters
        }
    )


def _create(factories: Sequence[NodeFactory], host: ModelHost, context: Context) -> list[EdgeNode]:
    nodes = []
    for factory in factories:
        try:
            nodes.append(factory(host, context))
        except Exception as error:  # one broken node must not keep the others from safety work
            get_logger("edge_mm_ros").error(f"node left out: {type(error).__name__}: {error}")
    return nodes


def _spin(
    executor: Executor,
    nodes: Sequence[EdgeNode],
    host: ModelHost,
    stop: StopRequest,
    autostart: Autostart,
) -> int:
    logger = get_logger("edge_mm_ros")
    if not nodes:
        logger.error("no node could be made")
        return 1
    while not stop.requested:
        spin_once(
            executor,
            SPIN_S,
            lambda error: logger.error(f"in a callback: {type(error).__name__}: {error}"),
        )
        if reason := host.restart_wanted:
            logger.error(f"this process must start again: {reason}")
            stop.end_with(RESTART_STATUS)
            return RESTART_STATUS
        autostart.step()
        if broken := autostart.broken:
            names = ", ".join(node.get_name() for node in broken)
            logger.error(f"{names}: finalized after a failure; the process must start again")
            return 1
    return 0


def _end(node: EdgeNode) -> None:
    try:
        if node.lifecycle_state == State.PRIMARY_STATE_ACTIVE:
            node.trigger_deactivate()
        if node.lifecycle_state == State.PRIMARY_STATE_INACTIVE:
            node.trigger_cleanup()
        if node.lifecycle_state != State.PRIMARY_STATE_FINALIZED:
            node.trigger_shutdown()
    except RuntimeError as error:  # rcl refuses a transition: nothing is left to undo
        node.get_logger().error(f"while stopping: {_short(error)}")


def _short(error: Exception) -> str:
    """An error of rcl without its places in the source."""
    return str(error).strip().partition(", at ")[0].replace("\n", " ")
