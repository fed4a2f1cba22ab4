"""Replay in lockstep: nothing is lost, and two runs are alike."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.params import NodeParams
from edge_mm_ros.ros import replay as replay_module
from edge_mm_ros.ros.bags import BagReader, BagWriter
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import RELIABLE, SENSOR
from edge_mm_ros.ros.replay import Replay, ReplayError, ReplayResult
from edge_mm_ros.ros.work_queue import latest_only, lossless

SIM_TIME = [Parameter("use_sim_time", value=True)]
COUNT = 30
PERIOD_NS = 50_000_000


class NoParams(NodeParams):
    """None."""


class SlowNode(EdgeNode):
    """Keeps only the newest message and is slower than they come."""

    params_type = NoParams

    def on_configured(self) -> None:
        self.output = self.advertise(String, "middle", RELIABLE)
        self.ticks = self.advertise(String, "ticks", RELIABLE)

    def on_deactivated(self) -> None:
        self.output.publish(String(data="last words"))

    def on_activated(self) -> None:
        self.listen(String, "words", self._on_word, qos=SENSOR, queue=latest_only())
        self.every(0.2, lambda: self.ticks.publish(String(data=str(self.now_ns()))), "other")

    def _on_word(self, message: String) -> None:
        threading.Event().wait(0.003)
        self.output.publish(String(data=message.data + "!"))


class LastNode(EdgeNode):
    """Publishes two messages for one, and a count when it is deactivated."""

    params_type = NoParams

    def on_configured(self) -> None:
        self.heard = 0
        self.output = self.advertise(String, "end", RELIABLE)

    def on_activated(self) -> None:
        self.listen(String, "middle", self._on_word, qos=RELIABLE, queue=latest_only())

    def on_deactivated(self) -> None:
        self.output.publish(String(data=f"heard {self.heard}"))

    def _on_word(self, message: String) -> None:
        self.heard += 1
        for part in "ab":
            self.output.publish(String(data=message.data + part))


class PictureNode(EdgeNode):
    """Takes 30 ms for a picture and keeps only the newest one."""

    params_type = NoParams

    def on_activated(self) -> None:
        slow = threading.Event()
        self.listen(
            CompressedImage,
            "pictures",
            lambda _: slow.wait(0.03),
            qos=SENSOR,
            queue=latest_only(),
        )


class TimesNode(EdgeNode):
    """Tells when each word came, however long it waited."""

    params_type = NoParams

    def on_configured(self) -> None:
        self.output = self.advertise(String, "times", RELIABLE)

    def on_activated(self) -> None:
        self.listen(String, "words", self._on_word, qos=SENSOR, queue=lossless())

    def _on_word(self, message: String) -> None:
        threading.Event().wait(0.01)
        self.output.publish(String(data=f"{message.data} {self.arrived_ns()}"))


class RefusingNode(EdgeNode):
    params_type = NoParams

    def on_configured(self) -> None:
        raise EdgeMmError("no model today")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "words.mcap"
    with BagWriter(path) as writer:
        writer.add_topic("/words", "std_msgs/msg/String")
        for n in range(COUNT):
            stamp_ns = 10**18 + n * PERIOD_NS
            writer.write("/words", stamp_ns, serialize_message(String(data=f"w{n}")))
    return path


@pytest.fixture
def context() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=1 + os.getpid() % 100)
    yield context
    context.try_shutdown()


def replay(
    context: Any, recording: Path, output: Path | None = None, rate: float | None = None
) -> ReplayResult:
    nodes = [
        LastNode("last", context=context, parameter_overrides=SIM_TIME),
        SlowNode("slow", context=context, parameter_overrides=SIM_TIME),
    ]
    bag = BagReader(recording)
    if output is None:
        return Replay(context, nodes, bag, rate=rate, tail_s=0.5).run()
    with BagWriter(output) as writer:
        return Replay(context, nodes, bag, rate=rate, writer=writer, tail_s=0.5).run()


def test_lockstep_drops_nothing_even_where_a_node_keeps_only_the_newest(
    context: Any, recording: Path
) -> None:
    result = replay(context, recording)
    assert result.fed == {"/words": COUNT}
    assert result.dropped == {}
    assert result.published["/middle"] == COUNT + 1
    assert result.published["/end"] == 2 * (COUNT + 1) + 1
    assert result.warnings == []


def test_two_runs_give_the_same_messages_with_the_same_stamps(
    context: Any, recording: Path, tmp_path: Path
) -> None:
    outputs = []
    for name in ("first.mcap", "second.mcap"):
        replay(context, recording, tmp_path / name)
        outputs.append([m for m in BagReader(tmp_path / name) if m.topic != "/diagnostics"])
    assert outputs[0] == outputs[1]
    assert {m.topic for m in outputs[0]} == {"/middle", "/end", "/ticks"}


def test_what_a_node_says_while_it_is_deactivated_reaches_the_node_behind_it(
    context: Any, recording: Path, tmp_path: Path
) -> None:
    replay(context, recording, tmp_path / "out.mcap")
    last = [m for m in BagReader(tmp_path / "out.mcap") if m.topic == "/end"][-1]
    assert deserialize_message(last.cdr, String).data == f"heard {COUNT + 1}"


def test_timers_run_on_simulated_time(context: Any, recording: Path) -> None:
    result = replay(context, recording)
    simulated_s = (COUNT - 1) * PERIOD_NS / 1e9 + 0.5
    assert abs(result.published["/ticks"] - simulated_s / 0.2) <= 1


def test_in_real_time_a_quick_node_hears_everything(context: Any, recording: Path) -> None:
    result = replay(context, recording, rate=1.0)
    assert result.published["/middle"] == COUNT + 1
    assert result.dropped == {}
    assert result.wall_s == pytest.approx((COUNT - 1) * PERIOD_NS / 1e9 + 0.5, abs=0.5)


def test_in_real_time_only_pictures_are_dropped_where_a_node_is_slow(
    context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "HELD_TOLD_S", 0.0)
    path = tmp_path / "both.mcap"
    with BagWriter(path) as writer:
        writer.add_topic("/pictures", "sensor_msgs/msg/CompressedImage")
        writer.add_topic("/words", "std_msgs/msg/String")
        for n in range(COUNT):
            stamp_ns = 10**18 + n * PERIOD_NS
            writer.write("/pictures", stamp_ns, serialize_message(CompressedImage()))
            writer.write("/words", stamp_ns, serialize_message(String(data=f"w{n}")))
    nodes = [
        PictureNode("slow_eye", context=context, parameter_overrides=SIM_TIME),
        SlowNode("slow", context=context, parameter_overrides=SIM_TIME),
    ]
    result = Replay(context, nodes, BagReader(path), rate=100.0, tail_s=0.0).run()
    assert result.fed == {"/words": COUNT, "/pictures": COUNT}
    assert result.published["/middle"] == COUNT + 1
    assert set(result.dropped) == {"slow_eye /pictures"}
    assert 0 < result.dropped["slow_eye /pictures"] < COUNT
    (warning,) = result.warnings
    assert "do not keep up with a rate of 100" in warning


@pytest.mark.parametrize("rate", [20.0, 5.0])
def test_at_any_rate_a_message_comes_at_its_own_time(
    context: Any, recording: Path, tmp_path: Path, rate: float
) -> None:
    heard = []
    for name, speed in (("max.mcap", None), ("timed.mcap", rate)):
        node = TimesNode("times", context=context, parameter_overrides=SIM_TIME)
        with BagWriter(tmp_path / name) as writer:
            Replay(context, [node], BagReader(recording), rate=speed, writer=writer).run()
        heard.append(
            [
                deserialize_message(m.cdr, String).data
                for m in BagReader(tmp_path / name)
                if m.topic == "/times"
            ]
        )
    assert heard[0] == [f"w{n} {10**18 + n * PERIOD_NS}" for n in range(COUNT)]
    assert heard[1] == heard[0]


def test_a_node_that_refuses_to_configure_is_named_with_its_reason(
    context: Any, recording: Path
) -> None:
    node = RefusingNode("broken", context=context, parameter_overrides=SIM_TIME)
    with pytest.raises(ReplayError, match="broken: configure failed: no model today"):
        Replay(context, [node], BagReader(recording)).run()


def test_a_topic_of_an_unknown_type_is_left_out_and_named(context: Any, tmp_path: Path) -> None:
    path = tmp_path / "bag.mcap"
    with BagWriter(path) as writer:
        writer.add_topic("/words", "std_msgs/msg/String")
        writer.write("/words", 10**18, serialize_message(String(data="w")))
    bag = BagReader(path)
    bag.topics["/odd"] = "unheard_msgs/msg/Odd"
    node = SlowNode("slow", context=context, parameter_overrides=SIM_TIME)
    result = Replay(context, [node], bag, tail_s=0.0).run()
    assert any("/odd" in warning and "unheard_msgs" in warning for warning in result.warnings)


def test_a_rate_must_be_positive(context: Any, recording: Path) -> None:
    with pytest.raises(ReplayError, match="rate must be positive"):
        Replay(context, [], BagReader(recording), rate=0.0)
