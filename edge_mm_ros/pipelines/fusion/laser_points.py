"""The hits of a planar laser scanner as points above the ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import LaserScan, RigidTransform

_LARGEST_TILT = 0.1  # rise of the plane per metre, above which it may meet the ground


def laser_points(
    scan: LaserScan,
    place: RigidTransform,
    *,
    ground_z_m: float,
    clearance_m: float,
    max_range_m: float,
) -> NDArray[np.float64]:
    """Where the beams of a scan hit something that stands on the ground.

    The ground is that of the parameters: a plane that lies level never meets it, and of one that
    tilts, hits nearer to it than the clearance are ground.

    Args:
        scan: the distances; what is not finite or outside of the scanner's own limits is none.
        place: the robot's frame from the scanner's.
        ground_z_m: height of the ground in the robot's frame.
        clearance_m: lower hits are ground.
        max_range_m: furthest from the robot's origin, on the plan.

    Returns:
        float64 (n, 3) in the robot's frame, in the order of the beams.
    """
    distances = scan.ranges_m.astype(np.float64)
    with np.errstate(invalid="ignore"):
        hit = (distances >= scan.min_range_m) & (distances <= scan.max_range_m)
    hit &= np.isfinite(distances) & (distances > 0.0)
    angles = scan.angle_min_rad + scan.angle_step_rad * np.flatnonzero(hit)
    spots = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))])
    points = place.apply(spots * distances[hit, None])
    kept = np.hypot(points[:, 0], points[:, 1]) <= max_range_m
    tilts = abs(float(place.rotation[2, 0])) + abs(float(place.rotation[2, 1])) > _LARGEST_TILT
    if tilts or place.translation_m[2] > ground_z_m + clearance_m:
        kept &= points[:, 2] > ground_z_m + clearance_m
    return np.asarray(points[kept])
