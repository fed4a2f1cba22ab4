"""Subscriptions that are made anew: nothing is lost and nothing comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

from rclpy.qos import DurabilityPolicy
from std_msgs.msg import String

from edge_mm_ros.ros.qos import EVENTS
from edge_mm_ros.ros.topics import Listener
from edge_mm_ros.ros.work_queue import Worker, lossless


class Ear:
    """A listener that is matched anew only when the test says so."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.heard: list[str] = []
        self.worker = Worker("ear", lambda inbox, error: None)
        inbox = self.worker.inbox(lambda message: self.heard.append(message.data), lossless())
        self.listener = Listener(graph.peer, String, "events", EVENTS, inbox)
        self.worker.start()

    @property
    def transient(self) -> bool:
        return bool(self.listener._profile.durability == DurabilityPolicy.TRANSIENT_LOCAL)

    def match(self) -> None:
        """Look for publishers until the subscription asks them for their history."""

        def matched() -> bool:
            self.listener.match_publishers()
            return self.transient

        self.graph.spin_until(matched, what="the publisher is discovered")

    def wait_for(self, count: int) -> None:
        self.graph.spin_until(lambda: len(self.heard) >= count, what=f"{count} words")


@pytest.fixture
def ear(ros_graph: Any) -> Iterator[Ear]:
    ear = Ear(ros_graph)
    yield ear
    ear.listener.close()
    ear.worker.close(10.0)


def test_history_that_was_heard_already_counts_once(ros_graph: Any, ear: Ear) -> None:
    assert not ear.transient  # nobody publishes yet
    words = ros_graph.publisher(String, "events", EVENTS)
    ros_graph.spin_until_connected(words)
    for word in ("fire", "fire", "smoke"):  # said twice is no repeat
        words.publish(String(data=word))
    ear.wait_for(3)
    ear.match()
    ros_graph.spin_until_connected(words)
    words.publish(String(data="water"))
    ear.wait_for(4)
    assert ear.heard == ["fire", "fire", "smoke", "water"]
    assert ear.listener.inbox.received == 4


def test_what_was_said_before_the_first_match_still_comes(ros_graph: Any, ear: Ear) -> None:
    words = ros_graph.publisher(String, "events", EVENTS)
    ear.listener.close()  # deaf for a moment
    words.publish(String(data="fire"))
    ear.match()
    ear.wait_for(1)
    assert ear.heard == ["fire"]
