"""A ROS graph of its own inside one process, spun only while somebody waits: tests, benchmarks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.ros.executor import make_executor
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import TopicQos


class GraphTimeoutError(EdgeMmError):
    """What was waited for did not come in time."""


class PrivateGraph:
    """One context, one executor and a peer node that publishes and listens."""

    def __init__(self) -> None:
        self.context = Context()
        # The domain differs between processes, so that they do not hear each other.
        self.context.init(args=[], domain_id=1 + os.getpid() % 100)
        self.executor = make_executor(self.context)
        self.peer = self.node("peer")

    def __enter__(self) -> PrivateGraph:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def node(self, name: str) -> Node:
        """A further plain node."""
        node = Node(name, context=self.context, start_parameter_services=False)
        self.executor.add_node(node)
        return node

    def add(self, node: EdgeNode) -> EdgeNode:
        """Let a node take part; make it with ``context=graph.context``."""
        self.executor.add_node(node)
        return node

    def bring_up(self, node: EdgeNode) -> EdgeNode:
        """Add, configure and activate a node.

        Raises:
            EdgeMmError: it refuses; tells its reason.
        """
        self.add(node)
        for trigger in (node.trigger_configure, node.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise EdgeMmError(f"{node.get_name()}: {node.last_error}")
        return node

    def publisher(self, msg_type: type, topic: str, qos: TopicQos) -> Any:
        """A publisher of the peer."""
        return self.peer.create_publisher(msg_type, topic, qos.profile())

    def collect(self, msg_type: type, topic: str, qos: TopicQos) -> list[Any]:
        """A list that grows with every message on a topic."""
        messages: list[Any] = []
        self.peer.create_subscription(msg_type, topic, messages.append, qos.profile())
        return messages

    def spin_until(
        self, condition: Callable[[], bool], timeout_s: float = 30.0, what: str = "condition"
    ) -> None:
        """Spin until the condition holds.

        Raises:
            GraphTimeoutError: it does not within the time-out.
        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise GraphTimeoutError(f"{what}: not within {timeout_s:g} s")
            self.executor.spin_once(timeout_sec=0.02)

    def spin_until_connected(self, publisher: Any, subscribers: int = 1) -> None:
        """Spin until a publisher has so many subscribers.

        Raises:
            GraphTimeoutError: it does not get them.
        """
        self.spin_until(
            lambda: publisher.get_subscription_count() >= subscribers,
            what=f"{publisher.topic_name} gets {subscribers} subscribers",
        )

    def close(self) -> None:
        """End the graph and destroy its nodes."""
        for node in list(self.executor.get_nodes()):
            if isinstance(node, EdgeNode) and node.active:
                node.trigger_shutdown()  # its workers must not outlive its handle
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        self.context.try_shutdown()
