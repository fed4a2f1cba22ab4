"""Publishers that count and subscriptions that follow their publishers' quality of service."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle.publisher import LifecyclePublisher
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.serialization import serialize_message

from edge_mm_ros.datatypes import Health, HealthLevel
from edge_mm_ros.ros.latency import LatencyWindow
from edge_mm_ros.ros.qos import TopicQos
from edge_mm_ros.ros.work_queue import Inbox

# A publisher repeats its history as soon as it sees the new subscription.
_REPEATS_WITHIN_S = 10.0


class CountingPublisher:
    """A publisher that knows how many messages it really sent; usable from every thread."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.sent = 0
        self._lock = threading.Lock()

    @property
    def topic(self) -> str:
        """The resolved name of the topic."""
        return str(self.publisher.topic_name)

    @property
    def subscribers(self) -> int:
        """How many subscriptions match now."""
        return int(self.publisher.get_subscription_count())

    def publish(self, message: Any) -> None:
        """Send a message; a managed publisher sends nothing while its node is not active."""
        if isinstance(self.publisher, LifecyclePublisher) and not self.publisher.is_activated:
            return
        with self._lock:
            # Counted first: a replay that looks between the two must wait, not go on.
            self.sent += 1
        self.publisher.publish(message)


class Listener:
    """One subscription, remade when its publishers offer another quality of service.

    What the old subscription heard and the new one gets again, as a transient local publisher
    repeats its history, counts once.
    """

    def __init__(self, node: Node, msg_type: type, topic: str, qos: TopicQos, inbox: Inbox) -> None:
        self.inbox = inbox
        self.latency = LatencyWindow()
        self._node = node
        self._name = topic
        self._msg_type = msg_type
        self._qos = qos
        inbox.on_handled = self.latency.add_s
        self.topic = node.resolve_topic_name(topic)
        self.publishers = 0
        self._subscription: Any = None
        self._profile: Any = None
        self._heard: deque[bytes] = deque(maxlen=qos.depth)
        self._repeats: Counter[bytes] = Counter()
        self._repeats_until_s = 0.0
        self.match_publishers()

    def match_publishers(self) -> None:
        """Subscribe anew where what the publishers offer has changed."""
        offered = self._node.get_publishers_info_by_topic(self.topic)
        self.publishers = len(offered)
        profile = self._qos.matching(offered)
        if self._profile is not None:
            if not offered:
                return  # the next publisher decides
            present = (self._profile.reliability, self._profile.durability)
            if present == (profile.reliability, profile.durability):
                return
            self.close()
        self._profile = profile
        take: Callable[[Any], None] = self.inbox.put
        if self._qos.transient_local:
            take = self._take_once
            if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
                self._repeats = Counter(self._heard)
                self._repeats_until_s = time.monotonic() + _REPEATS_WITHIN_S
        self._subscription = self._node.create_subscription(
            self._msg_type, self._name, take, profile
        )

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def health(self) -> Health:
        """What came, what was dropped, how long its handling took."""
        reliable = self._profile.reliability == ReliabilityPolicy.RELIABLE
        values = {
            "publishers": str(self.publishers),
            "received": str(self.inbox.received),
            "dropped": str(self.inbox.dropped),
            "queue": self.inbox.policy.name,
            "reliability": "reliable" if reliable else "best effort",
            **self.latency.values(),
        }
        if self.publishers == 0:
            return Health(f"topic {self.topic}", HealthLevel.WARN, "nobody publishes it", values)
        if self._qos.reliable and not reliable:
            message = "a publisher is best effort: messages may be lost"
            return Health(f"topic {self.topic}", HealthLevel.WARN, message, values)
        return Health(f"topic {self.topic}", HealthLevel.OK, "connected", values)

    def _take_once(self, message: Any) -> None:
        # By content: Jazzy's EventsExecutor fails where a callback takes the message's number too.
        content = serialize_message(message)
        if self._repeats and time.monotonic() > self._repeats_until_s:
            self._repeats.clear()
        if self._repeats[content] > 0:
            self._repeats[content] -= 1
            return
        self._heard.append(content)
        self.inbox.put(message)
