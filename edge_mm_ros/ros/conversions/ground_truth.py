"""Ground truth as ``vision_msgs/Detection3DArray`` and its companion of diagnostics, and back."""

from __future__ import annotations

import math

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, Vector3
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox3D,
    Detection3D,
    Detection3DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from edge_mm_ros.datatypes import GroundTruth, InvalidInput, TrueObject
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp
from edge_mm_ros.ros.conversions.velocities import velocities_from_msg, velocity_values


def truth_to_msg(truth: GroundTruth) -> Detection3DArray:
    """Names as ids, classes, places and sizes."""
    header = _header(truth)
    message = Detection3DArray(header=header)
    for item in truth.objects:
        x, y, z = (float(value) for value in item.position_m)
        half = item.yaw_rad / 2.0
        pose = Pose(
            position=Point(x=x, y=y, z=z),
            orientation=Quaternion(z=math.sin(half), w=math.cos(half)),
        )
        length, width, height = (float(value) for value in item.size_m)
        message.detections.append(
            Detection3D(
                header=header,
                results=[
                    ObjectHypothesisWithPose(
                        hypothesis=ObjectHypothesis(class_id=item.label, score=1.0),
                        pose=PoseWithCovariance(pose=pose),
                    )
                ],
                bbox=BoundingBox3D(center=pose, size=Vector3(x=length, y=width, z=height)),
                id=item.name,
            )
        )
    return message


def truth_sources_to_msg(truth: GroundTruth) -> DiagnosticArray:
    """Velocities, and by which sensors each object is seen now."""
    message = DiagnosticArray(header=_header(truth))
    for item in truth.objects:
        sensors = KeyValue(key="sensors", value=",".join(item.seen_by))
        message.status.append(
            DiagnosticStatus(
                level=DiagnosticStatus.OK,
                name=item.name,
                message=item.label,
                values=[sensors, *velocity_values(item.velocity_mps)],
            )
        )
    return message


def truth_from_msgs(message: Detection3DArray, sources: DiagnosticArray) -> GroundTruth:
    """The truth of both messages of one stamp.

    Raises:
        InvalidInput: of the kinds ``no_hypothesis`` and ``not_finite``.
    """
    velocities = velocities_from_msg(sources)
    seen = {
        status.name: tuple(
            sensor
            for pair in status.values
            if pair.key == "sensors"
            for sensor in pair.value.split(",")
            if sensor
        )
        for status in sources.status
    }
    objects = []
    for detection in message.detections:
        if not detection.results:
            raise InvalidInput("no_hypothesis", f"true object '{detection.id}' has no class")
        place, size = detection.bbox.center.position, detection.bbox.size
        turn = detection.bbox.center.orientation
        objects.append(
            TrueObject(
                detection.id,
                detection.results[0].hypothesis.class_id,
                np.array([place.x, place.y, place.z]),
                2.0 * math.atan2(turn.z, turn.w),
                np.array([size.x, size.y, size.z]),
                velocities.get(detection.id, np.zeros(3)),
                seen.get(detection.id, ()),
            )
        )
    return GroundTruth(tuple(objects), to_ns(message.header.stamp), message.header.frame_id)


def _header(truth: GroundTruth) -> Header:
    return Header(stamp=to_stamp(truth.stamp_ns), frame_id=truth.frame_id)
