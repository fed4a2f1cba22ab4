"""What sensors with a wide beam tell of the ground: ultrasonic sensors and radars."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import RadarScan, RangeReading, RigidTransform
from edge_mm_ros.pipelines.free_space.polar import (
    AZIMUTHS,
    PolarView,
    azimuth_of,
    middle_azimuths_rad,
    nearest_rings,
    nothing,
)
from edge_mm_ros.pipelines.free_space.rays import Heights


def view_of_range(
    reading: RangeReading,
    place: RigidTransform,
    heights: Heights,
    step_m: float,
    reach_m: float,
) -> PolarView:
    """An ultrasonic cone: free before the echo, occupied at it, unseen behind.

    ``-inf`` is something nearer than the sensor can tell: the cone up to there is occupied, and
    the rest unseen. ``inf`` is free up to the sensor's reach (REP-117). A cone of a width that is
    not told is no view.

    Args:
        reading: the reading.
        place: the robot's frame from the sensor's, x along the beam.
        heights: what is asked for.
        step_m: depth of a cell.
        reach_m: how far it is asked for.
    """
    reach_m = min(reach_m, reading.max_range_m)
    view = nothing(place.translation_m, step_m, reach_m)
    if reading.field_of_view_rad == 0.0:
        return view
    rings = view.seen.shape[1]
    half = reading.field_of_view_rad / 2.0
    middles = (np.arange(rings) + 0.5) * step_m
    in_cone = _directions(place, half)[:, None] & _low_enough(place, half, middles, heights)
    if reading.range_m == -math.inf:
        occupied = in_cone & (middles <= max(reading.min_range_m, step_m))
        return PolarView(view.origin_m, step_m, occupied, occupied)
    seen = in_cone & (middles >= reading.min_range_m) & (middles <= min(reading.range_m, reach_m))
    occupied = view.occupied
    if reading.range_m <= reach_m:
        echo = min(int(reading.range_m / step_m), rings - 1)
        occupied = in_cone & (np.arange(rings) == echo)
    return PolarView(view.origin_m, step_m, seen | occupied, occupied)


def view_of_radar(
    scan: RadarScan,
    place: RigidTransform,
    heights: Heights,
    step_m: float,
    reach_m: float,
    field_of_view_rad: float,
    max_range_m: float,
) -> PolarView:
    """A radar: occupied at its returns; free before them only where that is promised.

    Clothes, plastic and what moves across may give no return, and the message does not tell how
    far a radar looks. So its silence counts only within a view that is given.

    Args:
        scan: the scan.
        place: the robot's frame from the sensor's.
        heights: what is asked for.
        step_m: depth of a cell.
        reach_m: how far it is asked for.
        field_of_view_rad: within which its silence counts; 0: nowhere.
        max_range_m: up to which its silence counts.
    """
    view = nothing(place.translation_m, step_m, reach_m)
    rings = view.seen.shape[1]
    flat = scan.range_m * np.cos(scan.elevation_rad)
    own = np.column_stack(
        [
            flat * np.cos(scan.azimuth_rad),
            flat * np.sin(scan.azimuth_rad),
            scan.range_m * np.sin(scan.elevation_rad),
        ]
    )
    points = place.apply(own)
    above = points[:, 2] - heights.ground_z_m
    points = points[(above >= heights.clearance_m) & (above <= heights.tallest_m), :2]
    offset = points - view.origin_m
    ring = np.hypot(offset[:, 0], offset[:, 1]) / step_m
    near = ring < rings  # before the cast: a far return may have no integer
    occupied = view.occupied.copy()
    azimuth = azimuth_of(offset[near, 0], offset[near, 1])
    occupied[azimuth, ring[near].astype(np.intp)] = True
    seen = occupied
    if field_of_view_rad > 0.0 and max_range_m > 0.0:
        middles = (np.arange(rings) + 0.5) * step_m
        promised = _directions(place, field_of_view_rad / 2.0)[:, None] & (middles <= max_range_m)
        free = np.arange(rings) < nearest_rings(view, points)[:, None]
        seen = occupied | (promised & free)
    return PolarView(view.origin_m, step_m, seen, occupied)


def _directions(place: RigidTransform, half_rad: float) -> NDArray[np.bool_]:
    """Which directions lie within a sensor's view, bool (AZIMUTHS,)."""
    if half_rad >= math.pi:
        return np.ones(AZIMUTHS, dtype=np.bool_)
    axis = place.rotation[:, 0]
    aside = middle_azimuths_rad() - math.atan2(float(axis[1]), float(axis[0]))
    aside = (aside + np.pi) % (2.0 * np.pi) - np.pi
    return np.asarray(np.abs(aside) <= half_rad)


def _low_enough(
    place: RigidTransform, half_rad: float, distances_m: NDArray[np.floating], heights: Heights
) -> NDArray[np.bool_]:
    """At which distances a cone holds something of the lowest object that is asked for."""
    height = float(place.translation_m[2]) - heights.ground_z_m
    tilt = math.asin(min(max(float(place.rotation[2, 0]), -1.0), 1.0))
    limit = 0.49 * math.pi
    low = height + distances_m * math.tan(max(tilt - half_rad, -limit))
    high = height + distances_m * math.tan(min(tilt + half_rad, limit))
    return np.asarray((low <= heights.object_m) & (high >= 0.0))
