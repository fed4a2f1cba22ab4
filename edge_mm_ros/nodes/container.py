"""The program of one process of a system."""

from __future__ import annotations

import argparse
import sys

from edge_mm_ros.nodes.stop_request import STOP_DEADLINE_S, StopRequest


def main() -> None:
    """Run the nodes of one process of a system until a stop signal."""
    with StopRequest(STOP_DEADLINE_S) as stop:
        status = _run(stop)
    sys.exit(status)


def _run(stop: StopRequest) -> int:
    # Only now, because they take a while, and a stop signal meanwhile must end cleanly, too.
    from edge_mm_ros.datatypes import EdgeMmError
    from edge_mm_ros.nodes.running import (
        node_factory,
        parse_own_arguments,
        run_nodes,
        system_arguments,
    )
    from edge_mm_ros.params.runtime import runtime_settings
    from edge_mm_ros.params.system import load_system

    parser = argparse.ArgumentParser(
        prog="container",
        description="Runs the nodes of one process of a system.",
        epilog="ROS arguments follow --ros-args; they win over the system's.",
    )
    parser.add_argument("--system", required=True, help="name of a system, or path of its file")
    parser.add_argument("--process", required=True, help="name of the process in the system")
    parser.add_argument(
        "--no-autostart", action="store_true", help="leave configure and activate to others"
    )
    options = parse_own_arguments(parser, sys.argv)
    try:
        process = load_system(options.system).process(options.process)
        settings = runtime_settings() if process.runtime is None else process.runtime
    except EdgeMmError as error:
        print(f"container: {error}", file=sys.stderr)
        return 2
    return run_nodes(
        system_arguments(process.nodes, sys.argv),
        [node_factory(node) for node in process.nodes],
        stop,
        autostart=not options.no_autostart,
        settings=settings,
    )


if __name__ == "__main__":
    main()
