"""Radar scans as ``radar_msgs/RadarScan``, and back."""

from __future__ import annotations

import numpy as np
from radar_msgs.msg import RadarReturn
from radar_msgs.msg import RadarScan as RadarScanMsg

from edge_mm_ros.datatypes import RadarScan
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp


def radar_scan_to_msg(scan: RadarScan) -> RadarScanMsg:
    """A message; the Doppler velocity is positive where the distance grows."""
    rows = np.column_stack(
        [scan.range_m, scan.azimuth_rad, scan.elevation_rad, scan.doppler_mps, scan.amplitude_db]
    )
    message = RadarScanMsg(
        returns=[
            RadarReturn(
                range=distance,
                azimuth=azimuth,
                elevation=elevation,
                doppler_velocity=doppler,
                amplitude=amplitude,
            )
            for distance, azimuth, elevation, doppler, amplitude in rows.tolist()
        ]
    )
    message.header.frame_id = scan.frame_id
    message.header.stamp = to_stamp(scan.stamp_ns)
    return message


def radar_scan_from_msg(message: RadarScanMsg) -> RadarScan:
    """A scan.

    Raises:
        InvalidInput: of the kinds ``not_finite`` and ``negative_range``.
    """
    rows = np.array(
        [
            (r.range, r.azimuth, r.elevation, r.doppler_velocity, r.amplitude)
            for r in message.returns
        ],
        dtype=np.float64,
    ).reshape(-1, 5)
    distance, azimuth, elevation, doppler, amplitude = rows.T
    return RadarScan(
        distance,
        azimuth,
        elevation,
        doppler,
        amplitude,
        to_ns(message.header.stamp),
        message.header.frame_id,
    )
