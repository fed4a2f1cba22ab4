"""Values written to a recording as the messages that sensors would have sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rclpy.serialization import serialize_message
from std_msgs.msg import String

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    GroundTruth,
    LaserScan,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
)
from edge_mm_ros.ros.bags import BagWriter, message_typestore, register_type
from edge_mm_ros.ros.conversions.camera_info import calibration_to_msg
from edge_mm_ros.ros.conversions.detections import detections_to_msg
from edge_mm_ros.ros.conversions.ground_truth import truth_sources_to_msg, truth_to_msg
from edge_mm_ros.ros.conversions.laser_scans import laser_scan_to_msg
from edge_mm_ros.ros.conversions.odometry import odometry_to_msg
from edge_mm_ros.ros.conversions.point_clouds import cloud_to_msg
from edge_mm_ros.ros.conversions.radar_scans import radar_scan_to_msg
from edge_mm_ros.ros.conversions.ranges import reading_to_msg
from edge_mm_ros.ros.conversions.safety import events_to_msg
from edge_mm_ros.ros.messages import message_type_name

_TO_MSG: dict[type, Any] = {
    Detections: detections_to_msg,
    LaserScan: laser_scan_to_msg,
    Odometry: odometry_to_msg,
    PointCloud: cloud_to_msg,
    RadarScan: radar_scan_to_msg,
    RangeReading: reading_to_msg,
    str: lambda text: String(data=text),
}


class ValueRecorder:
    """Writes values to a recording; equal values give equal bytes.

    Args:
        writer: where to.

    Attributes:
        counts: messages by topic.
    """

    def __init__(self, writer: BagWriter) -> None:
        self.counts: Counter[str] = Counter()
        self._writer = writer
        self._typestore = message_typestore()

    def write(self, topic: str, arrival_ns: int, stamp_ns: int, value: object) -> None:
        """Write one value, a ground truth as its two messages.

        Args:
            topic: relative name of the topic.
            arrival_ns: the time at which it is recorded.
            stamp_ns: of the header, for values without a stamp of their own.
            value: a value type, a text, or a tuple of safety events.

        Raises:
            BagError: the message's package is not installed.
        """
        if isinstance(value, GroundTruth):
            self._put(topic, arrival_ns, truth_to_msg(value))
            self._put(f"{topic}/sources", arrival_ns, truth_sources_to_msg(value))
        elif isinstance(value, CameraCalibration):
            self._put(topic, arrival_ns, calibration_to_msg(value, stamp_ns))
        elif isinstance(value, tuple):
            self._put(topic, arrival_ns, events_to_msg(value, stamp_ns))
        else:
            self._put(topic, arrival_ns, _TO_MSG[type(value)](value))

    def _put(self, topic: str, arrival_ns: int, message: Any) -> None:
        absolute = topic if topic.startswith("/") else f"/{topic}"
        msg_type = message_type_name(type(message))
        self._writer.add_topic(absolute, msg_type)
        self._writer.write(absolute, arrival_ns, self._serialised(message, msg_type))
        self.counts[absolute] += 1

    def _serialised(self, message: Any, msg_type: str) -> bytes:
        # The middleware leaves whatever was in memory in the gaps between fields; rosbags fills
        # them with zeros.
        register_type(self._typestore, msg_type)
        value = self._typestore.deserialize_cdr(serialize_message(message), msg_type)
        return bytes(self._typestore.serialize_cdr(value, msg_type))
