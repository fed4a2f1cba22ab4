"""Brings nodes to active, and back to active after a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lifecycle_msgs.msg import State
from rclpy.lifecycle import TransitionCallbackReturn

from edge_mm_ros.ros.node import EdgeNode

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 60.0


@dataclass
class _Progress:
    due_s: float = 0.0
    retry_s: float = FIRST_RETRY_S
    reached: bool = False


class Autostart:
    """Configures and activates nodes, again and again with growing pauses where they refuse.

    A node that failed is tried again, so that a model file put right later works. A node that
    somebody deactivates on purpose is left alone.

    Args:
        nodes: in the order in which they start.
        clock: seconds, monotonic.
    """

    def __init__(
        self, nodes: Sequence[EdgeNode], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress = {node: _Progress() for node in nodes}
        self._clock = clock

    def step(self) -> None:
        """Do what is due; returns after at most one node's transitions."""
        for node, progress in self._progress.items():
            if progress.due_s <= self._clock() and self._is_wanted(node, progress):
                self._attempt(node, progress)
                return

    @property
    def broken(self) -> tuple[EdgeNode, ...]:
        """Nodes that ended by a failure and can only come back with a new process."""
        return tuple(
            node
            for node in self._progress
            if node.lifecycle_state == State.PRIMARY_STATE_FINALIZED and node.last_error
        )

    def _is_wanted(self, node: EdgeNode, progress: _Progress) -> bool:
        startable = (State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE)
        if node.lifecycle_state not in startable:
            return False
        return not progress.reached or bool(node.last_error)

    def _attempt(self, node: EdgeNode, progress: _Progress) -> None:
        if progress.reached:  # it has run and failed
            progress.reached = False
            self._wait(node, progress)
            return
        if node.lifecycle_state == State.PRIMARY_STATE_INACTIVE:
            node.trigger_cleanup()
        if node.lifecycle_state != State.PRIMARY_STATE_UNCONFIGURED:
            return  # it failed while it was cleaned up
        done = (
            node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            and node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        )
        if done:
            progress.reached = True
            progress.retry_s = FIRST_RETRY_S
            node.get_logger().info("active")
        else:
            self._wait(node, progress)

    def _wait(self, node: EdgeNode, progress: _Progress) -> None:
        node.get_logger().info(f"not active; tries again in {progress.retry_s:g} s")
        progress.due_s = self._clock() + progress.retry_s
        progress.retry_s = min(2 * progress.retry_s, LONGEST_RETRY_S)
