"""Laser scans as ``sensor_msgs/LaserScan``, and back."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import LaserScan as LaserScanMsg

from edge_mm_ros.datatypes import LaserScan
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp


def laser_scan_to_msg(scan: LaserScan) -> LaserScanMsg:
    """A message; all beams have the scan's stamp."""
    message = LaserScanMsg(
        angle_min=scan.angle_min_rad,
        angle_max=scan.angle_min_rad + scan.angle_step_rad * max(len(scan) - 1, 0),
        angle_increment=scan.angle_step_rad,
        range_min=scan.min_range_m,
        range_max=scan.max_range_m,
        ranges=scan.ranges_m.tolist(),
    )
    message.header.frame_id = scan.frame_id
    message.header.stamp = to_stamp(scan.stamp_ns)
    return message


def laser_scan_from_msg(message: LaserScanMsg) -> LaserScan:
    """A scan.

    Raises:
        InvalidInput: of the kinds ``angles`` and ``range_limits``.
    """
    return LaserScan(
        np.asarray(message.ranges, dtype=np.float32),
        float(message.angle_min),
        float(message.angle_increment),
        float(message.range_min),
        float(message.range_max),
        to_ns(message.header.stamp),
        message.header.frame_id,
    )
