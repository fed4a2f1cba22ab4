"""A program that watches a running system, and asks its nodes for something, from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.ros.diagnostics import NodeHealth, from_array
from edge_mm_ros.ros.executor import make_executor, spin_once

_KEPT = 100
_SPIN_S = 0.1
_SERVICE_TIMEOUT_S = 5.0


class NoAnswer(EdgeMmError):
    """A service is not there, or did not answer in time."""


class Bystander:
    """Hears ``/diagnostics`` while it spins, and calls ``std_srvs/Trigger`` services.

    Args:
        on_entries: told of the entries of every message, with the node's full name.
        domain_id: of the graph; None: ``ROS_DOMAIN_ID``, as everywhere.
    """

    def __init__(
        self, on_entries: Callable[[list[NodeHealth]], None], domain_id: int | None = None
    ) -> None:
        self._context = Context()
        try:
            self._context.init(args=[], domain_id=domain_id)
        except RuntimeError as error:  # every error of rcl
            reason = str(error).strip().partition(", at ")[0]
            raise EdgeMmError(f"ROS 2 cannot be started: {reason}") from error
        self._node = Node(
            f"edge_mm_{os.getpid()}", context=self._context, start_parameter_services=False
        )
        self._node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda message: on_entries(from_array(message)),
            QoSProfile(depth=_KEPT),
        )
        self._executor = make_executor(self._context)
        self._executor.add_node(self._node)

    def __enter__(self) -> Bystander:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.remove_node(self._node)
        self._node.destroy_node()
        self._executor.shutdown()
        self._context.try_shutdown()

    def spin(self, duration_s: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let messages come for a while, or until the condition holds.

        Returns:
            whether it holds.
        """
        deadline_s = time.monotonic() + duration_s
        while not until():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            spin_once(self._executor, min(left_s, _SPIN_S), _raise)
        return True

    def diagnosed_nodes(self) -> set[str]:
        """Full names of the nodes that publish ``/diagnostics``, as far as they were discovered."""
        offered = self._node.get_publishers_info_by_topic("/diagnostics")
        return {f"{each.node_namespace.rstrip('/')}/{each.node_name}" for each in offered}

    def trigger(self, service: str, timeout_s: float) -> tuple[bool, str]:
        """Call a service and wait for its answer.

        Returns:
            success and message, as the service says them.

        Raises:
            NoAnswer: it is not there, or takes too long.
        """
        client = self._node.create_client(Trigger, service)
        try:
            if not self.spin(_SERVICE_TIMEOUT_S, client.service_is_ready):
                raise NoAnswer(f"{service}: nobody offers this service; is its node running?")
            future: Any = client.call_async(Trigger.Request())
            if not self.spin(timeout_s, future.done):
                raise NoAnswer(f"{service}: no answer within {timeout_s:g} s")
            answer = future.result()
            return bool(answer.success), str(answer.message)
        finally:
            self._node.destroy_client(client)


def _raise(error: Exception) -> None:
    raise error
