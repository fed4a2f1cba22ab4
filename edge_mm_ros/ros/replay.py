"""Feeds a recording through real nodes under simulated time and records what they publish."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock

from edge_mm_ros.datatypes import EdgeMmError, Health, HealthLevel
from edge_mm_ros.ros.bags import BagMessage, BagReader, BagWriter
from edge_mm_ros.ros.conversions.stamps import to_stamp
from edge_mm_ros.ros.diagnostics import to_array
from edge_mm_ros.ros.executor import make_executor, spin_once
from edge_mm_ros.ros.messages import UnknownMessageType, message_class, message_type_name
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.pace import Pace
from edge_mm_ros.ros.qos import EVENTS, TopicQos
from edge_mm_ros.ros.traffic import PICTURES, Traffic

CLOCK_STEP_NS = 100_000_000
CLOCK_PERIOD_S = 0.02
SETTLE_TIMEOUT_S = 120.0
STRAGGLERS_S = 1.0
HELD_TOLD_S = 0.5
RECORDING_QOS = TopicQos(depth=1000, reliable=True)


class ReplayError(EdgeMmError):
    """A replay that cannot start or go on."""


@dataclass(frozen=True)
class Published:
    """A message that a node published during a replay.

    Attributes:
        topic: its topic.
        msg_class: its type.
        cdr: the serialised message.
        stamp_ns: simulated time of its arrival, nanoseconds.
        wall_s: arrival, seconds of `time.perf_counter`.
    """

    topic: str
    msg_class: type
    cdr: bytes
    stamp_ns: int
    wall_s: float

    def message(self) -> Any:
        """The message itself."""
        return deserialize_message(self.cdr, self.msg_class)


@dataclass
class ReplayResult:
    """What a replay did.

    Attributes:
        fed: messages fed, by topic.
        published: messages that the nodes published, by topic.
        dropped: messages that nodes dropped because they were late, by node and topic.
        warnings: what was left out, and why.
        wall_s: how long the feeding took, seconds.
    """

    fed: Counter[str] = field(default_factory=Counter)
    published: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    wall_s: float = 0.0


class Replay:
    """One run of a recording through nodes of one context.

    Without a rate it runs in lockstep: one message is published, and the next one only when every
    subscriber has it, every worker is idle and no timer is due. So nothing is dropped, and two
    runs give the same messages with the same stamps.

    With a rate the nodes take messages in the same order and at the same simulated times, but
    work on them while time goes on. Pictures that they are too slow for are dropped, as in life;
    for all else time is held until there is room for it.

    Args:
        context: the context of all nodes, already initialised.
        nodes: unconfigured nodes with simulated time.
        bag: the recording.
        rate: speed relative to real time; None for as fast as possible.
        writer: takes what the nodes publish.
        tail_s: simulated seconds after the last message, before the nodes are deactivated; longer
            than the sensors' time-outs, it ends in silence alarms.
        on_fed: told of each message fed, with its time of `time.perf_counter`.
        on_published: told of each message that a node published.
        should_stop: asked before each message; True ends the replay early.
    """

    def __init__(
        self,
        context: Context,
        nodes: Sequence[EdgeNode],
        bag: BagReader,
        *,
        rate: float | None = None,
        writer: BagWriter | None = None,
        tail_s: float = 0.5,
        on_fed: Callable[[BagMessage, float], None] | None = None,
        on_published: Callable[[Published], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        if rate is not None and not rate > 0:
            raise ReplayError(f"rate must be positive or 'max', got {rate:g}")
        self._nodes = nodes
        self._bag = bag
        self._rate = rate
        self._writer = writer
        self._tail_ns = round(tail_s * 1e9)
        self._on_fed = on_fed
        self._on_published = on_published
        self._should_stop = should_stop
        self._result = ReplayResult()
        self._player = Node("replay_player", context=context, start_parameter_services=False)
        self._clock = self._player.create_publisher(Clock, "/clock", 10)
        self._diagnostics = self._player.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._damage_told = False
        self._inputs: dict[str, Any] = {}
        self._pictures: set[str] = set()
        self._traffic = Traffic(nodes)
        self._now_ns = 0
        self._executor = make_executor(context)
        self._executor.add_node(self._player)
        for node in nodes:
            self._executor.add_node(node)

    def run(self) -> ReplayResult:
        """Run it once.

        Raises:
            ReplayError: a node refused a transition, or the nodes did not come to rest.
            BagError: the recording is damaged from its begin on.
        """
        try:
            self._start()
            begin = time.perf_counter()
            if self._rate is None:
                self._feed_in_lockstep()
            else:
                self._feed_in_time(self._rate)
            self._result.wall_s = time.perf_counter() - begin
            self._result.fed = self._traffic.fed
            self._finish()
        finally:
            self._close()
        if self._bag.warning:
            self._result.warnings.append(self._bag.warning)
        return self._result

    # Start ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._transition("configure", EdgeNode.trigger_configure)
        self._advertise_inputs()
        self._record_outputs()
        self._set_clock(self._bag.start_ns)
        self._wait(self._clocks_agree, "the nodes do not follow simulated time")
        self._transition("activate", EdgeNode.trigger_activate)
        self._wait(self._all_connected, "publishers and subscriptions do not find each other")
        self._wait(lambda: all(node.idle for node in self._nodes), "the nodes stay busy")
        self._take_baseline()

    def _take_baseline(self) -> None:
        # What was sent before all had found each other may never arrive; what is on its way must
        # not be counted out, or the replay would later wait for one message too few.
        deadline_s = time.perf_counter() + STRAGGLERS_S
        while not self._settled() and time.perf_counter() < deadline_s:
            self._spin(0.01)
        self._traffic.start_counting()
        self._tell_damage()

    def _tell_damage(self) -> None:
        """Put what is wrong with the recording on ``/diagnostics``, once it is known."""
        if self._bag.warning and not self._damage_told:
            self._damage_told = True
            entry = Health("recording", HealthLevel.WARN, self._bag.warning)
            full_name = self._player.get_fully_qualified_name()
            self._diagnostics.publish(to_array([entry], full_name, self._now_ns))

    def _transition(
        self, name: str, trigger: Callable[[EdgeNode], TransitionCallbackReturn]
    ) -> None:
        for node in self._nodes:
            if trigger(node) != TransitionCallbackReturn.SUCCESS:
                raise ReplayError(f"{node.get_name()}: {name} failed: {node.last_error}")

    def _advertise_inputs(self) -> None:
        own = {publisher.topic for publisher in self._traffic.publishers}
        for topic, msg_type in self._bag.topics.items():
            if topic in own or topic in {"/clock", "/rosout"}:
                self._result.warnings.append(f"{topic} is not fed: the system publishes it itself")
                continue
            try:
                msg_class = message_class(msg_type)
            except UnknownMessageType as error:
                self._result.warnings.append(f"{topic} is not fed: {error}")
                continue
            # Transient local, because a description may be recorded once and be needed later.
            self._inputs[topic] = self._player.create_publisher(msg_class, topic, EVENTS.profile())
            if msg_class in PICTURES:
                self._pictures.add(topic)

    def _record_outputs(self) -> None:
        outputs: dict[str, Any] = {
            publisher.topic: publisher.publisher.msg_type
            for publisher in self._traffic.publishers
            if self._traffic.is_recorded(publisher)
        }
        for topic, msg_class in outputs.items():
            if self._writer is not None:
                self._writer.add_topic(topic, message_type_name(msg_class))
            offered = self._player.get_publishers_info_by_topic(topic)
            self._player.create_subscription(
                msg_class,
                topic,
                partial(self._record, topic, msg_class),
                RECORDING_QOS.matching(offered),
                raw=True,
            )

    def _record(self, topic: str, msg_class: type, cdr: bytes) -> None:
        wall_s = time.perf_counter()
        self._traffic.recorded[topic] += 1
        self._result.published[topic] += 1
        if self._writer is not None:
            self._writer.write(topic, self._now_ns, cdr)
        if self._on_published is not None:
            self._on_published(Published(topic, msg_class, cdr, self._now_ns, wall_s))

    # Feeding -------------------------------------------------------------------------------------

    def _feed_in_lockstep(self) -> None:
        for message in self._bag:
            if self._should_stop():
                return
            self._step_to(message.stamp_ns)
            self._feed(message)
            self._settle()
        self._step_to(self._now_ns + self._tail_ns)

    def _step_to(self, stamp_ns: int) -> None:
        while self._now_ns < stamp_ns:
            self._set_clock(min(self._now_ns + CLOCK_STEP_NS, stamp_ns))
            self._settle()

    def _feed_in_time(self, rate: float) -> None:
        pace = Pace(time.perf_counter(), self._bag.start_ns, rate)
        for message in self._bag:
            if not self._spin_in_time(message.stamp_ns, pace):
                break
            # As in lockstep, every message comes after the one before it, at its own time; only
            # how long the nodes take for it is left open.
            self._wait(self._clocks_agree, "the nodes do not follow simulated time")
            self._make_room(message.topic, pace)
            self._feed(message)
            self._wait(
                partial(self._traffic.delivered, message.topic), "the nodes do not take a message"
            )
        else:
            if self._spin_in_time(self._now_ns + self._tail_ns, pace):
                self._settle()  # what is due at the last instant is told before the end
        if pace.held_s > HELD_TOLD_S:
            self._result.warnings.append(
                f"the nodes do not keep up with a rate of {rate:g}: the replay took "
                f"{pace.held_s:.1f} s longer, so that no more than pictures was left out"
            )

    def _spin_in_time(self, until_ns: int, pace: Pace) -> bool:
        while not self._should_stop():
            now_ns = pace.now_ns(time.perf_counter())
            self._set_clock(max(self._now_ns, min(now_ns, until_ns)))
            if now_ns >= until_ns:
                return True
            self._spin_for(min(CLOCK_PERIOD_S, (until_ns - now_ns) / pace.rate / 1e9))
        return False

    def _make_room(self, topic: str, pace: Pace) -> None:
        """Wait while a node would drop a message that is no picture for the next one.

        What a robot's computer drops depends on how quick it is; what a recording tells must not.
        """
        if topic not in self._inputs or topic in self._pictures:
            return
        begin_s = time.perf_counter()
        self._wait(
            lambda: self._traffic.has_room(topic) or self._should_stop(), "the nodes stay busy"
        )
        pace.hold(time.perf_counter() - begin_s)

    def _spin_for(self, duration_s: float) -> None:
        # One call of the executor handles one event, and one tick of the clock is many events.
        end_s = time.perf_counter() + duration_s
        while (left_s := end_s - time.perf_counter()) > 0:
            self._spin(left_s)

    def _feed(self, message: BagMessage) -> None:
        publisher = self._inputs.get(message.topic)
        if publisher is None:
            return
        self._traffic.fed[message.topic] += 1
        if self._on_fed is not None:
            self._on_fed(message, time.perf_counter())
        publisher.publish(message.cdr)

    def _set_clock(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._clock.publish(Clock(clock=to_stamp(now_ns)))

    # End -----------------------------------------------------------------------------------------

    def _finish(self) -> None:
        self._tell_damage()
        for node in self._nodes:
            for listener in node.listeners:
                if listener.inbox.dropped:
                    self._result.dropped[f"{node.get_name()} {listener.topic}"] = (
                        listener.inbox.dropped
                    )
        for node in self._traffic.in_data_flow():
            self._wait(partial(getattr, node, "idle"), f"{node.get_name()} stays busy")
            node.trigger_deactivate()
            # What it published while it was drained must reach the nodes behind it.
            self._wait(
                lambda: self._traffic.outputs_recorded, "the last messages do not arrive", 10.0
            )

    def _close(self) -> None:
        for node in self._nodes:
            # A node that failed may be finalized already.
            with suppress(RuntimeError):
                node.trigger_shutdown()
            self._executor.remove_node(node)
            node.destroy_node()
        self._executor.remove_node(self._player)
        self._player.destroy_node()
        self._executor.shutdown()

    # Rest ----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        self._wait(self._settled, "the nodes do not come to rest")

    def _wait(
        self, condition: Callable[[], bool], complaint: str, timeout_s: float = SETTLE_TIMEOUT_S
    ) -> None:
        deadline_s = time.perf_counter() + timeout_s
        while not condition():
            if time.perf_counter() > deadline_s:
                unrest = self._traffic.describe_unrest()
                raise ReplayError(f"{complaint} within {timeout_s:g} s: {unrest}")
            self._spin(0.002)

    def _spin(self, timeout_s: float) -> None:
        spin_once(self._executor, timeout_s, self._note_callback_error)

    def _note_callback_error(self, error: Exception) -> None:
        self._result.warnings.append(f"{type(error).__name__} in a callback: {error}")

    def _settled(self) -> bool:
        return self._traffic.at_rest and self._clocks_agree()

    def _all_connected(self) -> bool:
        return self._traffic.all_connected(
            (topic, publisher.get_subscription_count()) for topic, publisher in self._inputs.items()
        )

    def _clocks_agree(self) -> bool:
        return all(node.now_ns() == self._now_ns for node in self._nodes)
