"""Markers of safety zones for RViz and Foxglove."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.duration import Duration
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from edge_mm_ros.datatypes import SafetyLevel, ZoneStatus
from edge_mm_ros.ros.conversions.stamps import to_stamp

_LIFETIME_S = 1.0  # zones of a monitor that is gone must not stand as if they still held
_LINE_M = 0.05
_LETTER_M = 0.3
_COLORS = {
    SafetyLevel.CLEAR: ColorRGBA(r=0.1, g=0.8, b=0.2, a=0.9),
    SafetyLevel.CAUTION: ColorRGBA(r=1.0, g=0.7, b=0.0, a=1.0),
    SafetyLevel.DANGER: ColorRGBA(r=1.0, g=0.1, b=0.1, a=1.0),
    SafetyLevel.UNKNOWN: ColorRGBA(r=0.6, g=0.6, b=0.6, a=1.0),
}


def zones_to_msg(zones: Iterable[ZoneStatus], frame_id: str, stamp_ns: int) -> MarkerArray:
    """The outline and a caption of each zone, in the colour of its level.

    Green: clear, amber: caution, red: danger, grey: unknown. What an earlier array showed is
    deleted first.
    """
    header = Header(stamp=to_stamp(stamp_ns), frame_id=frame_id)
    message = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    for index, zone in enumerate(zones):
        common = {
            "header": header,
            "action": Marker.ADD,
            "lifetime": Duration(seconds=_LIFETIME_S).to_msg(),
            "id": index,
            "color": _COLORS[zone.level],
        }
        message.markers += [_outline(zone, common), _caption(zone, common)]
    return message


def _outline(zone: ZoneStatus, common: dict[str, Any]) -> Marker:
    corners = [Point(x=x, y=y) for x, y in zone.outline_m.tolist()]
    return Marker(
        ns="zones",
        type=Marker.LINE_STRIP,
        pose=Pose(orientation=Quaternion(w=1.0)),
        scale=Vector3(x=_LINE_M),
        points=[*corners, corners[0]],
        **common,
    )


def _caption(zone: ZoneStatus, common: dict[str, Any]) -> Marker:
    x, y = zone.outline_m.mean(axis=0).tolist()
    return Marker(
        ns="zone_names",
        type=Marker.TEXT_VIEW_FACING,
        pose=Pose(position=Point(x=x, y=y), orientation=Quaternion(w=1.0)),
        scale=Vector3(z=_LETTER_M),
        text=f"{zone.name}: {zone.level.value}",
        **common,
    )
