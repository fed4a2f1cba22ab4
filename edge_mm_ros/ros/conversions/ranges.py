"""Range readings from ``sensor_msgs/Range``, and back."""

from __future__ import annotations

from sensor_msgs.msg import Range

from edge_mm_ros.datatypes import RangeReading
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp


def reading_from_msg(message: Range) -> RangeReading:
    """A reading.

    Raises:
        InvalidInput: of the kinds ``not_a_number``, ``range_limits``, ``field_of_view`` and
            ``out_of_range`` (0, or outside of the limits that the message itself gives).
    """
    return RangeReading(
        range_m=float(message.range),
        min_range_m=float(message.min_range),
        max_range_m=float(message.max_range),
        field_of_view_rad=float(message.field_of_view),
        stamp_ns=to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
    )


def reading_to_msg(reading: RangeReading) -> Range:
    """A message of an ultrasonic sensor."""
    message = Range(
        radiation_type=Range.ULTRASOUND,
        field_of_view=reading.field_of_view_rad,
        min_range=reading.min_range_m,
        max_range=reading.max_range_m,
        range=reading.range_m,
    )
    message.header.frame_id = reading.frame_id
    message.header.stamp = to_stamp(reading.stamp_ns)
    return message
