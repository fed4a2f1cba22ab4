"""The base node: transitions, parameters, bad input, faults, and ten lives without growth."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter
from std_msgs.msg import String

from edge_mm_ros.datatypes import EdgeMmError, InvalidInput
from edge_mm_ros.params import NodeParams, StrictModel, parameter
from edge_mm_ros.ros.node import MAX_FAULTS_IN_A_ROW, EdgeNode
from edge_mm_ros.ros.qos import RELIABLE, SENSOR, TopicQos
from edge_mm_ros.ros.work_queue import lossless

WORDS = TopicQos(depth=100, reliable=True)


class MountParams(StrictModel):
    xyz_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


class FilterParams(StrictModel):
    order: int = parameter(2, "Order.", ge=1)
    names: tuple[str, ...] = parameter((), "Names.")


class EchoParams(NodeParams):
    sensors: tuple[str, ...] = parameter((), "Names of sensors.")
    gain: float = parameter(0.5, "Gain.", live=True, ge=0.0, le=1.0)
    mounting: dict[str, MountParams] = parameter({}, "Mounting.", keyed_by="sensors")
    filter: FilterParams = parameter(FilterParams(), "A group.", live=True)


class EchoNode(EdgeNode):
    """Publishes what it hears; some words make it fail."""

    params_type = EchoParams
    refuse_configure = ""

    def on_configured(self) -> None:
        if self.refuse_configure:
            raise EdgeMmError(self.refuse_configure)
        self.output = self.advertise(String, "out", RELIABLE)

    def on_activated(self) -> None:
        self.listen(String, "in", self._on_word, qos=WORDS, queue=lossless())

    def _on_word(self, message: String) -> None:
        if message.data == "bad":
            raise InvalidInput("word", "the word is bad")
        if message.data == "boom":
            raise RuntimeError("engine on fire")
        self.output.publish(String(data=threading.current_thread().name))


def make_echo(graph: Any, **overrides: Any) -> EchoNode:
    values = [Parameter(name, value=value) for name, value in overrides.items()]
    return EchoNode("echo", context=graph.context, parameter_overrides=values)


def state_of(node: EdgeNode) -> str:
    return str(node._state_machine.current_state[1])


def statuses(messages: list[DiagnosticArray]) -> dict[str, Any]:
    return {status.name: status for message in messages for status in message.status}


def test_a_handler_runs_on_a_worker_and_not_in_the_executor(ros_graph: Any) -> None:
    words = ros_graph.publisher(String, "in", WORDS)
    heard = ros_graph.collect(String, "out", RELIABLE)
    ros_graph.bring_up(make_echo(ros_graph))
    ros_graph.spin_until_connected(words)
    words.publish(String(data="hello"))
    ros_graph.spin_until(lambda: len(heard) == 1)
    assert heard[0].data == "echo.main"


def test_bad_input_is_reported_and_good_input_goes_on(ros_graph: Any) -> None:
    words = ros_graph.publisher(String, "in", WORDS)
    heard = ros_graph.collect(String, "out", RELIABLE)
    diagnostics = ros_graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
    ros_graph.bring_up(make_echo(ros_graph))
    ros_graph.spin_until_connected(words)
    for word in ("bad", "bad", "good"):
        words.publish(String(data=word))
    ros_graph.spin_until(lambda: len(heard) == 1)
    ros_graph.spin_until(
        lambda: any(
            name == "echo: input /in word" and status.values[0].value == "2"
            for name, status in statuses(diagnostics).items()
        )
    )
    entry = statuses(diagnostics)["echo: input /in word"]
    assert entry.message == "the word is bad"
    assert entry.level == b"\x01"


def test_repeated_bad_input_is_one_line_in_the_log(
    ros_graph: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ros_graph.publisher(String, "in", WORDS)
    heard = ros_graph.collect(String, "out", RELIABLE)
    ros_graph.bring_up(make_echo(ros_graph))
    ros_graph.spin_until_connected(words)
    for word in [*["bad"] * 50, "good"]:
        words.publish(String(data=word))
    ros_graph.spin_until(lambda: len(heard) == 1)
    # What is written down, not what /rosout brings: that may come at any time after.
    assert capfd.readouterr().err.count("/in: the word is bad") == 1


def test_many_faults_in_a_row_lead_to_the_error_transition_and_back(ros_graph: Any) -> None:
    words = ros_graph.publisher(String, "in", WORDS)
    node = ros_graph.bring_up(make_echo(ros_graph))
    ros_graph.spin_until_connected(words)
    for _ in range(MAX_FAULTS_IN_A_ROW):
        words.publish(String(data="boom"))
    ros_graph.spin_until(lambda: state_of(node) == "unconfigured")
    assert "engine on fire" in node.last_error
    assert node.trigger_configure() == Result.SUCCESS
    assert node.trigger_activate() == Result.SUCCESS


def test_another_handlers_success_does_not_hide_an_input_that_always_fails(ros_graph: Any) -> None:
    words = ros_graph.publisher(String, "in", WORDS)
    others = ros_graph.publisher(String, "other", WORDS)
    node = make_echo(ros_graph)
    listen_first = node.on_activated

    def listen_to_both() -> None:
        listen_first()
        node.listen(String, "other", lambda message: None, qos=WORDS, queue=lossless())

    node.on_activated = listen_to_both  # type: ignore[method-assign]
    ros_graph.bring_up(node)
    ros_graph.spin_until_connected(words)
    ros_graph.spin_until_connected(others)
    for _ in range(MAX_FAULTS_IN_A_ROW):
        words.publish(String(data="boom"))
        others.publish(String(data="fine"))
    ros_graph.spin_until(lambda: state_of(node) == "unconfigured")


def test_a_shutdown_while_active_still_says_its_last_words(ros_graph: Any) -> None:
    heard = ros_graph.collect(String, "out", RELIABLE)
    node = make_echo(ros_graph)
    node.on_deactivated = (  # type: ignore[method-assign]
        lambda: node.output.publish(String(data="last words"))
    )
    ros_graph.bring_up(node)
    ros_graph.spin_until(lambda: node.output.subscribers == 1)
    assert node.trigger_shutdown() == Result.SUCCESS
    ros_graph.spin_until(lambda: len(heard) == 1)
    assert heard[0].data == "last words"
    assert state_of(node) == "finalized"


def test_a_good_handler_call_ends_a_row_of_faults(ros_graph: Any) -> None:
    words = ros_graph.publisher(String, "in", WORDS)
    heard = ros_graph.collect(String, "out", RELIABLE)
    node = ros_graph.bring_up(make_echo(ros_graph))
    ros_graph.spin_until_connected(words)
    row = ["boom"] * (MAX_FAULTS_IN_A_ROW - 1)
    for word in [*row, "good", *row, "good"]:
        words.publish(String(data=word))
    ros_graph.spin_until(lambda: len(heard) == 2)
    assert state_of(node) == "active"


def test_a_refused_configure_names_its_reason_and_works_after_it_is_put_right(
    ros_graph: Any,
) -> None:
    node = ros_graph.add(make_echo(ros_graph))
    node.refuse_configure = "model file missing.onnx is missing"
    assert node.trigger_configure() == Result.FAILURE
    assert node.last_error == "model file missing.onnx is missing"
    assert state_of(node) == "unconfigured"
    node.refuse_configure = ""
    assert node.trigger_configure() == Result.SUCCESS


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("gain", 2.0, "less than or equal to 1"),
        ("gain", "loud", "valid number"),
        ("sensors", ["left"], "cannot change while the node is active"),
    ],
)
def test_a_wrong_change_is_refused_with_its_reason_and_the_old_value_stays(
    ros_graph: Any, name: str, value: Any, reason: str
) -> None:
    node = ros_graph.bring_up(make_echo(ros_graph))
    before = node.get_parameter(name).value
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    assert name in result.reason
    assert reason in result.reason
    assert node.get_parameter(name).value == before
    assert node.params.gain == 0.5


def test_a_parameter_cannot_be_deleted(ros_graph: Any) -> None:
    node = ros_graph.bring_up(make_echo(ros_graph))
    result = node.set_parameters([Parameter("gain", Parameter.Type.NOT_SET)])[0]
    assert not result.successful
    assert "'gain' cannot be deleted" in result.reason
    assert node.get_parameter("gain").value == 0.5


def test_a_whole_number_may_fill_a_real_one(ros_graph: Any) -> None:
    node = ros_graph.bring_up(make_echo(ros_graph))
    assert node.set_parameters([Parameter("gain", value=1)])[0].successful
    assert node.params.gain == 1.0


def test_groups_are_keyed_by_the_names_in_another_parameter(ros_graph: Any) -> None:
    node = make_echo(
        ros_graph, **{"sensors": ["left", "right"], "mounting.right.xyz_m": [1.0, 2.0, 3.0]}
    )
    ros_graph.bring_up(node)
    assert node.params.mounting["left"].xyz_m == (0.0, 0.0, 0.0)
    assert node.params.mounting["right"].xyz_m == (1.0, 2.0, 3.0)


def test_a_group_of_parameters_has_a_name_for_each_field(ros_graph: Any) -> None:
    node = ros_graph.bring_up(make_echo(ros_graph, **{"filter.names": ["a", "b"]}))
    assert node.params.filter == FilterParams(order=2, names=("a", "b"))
    assert node.describe_parameter("filter.order").description == "Order. (Ge(ge=1))"
    (result,) = node.set_parameters([Parameter("filter.order", value=3)])
    assert result.successful, result.reason
    assert node.params.filter.order == 3
    (result,) = node.set_parameters([Parameter("filter.order", value=0)])
    assert not result.successful
    assert "filter.order" in result.reason


def test_what_is_for_the_executor_is_done_soon_and_there(ros_graph: Any) -> None:
    node = ros_graph.bring_up(make_echo(ros_graph))
    done_by: list[str] = []

    def act() -> None:
        done_by.append(threading.current_thread().name)

    other = threading.Thread(target=node.in_executor, args=(act,))
    other.start()
    other.join()
    ros_graph.spin_until(lambda: bool(done_by), what="the action")
    assert done_by == [threading.current_thread().name]


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"gian": 0.3}, "gian"),
        ({"filter.ordre": 1}, "filter.ordre"),
        ({"gain": "much"}, "gain"),
        ({"sensors": ["left"], "mounting.left.xzy": [0.0, 0.0, 0.0]}, "mounting.left.xzy"),
    ],
)
def test_configure_refuses_a_wrong_or_unknown_parameter_by_name(
    ros_graph: Any, overrides: dict[str, Any], named: str
) -> None:
    node = ros_graph.add(make_echo(ros_graph, **overrides))
    assert node.trigger_configure() == Result.FAILURE
    assert named in node.last_error


@pytest.mark.parametrize("offered_reliable", [True, False])
def test_a_subscription_hears_reliable_and_best_effort_publishers(
    ros_graph: Any, offered_reliable: bool
) -> None:
    words = ros_graph.publisher(String, "in", TopicQos(depth=5, reliable=offered_reliable))
    heard = ros_graph.collect(String, "out", RELIABLE)
    ros_graph.bring_up(make_echo(ros_graph))
    ros_graph.spin_until_connected(words)
    words.publish(String(data="hello"))
    ros_graph.spin_until(lambda: len(heard) == 1)


def test_a_subscription_follows_a_publisher_that_comes_later(ros_graph: Any) -> None:
    heard = ros_graph.collect(String, "out", RELIABLE)
    node = ros_graph.bring_up(make_echo(ros_graph))
    assert "best effort" in str(node.listeners[0].health().values["reliability"])
    words = ros_graph.publisher(String, "in", WORDS)
    ros_graph.spin_until(lambda: node.listeners[0].health().values["reliability"] == "reliable")
    ros_graph.spin_until_connected(words)
    words.publish(String(data="hello"))
    ros_graph.spin_until(lambda: len(heard) == 1)


def test_a_best_effort_publisher_of_a_reliable_topic_is_a_warning(ros_graph: Any) -> None:
    ros_graph.publisher(String, "in", SENSOR)
    node = ros_graph.bring_up(make_echo(ros_graph))
    assert "best effort" in node.listeners[0].health().message


def test_ten_lives_leave_no_thread_and_no_file_behind(ros_graph: Any) -> None:
    node = ros_graph.add(make_echo(ros_graph))

    def live_once() -> None:
        for trigger in (
            node.trigger_configure,
            node.trigger_activate,
            node.trigger_deactivate,
            node.trigger_cleanup,
        ):
            assert trigger() == Result.SUCCESS, node.last_error
            ros_graph.executor.spin_once(timeout_sec=0.0)

    live_once()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        live_once()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) <= files


def test_a_destroyed_node_leaves_the_graph_although_somebody_still_knows_it(ros_graph: Any) -> None:
    node = ros_graph.add(make_echo(ros_graph))
    assert "echo" in ros_graph.peer.get_node_names()
    ros_graph.executor.remove_node(node)
    node.destroy_node()
    assert "echo" not in ros_graph.peer.get_node_names()
