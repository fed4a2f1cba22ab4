"""Every node of the safety monitor, up and down ten times: nothing stays behind."""

from __future__ import annotations

import os
import threading
from typing import Any

import psutil
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

from rclpy.lifecycle import TransitionCallbackReturn as Result

from edge_mm_ros.nodes.models import default_model_host
from edge_mm_ros.nodes.running import node_class
from edge_mm_ros.params.system import NodeDescription, load_system
from edge_mm_ros.ros.parameters import overrides

LIVES = 10
# The allocator and the engines settle in the first lives.
SETTLED_AFTER = 4
GROWTH_MIB = 25.0


def resident_mib() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


@pytest.mark.parametrize(
    "described", load_system("safety_monitor").nodes, ids=lambda described: described.name
)
def test_ten_lives_leave_no_memory_thread_or_file_behind(
    ros_graph: Any, described: NodeDescription
) -> None:
    host = default_model_host()
    node = ros_graph.add(
        node_class(described.node)(
            host=host,
            name=described.name,
            context=ros_graph.context,
            parameter_overrides=overrides(described.parameters),
        )
    )

    def live_once() -> None:
        for trigger in (
            node.trigger_configure,
            node.trigger_activate,
            node.trigger_deactivate,
            node.trigger_cleanup,
        ):
            assert trigger() == Result.SUCCESS, node.last_error
            ros_graph.executor.spin_once(timeout_sec=0.0)

    for _ in range(SETTLED_AFTER):
        live_once()
    before_mib = resident_mib()
    threads = {thread.name for thread in threading.enumerate()}
    files = len(os.listdir("/proc/self/fd"))
    native_threads = psutil.Process().num_threads()
    for _ in range(LIVES - SETTLED_AFTER):
        live_once()
    assert {thread.name for thread in threading.enumerate()} == threads
    assert len(os.listdir("/proc/self/fd")) <= files
    assert psutil.Process().num_threads() <= native_threads
    assert resident_mib() - before_mib < GROWTH_MIB
    assert not any(status.loaded for status in host.status())
