"""Range readings from ``sensor_msgs/Range``."""

from __future__ import annotations

from sensor_msgs.msg import Range

from edge_mm_ros.datatypes import RangeReading
from edge_mm_ros.ros.conversions.stamps import to_ns


def reading_from_msg(message: Range) -> RangeReading:
    """A reading.

    Raises:
        InvalidInput: it is not a number, or outside of the limits that the message itself gives.
    """
    return RangeReading(
        range_m=float(message.range),
        min_range_m=float(message.min_range),
        max_range_m=float(message.max_range),
        field_of_view_rad=float(message.field_of_view),
        stamp_ns=to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
    )
