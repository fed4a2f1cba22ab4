"""Autostart: to active, again after failures, and hands off where somebody else decides."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

pytest.importorskip("rclpy")

from lifecycle_msgs.msg import State
from rclpy.lifecycle import TransitionCallbackReturn as Result

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.nodes.autostart import FIRST_RETRY_S, LONGEST_RETRY_S, Autostart
from edge_mm_ros.params import NodeParams
from edge_mm_ros.ros.node import EdgeNode


class Moody(EdgeNode):
    """A node that refuses what it is told to refuse."""

    params_type = NodeParams
    refuses = ""
    attempts = 0

    def on_configured(self) -> None:
        self.attempts += 1
        if self.refuses == "configure":
            raise EdgeMmError("the model file is missing")

    def on_activated(self) -> None:
        if self.refuses == "activate":
            raise EdgeMmError("no memory")


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(graph: Any, name: str, refuses: str = "") -> Moody:
    node = Moody(name, context=graph.context)
    node.refuses = refuses
    graph.add(node)
    return node


def run(autostart: Autostart, steps: int = 10) -> None:
    for _ in range(steps):
        autostart.step()


def is_active(node: EdgeNode) -> bool:
    return node.lifecycle_state == State.PRIMARY_STATE_ACTIVE


@pytest.mark.parametrize("refuses", ["configure", "activate"])
def test_a_node_that_refuses_keeps_no_other_back_and_is_tried_again(
    ros_graph: Any, clock: Clock, refuses: str
) -> None:
    bad, good = make(ros_graph, "bad", refuses), make(ros_graph, "good")
    autostart = Autostart([bad, good], clock)
    run(autostart)
    assert is_active(good)
    assert bad.attempts == 1
    clock.now_s += FIRST_RETRY_S - 0.1
    run(autostart)
    assert bad.attempts == 1
    bad.refuses = ""
    clock.now_s += 0.2
    run(autostart)
    assert is_active(bad)


def test_the_pauses_grow_up_to_a_limit(ros_graph: Any, clock: Clock) -> None:
    bad = make(ros_graph, "bad", "configure")
    autostart = Autostart([bad], clock)
    times = []
    while len(times) < 8:
        before = bad.attempts
        autostart.step()
        if bad.attempts > before:
            times.append(clock.now_s)
        clock.now_s += 1.0
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] == FIRST_RETRY_S
    assert pauses[-1] == LONGEST_RETRY_S


def test_who_deactivates_on_purpose_is_not_overruled(ros_graph: Any, clock: Clock) -> None:
    node = make(ros_graph, "node")
    autostart = Autostart([node], clock)
    run(autostart)
    assert node.trigger_deactivate() == Result.SUCCESS
    clock.now_s += 1000
    run(autostart)
    assert node.lifecycle_state == State.PRIMARY_STATE_INACTIVE
    assert node.trigger_cleanup() == Result.SUCCESS
    run(autostart)
    assert node.lifecycle_state == State.PRIMARY_STATE_UNCONFIGURED


def test_a_node_that_fails_while_it_runs_comes_back(ros_graph: Any, clock: Clock) -> None:
    node = make(ros_graph, "node")
    autostart = Autostart([node], clock)
    run(autostart)
    node._fault = "10 faults in a row"  # what the base notes when handlers keep failing
    ros_graph.spin_until(lambda: node.lifecycle_state == State.PRIMARY_STATE_UNCONFIGURED)
    run(autostart)
    assert not is_active(node)  # not at once: what failed may fail again
    clock.now_s += FIRST_RETRY_S + 0.1
    run(autostart)
    assert is_active(node)
    assert autostart.broken == ()


def test_a_node_finalized_by_a_failure_is_reported(ros_graph: Any, clock: Clock) -> None:
    node = make(ros_graph, "node")
    autostart = Autostart([node], clock)
    run(autostart)

    def fail() -> None:
        raise EdgeMmError("cannot release")

    node.on_cleaned_up = fail  # type: ignore[method-assign]
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert node.lifecycle_state == State.PRIMARY_STATE_FINALIZED
    assert autostart.broken == (node,)
