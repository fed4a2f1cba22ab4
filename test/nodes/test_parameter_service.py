"""`ros2 param set` on every node: a wrong value is refused with a reason, the old one stays."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from edge_mm_ros.nodes.running import node_class
from edge_mm_ros.params.node_kinds import NODE_KINDS, NodeKind
from edge_mm_ros.ros.parameters import names_of

WRONG_FOR_ALL = [
    ParameterValue(type=ParameterType.PARAMETER_BYTE_ARRAY, byte_array_value=[b"\x01"]),
    ParameterValue(type=ParameterType.PARAMETER_BOOL_ARRAY, bool_array_value=[True]),
    ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=float("nan")),
    ParameterValue(type=ParameterType.PARAMETER_NOT_SET),
]


@pytest.mark.parametrize("kind", NODE_KINDS)
def test_a_wrong_value_is_refused_with_the_parameters_name(ros_graph: Any, kind: NodeKind) -> None:
    node = ros_graph.add(node_class(kind)(context=ros_graph.context))
    client = ros_graph.peer.create_client(SetParameters, f"{kind}/set_parameters")
    ros_graph.spin_until(client.service_is_ready)
    names = names_of(node, node.params_type)
    assert len(names) >= 5
    for name in names:
        before = node.get_parameter(name).value
        request = SetParameters.Request(
            parameters=[Parameter(name=name, value=value) for value in WRONG_FOR_ALL]
        )
        future = client.call_async(request)
        ros_graph.spin_until(future.done, what=f"an answer about {name}")
        for result in future.result().results:
            assert not result.successful, name
            assert name in result.reason
        assert node.get_parameter(name).value == before
