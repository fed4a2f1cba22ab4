"""The sensors and velocities of objects, as ``sensor_fusion`` publishes them beside ``objects``."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray

from edge_mm_ros.datatypes import ObjectSource, ObjectSources
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.conversions.velocities import velocity_of


def sources_from_msg(message: DiagnosticArray) -> ObjectSources:
    """What `objects.sources_to_msg` writes; an entry without ``sensors`` names none."""
    entries = []
    for status in message.status:
        told = {pair.key: pair.value for pair in status.values}
        sensors = tuple(name for name in told.get("sensors", "").split(",") if name)
        entries.append(ObjectSource(status.name, sensors, velocity_of(status)))
    return ObjectSources(tuple(entries), to_ns(message.header.stamp))
