"""A program that takes one node of a system up and down, and tells what stays behind.

``python lives.py SYSTEM NODE LIVES`` prints one line of JSON: per life the resident memory, the
threads and the open files after it, and whether a model is still loaded at the end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

import psutil
from rclpy.lifecycle import TransitionCallbackReturn

from edge_mm_ros.nodes.models import default_model_host
from edge_mm_ros.nodes.running import node_class
from edge_mm_ros.params.system import load_system
from edge_mm_ros.ros.parameters import overrides
from edge_mm_ros.ros.private_graph import PrivateGraph


def native_threads(process: psutil.Process) -> int:
    """Threads of the process a moment later: one that was joined may still be on its way out."""
    threading.Event().wait(0.005)
    return int(process.num_threads())


def traces() -> dict[str, Any]:
    """What this process holds now."""
    process = psutil.Process()
    return {
        "resident_mib": process.memory_info().rss / 2**20,
        "native_threads": min(native_threads(process) for _ in range(20)),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "files": len(os.listdir("/proc/self/fd")),
    }


def main() -> None:
    """Live so often."""
    system, name, lives = sys.argv[1], sys.argv[2], int(sys.argv[3])
    described = next(node for node in load_system(system).nodes if node.name == name)
    host = default_model_host()
    told = []
    with PrivateGraph() as graph:
        node = graph.add(
            node_class(described.node)(
                host=host,
                name=described.name,
                context=graph.context,
                parameter_overrides=overrides(described.parameters),
            )
        )
        for _ in range(lives):
            for trigger in (
                node.trigger_configure,
                node.trigger_activate,
                node.trigger_deactivate,
                node.trigger_cleanup,
            ):
                if trigger() != TransitionCallbackReturn.SUCCESS:
                    sys.exit(f"{name}: {node.last_error}")
                graph.executor.spin_once(timeout_sec=0.0)
            told.append(traces())
    loaded = [status.name for status in host.status() if status.loaded]
    print(json.dumps({"lives": told, "loaded": loaded}))


if __name__ == "__main__":
    main()
