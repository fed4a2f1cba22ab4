"""Objects as ``vision_msgs`` 4, and their sources and velocities as diagnostics."""

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

from edge_mm_ros.datatypes import InvalidInput, Object3D, Objects
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp
from edge_mm_ros.ros.conversions.velocities import velocity_values

_TURN_VARIANCE = math.pi**2  # the orientation is not measured: any is as good


def objects_to_msg(objects: Objects) -> Detection3DArray:
    """A message; `id` is the track, the pose is the object's centre, axes along the frame's."""
    header = header_of(objects)
    message = Detection3DArray(header=header)
    for item in objects.objects:
        x, y, z = (float(value) for value in item.position_m)
        pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0))
        covariance = np.diag([0.0, 0.0, 0.0, _TURN_VARIANCE, _TURN_VARIANCE, _TURN_VARIANCE])
        covariance[:3, :3] = item.covariance_m2
        hypothesis = ObjectHypothesisWithPose(
            hypothesis=ObjectHypothesis(class_id=item.label, score=float(item.score)),
            pose=PoseWithCovariance(pose=pose, covariance=covariance.reshape(-1)),
        )
        size = Vector3(**dict(zip("xyz", map(float, item.size_m), strict=True)))
        message.detections.append(
            Detection3D(
                header=header,
                results=[hypothesis],
                bbox=BoundingBox3D(center=pose, size=size),
                id=item.track_id,
            )
        )
    return message


def objects_from_msg(message: Detection3DArray) -> Objects:
    """The objects of a message, each with its most certain class; sources are not in it.

    Raises:
        InvalidInput: of the kinds ``no_hypothesis`` (an object without a class) and
            ``not_finite``.
    """
    found = []
    for index, detection in enumerate(message.detections):
        if not detection.results:
            raise InvalidInput("no_hypothesis", f"object {index} has no class")
        best = max(detection.results, key=lambda result: float(result.hypothesis.score))
        centre, size = detection.bbox.center.position, detection.bbox.size
        covariance = np.asarray(best.pose.covariance, dtype=np.float64).reshape(6, 6)[:3, :3]
        if not math.isfinite(best.hypothesis.score):
            raise InvalidInput("not_finite", f"object {index}: its score is not finite")
        found.append(
            Object3D(
                detection.id,
                best.hypothesis.class_id,
                float(best.hypothesis.score),
                np.array([centre.x, centre.y, centre.z]),
                np.array([size.x, size.y, size.z]),
                covariance,
                (),
            )
        )
    return Objects(tuple(found), to_ns(message.header.stamp), message.header.frame_id)


def sources_to_msg(objects: Objects) -> DiagnosticArray:
    """Which sensors each object rests on, and its velocity: one status, named after its track.

    The source of what is not seen now is ``prediction``.
    """
    message = DiagnosticArray(header=header_of(objects))
    for item in objects.objects:
        kinds = dict.fromkeys(source.partition(":")[0] for source in item.sources)
        values = {
            "source": "+".join(kinds) or "prediction",
            "distance_m": f"{item.distance_m:.3f}",
            "bearing_rad": f"{item.bearing_rad:.4f}",
            "sensors": ",".join(item.sources),
        }
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        if item.velocity_mps is not None:
            pairs += velocity_values(item.velocity_mps)
        message.status.append(
            DiagnosticStatus(
                level=DiagnosticStatus.OK,
                name=item.track_id,
                message=item.label,
                values=pairs,
            )
        )
    return message


def header_of(objects: Objects) -> Header:
    """The header that all messages about the same objects share."""
    return Header(stamp=to_stamp(objects.stamp_ns), frame_id=objects.frame_id)
