"""Turn rates of ``sensor_msgs/Imu``."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("sensor_msgs")

from sensor_msgs.msg import Imu

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.ros.conversions.imu import imu_from_msg
from edge_mm_ros.ros.conversions.stamps import to_stamp


def imu(x: float = 0.1, covariance: float = 0.0) -> Imu:
    message = Imu()
    message.header.frame_id = "imu_link"
    message.header.stamp = to_stamp(1_500_000_001)
    rate = message.angular_velocity
    rate.x, rate.y, rate.z = x, 0.2, -0.3
    message.angular_velocity_covariance[0] = covariance
    return message


def test_a_reading_has_the_rates_the_stamp_and_the_frame() -> None:
    reading = imu_from_msg(imu())
    assert reading.turn_rate_radps == pytest.approx([0.1, 0.2, -0.3])
    assert (reading.stamp_ns, reading.frame_id) == (1_500_000_001, "imu_link")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (imu(math.nan), "not_finite"),
        (imu(math.inf), "not_finite"),
        (imu(covariance=-1.0), "no_turn_rate"),
    ],
)
def test_what_is_no_turn_rate_is_refused_by_name(message: Imu, kind: str) -> None:
    with pytest.raises(InvalidInput, match="imu_link") as raised:
        imu_from_msg(message)
    assert raised.value.kind == kind
