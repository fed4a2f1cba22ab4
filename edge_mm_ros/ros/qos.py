"""Quality of service by purpose, and subscriptions that match what publishers offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo


@dataclass(frozen=True)
class TopicQos:
    """What a topic is for.

    Attributes:
        depth: messages that the middleware keeps.
        reliable: whether our own publishers are reliable, and whether a subscription wishes it.
        transient_local: whether late subscribers get the last messages.
    """

    depth: int
    reliable: bool
    transient_local: bool = False

    def profile(self) -> QoSProfile:
        """The profile with which we publish."""
        return _profile(self.depth, self.reliable, self.transient_local)

    def matching(self, publishers: Sequence[TopicEndpointInfo]) -> QoSProfile:
        """The strictest profile with which every present publisher can be heard.

        A subscription that asks for more than a publisher offers hears nothing of it, silently;
        so it asks for what the weakest offers. Without any publisher it asks for the least.
        """
        offered = [info.qos_profile for info in publishers]
        reliable = bool(offered) and all(
            qos.reliability == ReliabilityPolicy.RELIABLE for qos in offered
        )
        transient = (
            self.transient_local
            and bool(offered)
            and all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in offered)
        )
        return _profile(self.depth, reliable, transient)


def _profile(depth: int, reliable: bool, transient_local: bool) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL if transient_local else DurabilityPolicy.VOLATILE
        ),
    )


SENSOR = TopicQos(depth=1, reliable=False)
"""Pictures and point clouds: the newest counts."""

RELIABLE = TopicQos(depth=10, reliable=True)
"""Results that should arrive: detections, objects, speech."""

AUDIO = TopicQos(depth=100, reliable=True)
"""Sound, where a lost chunk is a lost word: 10 s of 100 ms chunks."""

DIAGNOSTICS = TopicQos(depth=100, reliable=True)
"""Health, which comes in bursts where many parts change at once."""

EVENTS = TopicQos(depth=1000, reliable=True, transient_local=True)
"""Events, none of which may be lost, also by who comes late."""

LATCHED = TopicQos(depth=10, reliable=True, transient_local=True)
"""States and descriptions: who comes late and keeps one gets the last.

Deeper than one, because of two messages in a row a writer that keeps one may lose the first.
"""
