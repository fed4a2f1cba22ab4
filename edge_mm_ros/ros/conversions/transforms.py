"""Where a sensor's frame is: from ``tf`` where it is installed and knows it, else as configured."""

from __future__ import annotations

import importlib.util
from typing import Any

from geometry_msgs.msg import Transform
from rclpy.node import Node
from rclpy.time import Time

from edge_mm_ros.datatypes import InvalidInput, RigidTransform


def transform_from_msg(message: Transform) -> RigidTransform:
    """A transform of a message.

    Raises:
        InvalidInput: it is not finite, or its quaternion's norm is not 1.
    """
    shift, turn = message.translation, message.rotation
    return RigidTransform.from_quaternion(
        (shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w)
    )


class TransformSource:
    """Places of sensor frames in the robot's frame.

    Where ``tf2_ros`` is installed, it listens to ``tf`` from its creation until `close`; a
    transform found there wins over the configured one.

    Args:
        node: the node that listens.
        robot_frame: the frame in which sensors are placed.
    """

    def __init__(self, node: Node, robot_frame: str) -> None:
        self._robot_frame = robot_frame
        self._buffer: Any = None
        self._listener: Any = None
        self._tf2: Any = None
        if importlib.util.find_spec("tf2_ros") is not None:
            import tf2_ros

            self._tf2 = tf2_ros
            self._buffer = tf2_ros.Buffer(node=node)
            self._listener = tf2_ros.TransformListener(self._buffer, node)

    def close(self) -> None:
        """Stop to listen."""
        if self._listener is not None:
            self._listener.unregister()
        self._listener = None
        self._buffer = None

    def place(
        self, sensor: str, frame_id: str, stamp_ns: int, configured: RigidTransform | None
    ) -> RigidTransform:
        """Where a sensor's frame is at a time.

        Args:
            sensor: the sensor, named in the error.
            frame_id: its frame.
            stamp_ns: the time of its measurement.
            configured: its place by parameters; None where there is none.

        Raises:
            InvalidInput: of the kinds ``no_transform`` (neither tf nor the parameters know it) and
                ``stamp`` (it is before 1970, which tf cannot be asked for).
        """
        if stamp_ns < 0:
            raise InvalidInput(
                "stamp",
                f"'{sensor}': stamp {stamp_ns} ns is before 1970; its measurement is left out, its "
                "clock is to be checked",
            )
        reason = "tf2_ros is not installed"
        if self._buffer is not None:
            try:
                found = self._buffer.lookup_transform(
                    self._robot_frame, frame_id, Time(nanoseconds=stamp_ns)
                )
                return transform_from_msg(found.transform)
            except self._tf2.TransformException as error:
                reason = f"tf: {error}"
        if configured is not None:
            return configured
        raise InvalidInput(
            "no_transform",
            f"the place of '{sensor}' (frame '{frame_id}') in '{self._robot_frame}' is not known: "
            f"no mounting in the parameters, and {reason}; its measurement is left out",
        )
