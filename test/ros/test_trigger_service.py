"""The service whose work takes a while, on every executor."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("std_srvs")

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from edge_mm_ros.ros.executor import make_executor
from edge_mm_ros.ros.trigger_service import TriggerService


class Graph:
    """A node with services, and a client of them, on one executor."""

    def __init__(self, make: Callable[[Context], Any]) -> None:
        self.context = Context()
        self.context.init(args=[], domain_id=1 + os.getpid() % 100)
        self.executor = make(self.context)
        self.node = Node("slow", context=self.context)
        self.executor.add_node(self.node)

    def call(self) -> Any:
        client = self.node.create_client(Trigger, "slow/work")
        self.wait(client.service_is_ready)
        return client.call_async(Trigger.Request())

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline_s
            self.executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        self.executor.remove_node(self.node)
        self.node.destroy_node()
        self.executor.shutdown()
        self.context.try_shutdown()


@pytest.fixture(params=[make_executor, lambda context: SingleThreadedExecutor(context=context)])
def graph(request: pytest.FixtureRequest) -> Iterator[Graph]:
    made = Graph(request.param)
    yield made
    made.close()


def test_the_executor_goes_on_while_it_works(graph: Graph) -> None:
    release = threading.Event()

    def work() -> tuple[bool, str]:
        return release.wait(20), "done"

    TriggerService(graph.node, "~/work", work)
    ticks: list[int] = []
    graph.node.create_timer(0.01, lambda: ticks.append(1))
    answer = graph.call()
    graph.wait(lambda: len(ticks) > 5)
    assert not answer.done()
    release.set()
    graph.wait(answer.done)
    assert (answer.result().success, answer.result().message) == (True, "done")


def test_one_call_at_a_time(graph: Graph) -> None:
    begun: list[int] = []
    release = threading.Event()

    def work() -> tuple[bool, str]:
        begun.append(1)
        return release.wait(20), ""

    TriggerService(graph.node, "~/work", work)
    ticks: list[int] = []
    answers = [graph.call(), graph.call()]
    graph.wait(lambda: bool(begun))
    graph.node.create_timer(0.01, lambda: ticks.append(1))
    graph.wait(lambda: len(ticks) > 10)
    assert len(begun) == 1
    release.set()
    graph.wait(lambda: all(answer.done() for answer in answers))
    assert len(begun) == 2


def test_a_fault_is_an_answer(graph: Graph) -> None:
    def work() -> tuple[bool, str]:
        raise ValueError("no such thing")

    TriggerService(graph.node, "~/work", work)
    answer = graph.call()
    graph.wait(answer.done)
    assert not answer.result().success
    assert answer.result().message == "ValueError: no such thing"
