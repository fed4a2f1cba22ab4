"""Turn rates from ``sensor_msgs/Imu``."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Imu

from edge_mm_ros.datatypes import ImuReading, InvalidInput
from edge_mm_ros.ros.conversions.stamps import to_ns


def imu_from_msg(message: Imu) -> ImuReading:
    """A reading.

    Raises:
        InvalidInput: of the kinds ``no_turn_rate`` (the message says that it has none),
            ``not_finite`` and ``too_fast``.
    """
    if message.angular_velocity_covariance[0] == -1.0:
        raise InvalidInput(
            "no_turn_rate",
            f"IMU reading of '{message.header.frame_id}': its covariance of -1 says that it "
            "measures no turn rate",
        )
    rate = message.angular_velocity
    return ImuReading(
        np.array([rate.x, rate.y, rate.z]), to_ns(message.header.stamp), message.header.frame_id
    )
