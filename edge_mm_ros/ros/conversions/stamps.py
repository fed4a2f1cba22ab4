"""Times: ROS messages hold seconds and nanoseconds, values hold nanoseconds."""

from __future__ import annotations

from builtin_interfaces.msg import Time

NS_PER_S = 1_000_000_000


def to_ns(stamp: Time) -> int:
    """Nanoseconds of a message's time."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def to_stamp(stamp_ns: int) -> Time:
    """A message's time of nanoseconds."""
    sec, nanosec = divmod(int(stamp_ns), NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)
