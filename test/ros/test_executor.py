"""The executor: services, time-outs, simulated time, and faults in callbacks."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("rclpy")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from edge_mm_ros.params import NodeParams, parameter
from edge_mm_ros.ros.conversions.stamps import to_stamp
from edge_mm_ros.ros.executor import make_executor, spin_once
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import RELIABLE


class GainParams(NodeParams):
    gain: float = parameter(0.5, "Gain.", live=True, ge=0.0, le=1.0)


class GainNode(EdgeNode):
    params_type = GainParams


class Bench:
    """A node on the executor under test, and a peer on the test's own."""

    def __init__(self, graph: Any, **options: Any) -> None:
        self.graph = graph
        self.node = GainNode("gain", context=graph.context, **options)
        self.executor = make_executor(graph.context)
        self.executor.add_node(self.node)
        self.errors: list[Exception] = []

    def until(self, condition: Any) -> None:
        def both() -> bool:
            spin_once(self.executor, 0.005, self.errors.append)
            return bool(condition())

        self.graph.spin_until(both)

    def call(self, service: type, name: str, request: Any) -> Any:
        client = self.graph.peer.create_client(service, name)
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()

    def close(self) -> None:
        self.executor.remove_node(self.node)
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def bench(ros_graph: Any) -> Any:
    made = Bench(ros_graph)
    yield made
    made.close()


def test_lifecycle_and_parameter_services_answer(bench: Bench) -> None:
    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert bench.call(ChangeState, "gain/change_state", request).success
    state = bench.call(GetState, "gain/get_state", GetState.Request())
    assert state.current_state.label == "active"
    for value, accepted in ((0.75, True), (7.0, False)):
        change = Parameter("gain", value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[change])
        answer = bench.call(SetParameters, "gain/set_parameters", request)
        assert answer.results[0].successful is accepted
    assert bench.node.params.gain == 0.75


def test_a_fault_in_a_callback_does_not_end_the_loop(bench: Bench, ros_graph: Any) -> None:
    heard = []

    def listen(message: String) -> None:
        heard.append(message.data)
        if message.data == "boom":
            raise RuntimeError("boom")

    bench.node.create_subscription(String, "words", listen, 10)
    words = ros_graph.publisher(String, "words", RELIABLE)
    bench.until(lambda: words.get_subscription_count() == 1)
    for word in ("one", "boom", "two"):
        words.publish(String(data=word))
    bench.until(lambda: len(heard) == 3)
    assert heard == ["one", "boom", "two"]
    assert [str(error) for error in bench.errors] == ["boom"]


def test_timers_follow_simulated_time(ros_graph: Any) -> None:
    bench = Bench(ros_graph, parameter_overrides=[Parameter("use_sim_time", value=True)])
    ticks: list[float] = []
    bench.node.create_timer(1.0, lambda: ticks.append(bench.node.now_ns() / 1e9))
    clock = ros_graph.publisher(Clock, "/clock", RELIABLE)
    bench.until(lambda: clock.get_subscription_count() == 1)
    for tenths in range(1000, 1041):
        now_ns = tenths * 100_000_000
        clock.publish(Clock(clock=to_stamp(now_ns)))
        bench.until(lambda now_ns=now_ns: bench.node.now_ns() == now_ns)
        if tenths % 10 == 0 and tenths > 1000:
            bench.until(lambda tenths=tenths: ticks and ticks[-1] == tenths / 10)
    assert ticks[-4:] == [101.0, 102.0, 103.0, 104.0]
    bench.close()
