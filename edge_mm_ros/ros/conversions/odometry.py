"""Odometry as ``nav_msgs/Odometry``, and back."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Twist, Vector3
from nav_msgs.msg import Odometry as OdometryMsg
from scipy.spatial.transform import Rotation

from edge_mm_ros.datatypes import Odometry, RigidTransform
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp


def odometry_to_msg(odometry: Odometry) -> OdometryMsg:
    """A message."""
    x, y, z, w = Rotation.from_matrix(odometry.pose.rotation).as_quat().tolist()
    message = OdometryMsg(child_frame_id=odometry.child_frame_id)
    message.header.frame_id = odometry.frame_id
    message.header.stamp = to_stamp(odometry.stamp_ns)
    message.pose.pose = Pose(
        position=_filled(Point, odometry.pose.translation_m),
        orientation=Quaternion(x=x, y=y, z=z, w=w),
    )
    message.pose.covariance = odometry.pose_covariance.reshape(-1)
    message.twist.twist = Twist(
        linear=_filled(Vector3, odometry.velocity_mps),
        angular=_filled(Vector3, odometry.turn_rate_radps),
    )
    message.twist.covariance = odometry.twist_covariance.reshape(-1)
    return message


def odometry_from_msg(message: OdometryMsg) -> Odometry:
    """An estimate.

    Raises:
        InvalidInput: of the kinds ``transform`` (its pose is not one), ``not_finite``,
            ``too_far`` and ``too_fast``.
    """
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    return Odometry(
        RigidTransform.from_quaternion(
            (place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w)
        ),
        np.array([linear.x, linear.y, linear.z]),
        np.array([angular.x, angular.y, angular.z]),
        np.asarray(message.pose.covariance, dtype=np.float64).reshape(6, 6),
        np.asarray(message.twist.covariance, dtype=np.float64).reshape(6, 6),
        to_ns(message.header.stamp),
        message.header.frame_id,
        message.child_frame_id,
    )


def _filled(kind: type, values: np.ndarray) -> Point | Vector3:
    x, y, z = (float(value) for value in values)
    return kind(x=x, y=y, z=z)
