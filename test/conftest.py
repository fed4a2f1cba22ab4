"""Fixtures that all rooms share."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edge_mm_ros.ros.node import EdgeNode
    from edge_mm_ros.ros.qos import TopicQos

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """The path of a real recording; skips the test, saying which, where it is absent."""

    def path_of(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"needs the recording shared/data/{name}")
        return path

    return path_of


class RosGraph:
    """A private ROS graph: one context, one executor, spun only while a test waits."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.experimental import EventsExecutor

        self.context = rclpy.Context()
        # The domain differs between test processes, so that they do not hear each other.
        rclpy.init(context=self.context, domain_id=1 + os.getpid() % 100)
        self.executor = EventsExecutor(context=self.context)
        self.peer = self.node("test_peer")

    def node(self, name: str) -> Any:
        """A plain node of the test's own."""
        import rclpy

        node = rclpy.create_node(name, context=self.context, start_parameter_services=False)
        self.executor.add_node(node)
        return node

    def add(self, node: EdgeNode) -> EdgeNode:
        """Let a node take part; make it with ``context=graph.context``."""
        self.executor.add_node(node)
        return node

    def bring_up(self, node: EdgeNode) -> EdgeNode:
        """Add, configure and activate a node."""
        from rclpy.lifecycle import TransitionCallbackReturn as Result

        self.add(node)
        assert node.trigger_configure() == Result.SUCCESS, node.last_error
        assert node.trigger_activate() == Result.SUCCESS, node.last_error
        return node

    def publisher(self, msg_type: type, topic: str, qos: TopicQos) -> Any:
        """A publisher of the test's peer."""
        return self.peer.create_publisher(msg_type, topic, qos.profile())

    def collect(self, msg_type: type, topic: str, qos: TopicQos) -> list[Any]:
        """A list that grows with every message on a topic."""
        messages: list[Any] = []
        self.peer.create_subscription(msg_type, topic, messages.append, qos.profile())
        return messages

    def spin_until(
        self, condition: Callable[[], bool], timeout_s: float = 30.0, what: str = "condition"
    ) -> None:
        """Spin until the condition holds; fail after the time-out."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline_s, f"{what}: not within {timeout_s:g} s"
            self.executor.spin_once(timeout_sec=0.02)

    def spin_until_connected(self, publisher: Any, subscribers: int = 1) -> None:
        """Spin until a publisher has its subscribers and they are matched at their best."""
        self.spin_until(
            lambda: publisher.get_subscription_count() >= subscribers,
            what=f"{publisher.topic_name} gets {subscribers} subscribers",
        )

    def close(self) -> None:
        """End the graph."""
        for node in list(self.executor.get_nodes()):
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        self.context.try_shutdown()


@pytest.fixture
def ros_graph() -> Iterator[RosGraph]:
    """A private ROS graph; skips where no ROS 2 is installed."""
    if importlib.util.find_spec("rclpy") is None:
        pytest.skip("needs ROS 2 (rclpy)")
    graph = RosGraph()
    yield graph
    graph.close()
