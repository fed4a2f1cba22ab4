"""Markers of objects for RViz and Foxglove."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from numpy.typing import NDArray
from rclpy.duration import Duration
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from edge_mm_ros.datatypes import Object3D, Objects
from edge_mm_ros.ros.conversions.objects import header_of

_LIFETIME_S = 1.0
_SIGHTED = ColorRGBA(r=0.1, g=0.7, b=1.0, a=0.5)
_MEASURED = ColorRGBA(r=0.1, g=1.0, b=0.3, a=0.5)
_PREDICTED = ColorRGBA(r=0.7, g=0.7, b=0.7, a=0.4)
_WHITE = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
_DOUBTFUL = ColorRGBA(r=1.0, g=0.8, b=0.1, a=0.3)
_MOVING = ColorRGBA(r=1.0, g=0.4, b=0.1, a=0.9)
_ELLIPSE = 5.991  # chi square, 2 degrees of freedom, 95 %
_ELLIPSE_HEIGHT_M = 0.02
_ARROW_S = 1.0  # an arrow is as long as the way within this time
_STANDING_MPS = 0.1  # no arrow below


def markers_to_msg(objects: Objects) -> MarkerArray:
    """What is known of each object; what an earlier array showed is deleted first.

    A box (green: measured by more than a camera, blue: by cameras, grey: predicted), a caption, the
    95 % ellipse of its place at its foot, and an arrow along the way of the next second.
    """
    message = MarkerArray(markers=[Marker(header=header_of(objects), action=Marker.DELETEALL)])
    common = {
        "header": header_of(objects),
        "action": Marker.ADD,
        "lifetime": Duration(seconds=_LIFETIME_S).to_msg(),
    }
    for index, item in enumerate(objects.objects):
        common["id"] = index
        message.markers += [_box(item, common), _caption(item, common), _ellipse(item, common)]
        velocity = item.velocity_mps
        if velocity is not None and float(np.linalg.norm(velocity)) >= _STANDING_MPS:
            message.markers.append(_arrow(item.position_m, velocity, common))
    return message


def _box(item: Object3D, common: dict[str, Any]) -> Marker:
    length, width, height = (max(float(value), 0.05) for value in item.size_m)
    color = _PREDICTED
    if item.sources:
        seen = all(source.startswith("camera") for source in item.sources)
        color = _SIGHTED if seen else _MEASURED
    return Marker(
        ns="objects",
        type=Marker.CUBE,
        pose=Pose(position=_point(item.position_m), orientation=Quaternion(w=1.0)),
        scale=Vector3(x=length, y=width, z=height),
        color=color,
        **common,
    )


def _caption(item: Object3D, common: dict[str, Any]) -> Marker:
    top = item.position_m + [0.0, 0.0, max(float(item.size_m[2]), 0.05) / 2.0 + 0.3]
    return Marker(
        ns="captions",
        type=Marker.TEXT_VIEW_FACING,
        pose=Pose(position=_point(top), orientation=Quaternion(w=1.0)),
        scale=Vector3(x=0.0, y=0.0, z=0.3),
        color=_WHITE,
        text=f"{item.label} {item.track_id} {item.distance_m:.1f} m".strip(),
        **common,
    )


def _ellipse(item: Object3D, common: dict[str, Any]) -> Marker:
    foot = item.position_m - [0.0, 0.0, float(item.size_m[2]) / 2.0]
    values, axes = np.linalg.eigh(item.covariance_m2[:2, :2])
    short, long = (2.0 * math.sqrt(_ELLIPSE * max(float(value), 0.0)) for value in values)
    half = math.atan2(float(axes[1, 1]), float(axes[0, 1])) / 2.0
    return Marker(
        ns="covariances",
        type=Marker.CYLINDER,
        pose=Pose(
            position=_point(foot), orientation=Quaternion(z=math.sin(half), w=math.cos(half))
        ),
        scale=Vector3(x=max(long, 1e-3), y=max(short, 1e-3), z=_ELLIPSE_HEIGHT_M),
        color=_DOUBTFUL,
        **common,
    )


def _arrow(
    position_m: NDArray[np.float64], velocity_mps: NDArray[np.float64], common: dict[str, Any]
) -> Marker:
    return Marker(
        ns="velocities",
        type=Marker.ARROW,
        pose=Pose(orientation=Quaternion(w=1.0)),
        points=[_point(position_m), _point(position_m + _ARROW_S * velocity_mps)],
        scale=Vector3(x=0.06, y=0.14, z=0.2),
        color=_MOVING,
        **common,
    )


def _point(place_m: NDArray[np.float64]) -> Point:
    x, y, z = (float(value) for value in place_m)
    return Point(x=x, y=y, z=z)
