"""What beams see of the ground: LiDAR and laser scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import LaserScan, PointCloud, RigidTransform
from edge_mm_ros.pipelines.free_space.polar import AZIMUTHS, Bools, PolarView, azimuth_of, nothing

_MOST_BEAMS = 40_000
# A step that shares no factor with the rings of a LiDAR leaves none of them out.
_STEPS = (1, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 127, 251)


@dataclass(frozen=True)
class Heights:
    """What is asked for over the ground.

    Attributes:
        ground_z_m: height of the ground in the robot's frame.
        clearance_m: echoes lower above it are ground.
        object_m: lowest object that must be noticed.
        tallest_m: echoes higher above the ground are in nobody's way.
    """

    ground_z_m: float
    clearance_m: float
    object_m: float
    tallest_m: float


def view_of_cloud(
    cloud: PointCloud,
    place: RigidTransform,
    heights: Heights,
    step_m: float,
    reach_m: float,
) -> PolarView:
    """What a LiDAR's echoes tell: the ground under each beam up to its echo.

    A direction without an echo tells nothing, because a cloud does not say that a beam was sent.

    Args:
        cloud: in the sensor's frame.
        place: the robot's frame from the sensor's.
        heights: what is asked for.
        step_m: depth of a cell.
        reach_m: how far it is asked for.
    """
    count = len(cloud.points_m)
    step = next((one for one in _STEPS if count // one <= _MOST_BEAMS), _STEPS[-1])
    points = cloud.points_m[::step]
    turn = place.rotation.astype(np.float32)
    # By columns: for a matrix this thin, BLAS spends its time on starting threads.
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    with np.errstate(over="ignore", invalid="ignore"):  # of absurd coordinates, which show nothing
        ends = [row[0] * x + row[1] * y + row[2] * z for row in turn]  # from the sensor on
    return _view(place, (ends[0], ends[1], ends[2]), None, heights, step_m, reach_m, echoes=2)


def view_of_scan(
    scan: LaserScan,
    place: RigidTransform,
    heights: Heights,
    step_m: float,
    reach_m: float,
) -> PolarView:
    """What a laser scanner's beams tell: the ground under each up to its echo.

    ``inf`` is a beam that met nothing (REP-117); NaN is none at all, nor is 0, which drivers give
    without an echo. A scan without any echo is no view: a covered scanner gives the same.

    Args:
        scan: the scan.
        place: the robot's frame from the sensor's.
        heights: what is asked for.
        step_m: depth of a cell.
        reach_m: how far it is asked for.
    """
    ranges = scan.ranges_m.astype(np.float64)
    echo = (ranges >= scan.min_range_m) & (ranges <= scan.max_range_m) & (ranges > 0.0)
    sent = echo | np.isposinf(ranges)
    if not np.any(echo):
        return nothing(place.translation_m, step_m, reach_m)
    angle = scan.angle_min_rad + scan.angle_step_rad * np.arange(len(scan))
    length = np.where(echo, ranges, scan.max_range_m)[sent]
    flat = [length * np.cos(angle[sent]), length * np.sin(angle[sent])]
    ends = [row[0] * flat[0] + row[1] * flat[1] for row in place.rotation]
    return _view(place, (ends[0], ends[1], ends[2]), echo[sent], heights, step_m, reach_m, echoes=1)


def _view(
    place: RigidTransform,
    ends_m: tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]],
    is_echo: Bools | None,
    heights: Heights,
    step_m: float,
    reach_m: float,
    *,
    echoes: int,
) -> PolarView:
    """The union of what all beams see.

    A beam from height `h` notices an object of the height that is asked for wherever it passes
    lower than that; along a straight beam this is one interval of distances.

    Args:
        place: of the sensor.
        ends_m: where the beams end, from the sensor, in the axes of the robot's frame.
        is_echo: which of them end at something; None: all.
        heights: what is asked for.
        step_m: depth of a cell.
        reach_m: how far it is asked for.
        echoes: so many in a cell make it occupied.
    """
    x, y, rise = ends_m
    rings = max(1, int(np.ceil(reach_m / step_m)))
    height = float(place.translation_m[2]) - heights.ground_z_m
    distance = np.hypot(x, y)
    room = heights.object_m - height  # how far the beam may rise until it passes above
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        crossing = distance * (room / rise)  # where it has the height that is asked for
    if room < 0.0:
        begin = np.where(rise < room, crossing, np.inf)
        end = distance
    else:
        begin = np.zeros_like(distance)
        end = np.where(rise > room, crossing, distance)
    azimuth = azimuth_of(x, y)
    first = np.ceil(np.fmin(begin, reach_m + step_m) / step_m).astype(np.intp)
    # The last cell counts only as far as the beam reaches its middle.
    last = np.rint(np.fmin(end, reach_m) / step_m).astype(np.intp)
    width = rings + 1
    used = first < last
    row = azimuth[used] * width
    size = AZIMUTHS * width
    change = np.bincount(row + first[used], minlength=size).astype(np.int64)
    change -= np.bincount(row + np.minimum(last[used], rings), minlength=size)
    seen = np.cumsum(change.reshape(AZIMUTHS, width), axis=1)[:, :rings] > 0

    top = rise + height
    thing = (top >= heights.clearance_m) & (top <= heights.tallest_m) & (distance < reach_m)
    if is_echo is not None:
        thing &= is_echo
    cell = azimuth[thing] * rings + (distance[thing] / step_m).astype(np.intp).clip(0, rings - 1)
    counts = np.bincount(cell, minlength=AZIMUTHS * rings).reshape(AZIMUTHS, rings)
    occupied = counts >= echoes
    origin = np.asarray(place.translation_m[:2], dtype=np.float64)
    return PolarView(origin, step_m, seen | occupied, occupied)
