"""What nodes of this process sent and got: tells a replay when a graph is at rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sensor_msgs.msg import CompressedImage, Image

from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.topics import CountingPublisher, Listener

RECORDER = "the recorder"
PICTURES = (Image, CompressedImage)


class Traffic:
    """Counts messages between a player, nodes and a recorder.

    Args:
        nodes: the nodes.

    Attributes:
        fed: messages that the player published, by topic.
        recorded: messages that reached the recorder, by topic.
    """

    def __init__(self, nodes: Sequence[EdgeNode]) -> None:
        self._nodes = nodes
        self.fed: Counter[str] = Counter()
        self.recorded: Counter[str] = Counter()
        self._not_expected: Counter[tuple[str, str]] = Counter()

    @property
    def publishers(self) -> Iterator[CountingPublisher]:
        """Those of all nodes."""
        for node in self._nodes:
            yield from node.publishers_in_use

    @staticmethod
    def is_recorded(publisher: CountingPublisher) -> bool:
        """Pictures are not: nodes draw them only for who watches."""
        return publisher.publisher.msg_type not in PICTURES

    def start_counting(self) -> None:
        """Expect from now on that everything sent arrives; what is missing so far is forgotten."""
        for node in self._nodes:
            for listener in node.listeners:
                key = (node.get_name(), listener.topic)
                self._not_expected[key] = self._sent(listener.topic) - listener.inbox.received
        for publisher in self.publishers:
            topic = publisher.topic
            self._not_expected[RECORDER, topic] = self._sent(topic) - self.recorded[topic]

    def delivered(self, topic: str) -> bool:
        """Whether every listener of a topic has got what was sent on it."""
        return not any(self._missing(node, listener) for node, listener in self._hearers(topic))

    def has_room(self, topic: str) -> bool:
        """Whether no listener of a topic would drop something for one more message."""
        return not any(listener.inbox.full for _, listener in self._hearers(topic))

    @property
    def at_rest(self) -> bool:
        """Whether no node works and nothing is on its way."""
        # Workers first: while none runs and no executor spins, nothing else can change.
        return (
            all(node.idle for node in self._nodes)
            and self.outputs_recorded
            and not any(True for _ in self._waiting())
        )

    @property
    def outputs_recorded(self) -> bool:
        """Whether the recorder has everything that the nodes sent."""
        return all(
            self.recorded[publisher.topic] + self._not_expected[RECORDER, publisher.topic]
            >= self._sent(publisher.topic)
            for publisher in self.publishers
            if self.is_recorded(publisher)
        )

    def all_connected(self, inputs: Iterable[tuple[str, int]]) -> bool:
        """Whether every publisher has every listener of its topic.

        Args:
            inputs: topic and number of subscriptions of each of the player's publishers.
        """
        heard: Counter[str] = Counter()
        for node in self._nodes:
            for listener in node.listeners:
                listener.match_publishers()
                heard[listener.topic] += 1
        return all(count >= heard[topic] for topic, count in inputs) and all(
            publisher.subscribers >= heard[publisher.topic] for publisher in self.publishers
        )

    def describe_unrest(self) -> str:
        """Who still works or waits."""
        busy = [f"{node.get_name()} is busy" for node in self._nodes if not node.idle]
        return ", ".join([*busy, *self._waiting()]) or "nobody waits"

    def in_data_flow(self) -> Iterator[EdgeNode]:
        """Nodes before those that listen to them, so that last messages are still heard."""
        remaining = list(self._nodes)
        while remaining:
            first = next((n for n in remaining if not _feeders(n, remaining)), remaining[0])
            remaining.remove(first)
            yield first

    def _sent(self, topic: str) -> int:
        return self.fed[topic] + sum(p.sent for p in self.publishers if p.topic == topic)

    def _hearers(self, topic: str) -> Iterator[tuple[EdgeNode, Listener]]:
        for node in self._nodes:
            for listener in node.listeners:
                if listener.topic == topic:
                    yield node, listener

    def _missing(self, node: EdgeNode, listener: Listener) -> int:
        expected = self._not_expected[node.get_name(), listener.topic]
        return max(0, self._sent(listener.topic) - listener.inbox.received - expected)

    def _waiting(self) -> Iterator[str]:
        for node in self._nodes:
            for listener in node.listeners:
                if missing := self._missing(node, listener):
                    yield f"{node.get_name()} waits for {missing} of {listener.topic}"


def _feeders(node: EdgeNode, among: Sequence[EdgeNode]) -> list[EdgeNode]:
    heard = {listener.topic for listener in node.listeners} - {"/diagnostics"}
    return [
        other
        for other in among
        if other is not node and any(p.topic in heard for p in other.publishers_in_use)
    ]
