"""What stands in the robot's way, from points alone: objects whose class nobody knows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import InvalidInput, RigidTransform
from edge_mm_ros.params.fusion_sensors import ObstacleParams
from edge_mm_ros.pipelines.fusion.class_sizes import depth_of
from edge_mm_ros.pipelines.fusion.clustering import MOST_CLUSTERS, clusters_of
from edge_mm_ros.pipelines.fusion.finding import Finding, Found
from edge_mm_ros.pipelines.fusion.flat_tops import with_tops
from edge_mm_ros.pipelines.fusion.shadows import Outline, hidden_beyond_m, outline_of
from edge_mm_ros.pipelines.tracking import Birth

_SCORE = 0.7  # that a cluster is something solid
_THINNEST_M = 0.05
_EDGE_SHARE, _CUT_SHARE = 0.1, 0.3  # of a width: how far its middle errs, whole and cut
_STANDS_M = 0.8  # what is seen lower than this above the ground is taken to stand on it
_FOLLOWED_M = 25.0  # further away the points of a thing are too few to follow it by
_FEW_FROM_M = 8.0  # from here on a thing may show as few points as are asked for
_MOST_TIMES = 8.0  # nearer so many times as many
_CELL_M = 0.5
_CELL_SHARE = 0.25  # of those points lies in one cell; a thing may lie across the corner of four
_SIDES = 8
_THING_M = 0.5  # so wide a piece of something shows as many points as a thing does
_LEAST_PER_SR = 250.0  # a LiDAR of 8 rings at steps of 1 degree has three times as many beams
_SLIVER_M = 0.15  # what shows so little beside a nearer thing may be an edge of anything
_MOST_HIDDEN_M = 1.0
_TOUCH_M = 0.2  # what stands half a metre from a wall, or from somebody, is a thing of its own
_LARGEST_M = 5.0  # what is longer, as a wall, is told in pieces
_ACROSS_M = 0.5  # what stands in a zone may be placed so far beyond its edge


def way_with_zones(
    way: ObstacleParams, zones: Iterable[Sequence[tuple[float, float]]]
) -> ObstacleParams:
    """A way that holds zones, too: a zone in which nothing may begin would look empty.

    Args:
        way: as configured.
        zones: polygons in the robot's frame.
    """
    corners = np.array([corner for polygon in zones for corner in polygon]).reshape(-1, 2)
    if not len(corners):
        return way
    low, high = corners.min(axis=0) - _ACROSS_M, corners.max(axis=0) + _ACROSS_M
    return way.model_copy(
        update={
            "ahead_m": max(way.ahead_m, float(high[0])),
            "behind_m": max(way.behind_m, -float(low[0])),
            "aside_m": max(way.aside_m, float(high[1]), -float(low[1])),
        }
    )


def way_reach_m(way: ObstacleParams) -> float:
    """How far from the robot's origin its way reaches, to the furthest corner."""
    return math.hypot(max(way.ahead_m, way.behind_m), way.aside_m)


def limit_of(complete_m: float, way: ObstacleParams, begun: int) -> InvalidInput | None:
    """What a limit left out, as `Found` tells it.

    Args:
        complete_m: where it begins; ``inf`` where nothing was left out.
        way: where the way is, and how much it may bring.
        begun: how many things the way has been found to hold.
    """
    if complete_m == math.inf:
        return None
    unseen = f"what lies further than {complete_m:.1f} m from the sensor may begin no object, and "
    unseen += "counts as unseen"
    if begun > way.max_objects:
        line = (
            f"{begun} things are in the way, more than obstacles.max_objects, {way.max_objects}: "
            f"{unseen}; raise max_objects"
        )
    else:
        line = f"it shows more than can be looked at in time: {unseen}; make the way smaller"
    return InvalidInput("too_many", line)


def in_the_way(
    points_m: NDArray[np.floating], way: ObstacleParams, ground_z_m: float
) -> NDArray[np.bool_]:
    """Which points (n, 3) of the robot's frame lie in its way, bool (n,).

    Its own footprint is left out: what is there is the robot itself.
    """
    x, y, z = points_m[:, 0], points_m[:, 1], points_m[:, 2]
    near = (x <= way.ahead_m) & (x >= -way.behind_m) & (np.abs(y) <= way.aside_m)
    return np.asarray(near & (z <= ground_z_m + way.max_height_m) & ~itself(points_m, way))


def itself(points_m: NDArray[np.floating], way: ObstacleParams) -> NDArray[np.bool_]:
    """Which points (n, 3) lie within the robot's footprint, bool (n,)."""
    x, y = points_m[:, 0], points_m[:, 1]
    return np.asarray(
        (x < way.footprint_front_m)
        & (x > -way.footprint_rear_m)
        & (np.abs(y) < way.footprint_side_m)
    )


def obstacles_of(
    points_m: NDArray[np.floating],
    way: ObstacleParams,
    *,
    source: str,
    sensor_m: NDArray[np.float64],
    range_sigma_m: float,
    ground_z_m: float,
    plan_from_robot: RigidTransform | None,
    flat: bool = False,
) -> Found:
    """Clusters of points as things without a class.

    Those in the robot's way may begin objects; those elsewhere, only where they are whole things,
    correct what is followed already.

    Args:
        points_m: float64 (n, 3) in the robot's frame, the ground left out.
        way: where the way is, and how much it may bring.
        source: the sensor as objects name it.
        sensor_m: float64 (3,), where it is.
        range_sigma_m: standard deviation of the sensor's distances.
        ground_z_m: height of the ground in the robot's frame.
        plan_from_robot: the frame in which pieces of long things lie still.
        flat: whether the points are those of one plane.

    Returns:
        what is found, in the robot's frame, and how far from the sensor all of it is.
    """
    points = points_m[_wanted(points_m, way)]
    points = points[_dense(points, way, flat=flat)]
    clusters = clusters_of(
        points,
        minimum_points=way.minimum_points,
        cell_m=_TOUCH_M,
        max_height_m=ground_z_m + way.max_height_m,
        max_extent_m=_LARGEST_M,
        plan_from_robot=plan_from_robot,
    )
    complete_m = math.inf
    if len(clusters) == MOST_CLUSTERS:
        last_m = _nearest_m(points[clusters[-1].members])
        if last_m < way_reach_m(way):
            complete_m = max(last_m - float(np.hypot(*sensor_m[:2])), 0.0)
    things, outlines = [], []
    for cluster in with_tops(points, clusters):
        members = points[cluster.members]
        parts = _sides(members, sensor_m, way, flat=flat)
        for part in parts:
            outline = outline_of(part, sensor_m)
            if flat or _solid(part, sensor_m, outline):
                things.append((part, cluster.whole and len(parts) == 1))
                outlines.append(outline)
    found = []
    begun = 0
    for (part, whole), beside in zip(things, hidden_beyond_m(outlines), strict=True):
        nearest = part[np.argmin(np.hypot(part[:, 0], part[:, 1]))]
        inside = bool(in_the_way(nearest[None], way, ground_z_m)[0])
        inside = inside and len(part) >= _least_points(nearest[None], way, flat=flat)[0]
        whole = whole and not beside.any()
        if inside:
            begun += 1
        elif not whole:
            continue
        birth = Birth.CONFIRMED if inside and begun <= way.max_objects else Birth.NEVER
        if inside and begun > way.max_objects:
            complete_m = min(complete_m, _nearest_m(part - sensor_m))
        found.append(
            _finding(
                part,
                source,
                sensor_m,
                range_sigma_m,
                ground_z_m,
                whole=whole,
                hidden_m=beside,
                birth=birth,
            )
        )
    return Found(tuple(found), complete_m, limit_of(complete_m, way, begun))


def _nearest_m(points_m: NDArray[np.floating]) -> float:
    """The least distance of points (n, 3), n at least 1, from the origin on the plan."""
    return float(np.hypot(points_m[:, 0], points_m[:, 1]).min())


def _sides(
    points_m: NDArray[np.floating],
    sensor_m: NDArray[np.float64],
    way: ObstacleParams,
    *,
    flat: bool,
) -> list[NDArray[np.floating]]:
    """The points (n, 3) of a cluster; of one that lies around the sensor, those of each side.

    Such a one is a small room, whose walls are apart, or the fog around, which has too few points
    for so large a thing.
    """
    gaps_m = points_m[:, :2] - sensor_m[:2]
    angles = np.arctan2(gaps_m[:, 1], gaps_m[:, 0])
    order = np.sort(angles)
    widest = float(np.max(np.diff(order, append=order[0] + 2.0 * np.pi)))
    if 2.0 * np.pi - widest <= np.pi:
        return [points_m]
    distance = float(np.median(np.hypot(gaps_m[:, 0], gaps_m[:, 1])))
    things = (2.0 * np.pi - widest) * distance / _THING_M
    least = float(_least_points(np.array([[distance, 0.0, 0.0]]), way, flat=flat)[0])
    if len(points_m) < things * least:
        return []
    side = np.floor((angles + np.pi) / (2.0 * np.pi / _SIDES)).astype(np.intp) % _SIDES
    return [points_m[side == each] for each in range(_SIDES) if np.any(side == each)]


def _solid(points_m: NDArray[np.floating], sensor_m: NDArray[np.float64], outline: Outline) -> bool:
    """Whether points (n, 3) fill the window through which the sensor sees them.

    A thing throws back most of the beams that meet it. Fog, rain, snow and dust throw back a few
    of those that pass through them.
    """
    gaps_m = points_m - sensor_m
    upwards = np.arctan2(gaps_m[:, 2], np.hypot(gaps_m[:, 0], gaps_m[:, 1]))
    window_sr = (outline.left_rad - outline.right_rad) * float(np.ptp(upwards))
    return len(points_m) >= _LEAST_PER_SR * window_sr


def _wanted(points_m: NDArray[np.floating], way: ObstacleParams) -> NDArray[np.bool_]:
    """Which points (n, 3) may belong to an obstacle, bool (n,)."""
    reach = max(_FOLLOWED_M, way.ahead_m, way.behind_m, way.aside_m)
    near = (np.abs(points_m[:, 0]) <= reach) & (np.abs(points_m[:, 1]) <= reach)
    return np.asarray(near & ~itself(points_m, way))


def _least_points(
    points_m: NDArray[np.floating], way: ObstacleParams, *, flat: bool
) -> NDArray[np.float64]:
    """How many points a thing shows at the place of each of the points (n, 3) at least, (n,).

    The nearer it is, the more beams meet it. A few echoes close by are fog, rain or dust.
    """
    if flat:  # one plane at a step of a degree has 11 points on a post of 0.2 m in 1 m distance
        return np.full(len(points_m), float(way.minimum_points))
    distances = np.maximum(np.hypot(points_m[:, 0], points_m[:, 1]), 1e-3)
    times = (_FEW_FROM_M / distances) ** 2
    return np.asarray(way.minimum_points * np.clip(times, 1.0, _MOST_TIMES))


def _dense(points_m: NDArray[np.floating], way: ObstacleParams, *, flat: bool) -> NDArray[np.bool_]:
    """Which points (n, 3) lie together with so many others as those of a thing do, bool (n,)."""
    if not len(points_m):
        return np.zeros(0, dtype=np.bool_)
    cells = np.floor(points_m[:, :2] / _CELL_M).astype(np.intp)
    cells -= cells.min(axis=0)
    _, columns = (int(most) + 1 for most in cells.max(axis=0))
    cell = cells[:, 0] * columns + cells[:, 1]
    least = _CELL_SHARE * _least_points(points_m, way, flat=flat)
    return np.asarray(np.bincount(cell)[cell] >= least)


def _finding(
    points_m: NDArray[np.floating],
    source: str,
    sensor_m: NDArray[np.float64],
    range_sigma_m: float,
    ground_z_m: float,
    *,
    whole: bool,
    hidden_m: NDArray[np.float64],
    birth: Birth,
) -> Finding:
    """Points (n, 3) as the near side of a thing.

    It is as deep as a detection of no known class is taken to be, so that a camera which places it
    by the same points puts it at the same place. What something nearer hides of it may be as wide
    as `hidden_m`, to the right and to the left, and is so for as long as the shadow lasts.
    """
    low, high = points_m.min(axis=0), points_m.max(axis=0)
    middle = (low[:2] + high[:2]) / 2.0
    ray = middle / max(float(np.hypot(*middle)), 1e-6)
    left = np.array([-ray[1], ray[0]])
    along, aside = points_m[:, :2] @ ray, points_m[:, :2] @ left
    near = float(along.min())
    across = max(float(aside.max() - aside.min()), _THINNEST_M)
    seen = float(along.max()) - near
    depth = depth_of(None, across, cut=False, seen_m=seen)
    hidden = max(depth.extent_m - seen, 0.0) * ray
    centre = middle + hidden / 2.0
    bottom, top = float(low[2]), float(high[2])
    if bottom - ground_z_m < _STANDS_M:
        bottom = min(ground_z_m, top - _THINNEST_M)
    height = max(top - bottom, _THINNEST_M)
    if hidden_m.any() and across < _SLIVER_M:
        birth = Birth.NEVER
    # The middle lies aside by half of what is hidden, which is anything up to so much. It is so in
    # many scans after each other; as noise, which is taken for new in each, all of it counts.
    hidden_m2 = float(np.sum(np.minimum(hidden_m, _MOST_HIDDEN_M) ** 2))
    aside_m2 = (across * (_EDGE_SHARE if whole else _CUT_SHARE)) ** 2 + hidden_m2
    axes = np.column_stack([ray, left])
    covariance = np.zeros((3, 3))
    covariance[:2, :2] = axes @ np.diag([depth.sigma_m**2, aside_m2]) @ axes.T
    covariance[2, 2] = (height / 4.0) ** 2
    covariance += (range_sigma_m**2 + _THINNEST_M**2) * np.eye(3)
    shared = np.zeros((3, 3))
    shared[:2, :2] = axes @ np.diag([depth.sigma_m**2, hidden_m2 / 12.0]) @ axes.T
    extent = np.maximum(high[:2] - low[:2] + np.abs(hidden), _THINNEST_M)
    return Finding(
        np.array([centre[0], centre[1], (bottom + top) / 2.0]),
        covariance,
        np.array([extent[0], extent[1], height]),
        _SCORE,
        (source,),
        birth=birth,
        shared_m2=shared,
        seen_from_m=sensor_m,
    )
