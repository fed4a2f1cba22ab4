"""The place of an object from the LiDAR points in its box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from edge_mm_ros.datatypes import PointCloud, RigidTransform
from edge_mm_ros.pipelines.fusion.viewpoint import (
    Box,
    Placement,
    Viewpoint,
    default_thickness,
    place_upright,
)

_CELL_M = 0.3
_SQUARE_M = 1.0
_GROUND_STEP_M = 0.3  # the ground keeps within this of the assumed plane
_GROUND_SLOPE = 0.05  # and within this per metre of distance
_RANGE_SIGMA_M = 0.05
_MIN_SUPPORT = 0.3  # share of the best cluster's points in the box's core that a nearer one needs


@dataclass(frozen=True, eq=False)
class PlacedCloud:
    """One LiDAR's cloud with its place.

    Attributes:
        sensor: the LiDAR's name in an object's sources.
        cloud: the points.
        robot_from_lidar: the place.
        offset_s: how far it lies from the picture in time.
    """

    sensor: str
    cloud: PointCloud
    robot_from_lidar: RigidTransform
    offset_s: float


@dataclass(frozen=True, eq=False)
class SeenPoints:
    """The points of one or more clouds that a camera sees, ground left out.

    Attributes:
        points_m: float64 (n, 3) in the robot's frame.
        pixels: float64 (n, 2).
        owners: int (n,), index into `sensors`.
        sensors: names of the LiDARs.
        offset_s: furthest offset in time from the picture.
    """

    points_m: NDArray[np.float64]
    pixels: NDArray[np.float64]
    owners: NDArray[np.intp]
    sensors: tuple[str, ...]
    offset_s: float


def look_at(
    viewpoint: Viewpoint,
    clouds: Sequence[PlacedCloud],
    *,
    ground_z_m: float,
    clearance_m: float,
    max_range_m: float,
) -> SeenPoints:
    """Project clouds into a camera's picture and keep what it sees above the ground.

    Points lower than `clearance_m` over the ground around them count as ground.
    """
    points, pixels, owners = [np.zeros((0, 3))], [np.zeros((0, 2))], [np.zeros(0, dtype=np.intp)]
    optical_from_robot = viewpoint.robot_from_optical.inverse()
    for index, placed in enumerate(clouds):
        raw = placed.cloud.points_m
        optical_from_lidar = optical_from_robot @ placed.robot_from_lidar
        raw = raw[_in_reach(raw, optical_from_lidar, 2.0 * max_range_m)]
        spot_pixels, seen = viewpoint.projection.project(optical_from_lidar.apply(raw))
        spots = placed.robot_from_lidar.apply(raw[seen])
        spot_pixels = spot_pixels[seen]
        kept = np.hypot(spots[:, 0], spots[:, 1]) <= max_range_m
        kept &= spots[:, 2] > _ground_below(spots, ground_z_m) + clearance_m
        points.append(spots[kept])
        pixels.append(spot_pixels[kept])
        owners.append(np.full(int(kept.sum()), index, dtype=np.intp))
    return SeenPoints(
        np.concatenate(points),
        np.concatenate(pixels),
        np.concatenate(owners),
        tuple(placed.sensor for placed in clouds),
        max((abs(placed.offset_s) for placed in clouds), default=0.0),
    )


def _in_reach(
    points_m: NDArray[np.float32], optical_from_lidar: RigidTransform, reach_m: float
) -> NDArray[np.bool_]:
    """A quick choice before the exact one: points before the camera, none absurdly far."""
    x, y, z = points_m[:, 0], points_m[:, 1], points_m[:, 2]
    chosen = (np.abs(x) <= reach_m) & (np.abs(y) <= reach_m) & (np.abs(z) <= reach_m)
    row = optical_from_lidar.rotation[2].astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        depth = row[0] * x + row[1] * y + row[2] * z
    return np.asarray(chosen & (depth > -np.float32(optical_from_lidar.translation_m[2])))


def _ground_below(points_m: NDArray[np.float64], ground_z_m: float) -> NDArray[np.float64]:
    """Height of the ground around each point: the lowest echo on the squares next to it.

    Only echoes near the assumed plane count; where there are none, the plane itself does. So the
    ground may rise and fall, and an echo from far below it (a mirror image) hides nothing.
    """
    if not len(points_m):
        return np.zeros(0)
    slack = _GROUND_STEP_M + _GROUND_SLOPE * np.hypot(points_m[:, 0], points_m[:, 1])
    near = np.abs(points_m[:, 2] - ground_z_m) <= slack
    squares = np.floor(points_m[:, :2] / _SQUARE_M).astype(np.intp)
    squares -= squares.min(axis=0)
    lowest = np.full(squares.max(axis=0) + 1, np.inf)
    np.minimum.at(lowest, (squares[near, 0], squares[near, 1]), points_m[near, 2])
    around = minimum_filter(lowest, size=3, mode="constant", cval=np.inf)
    heights = around[squares[:, 0], squares[:, 1]]
    return np.where(np.isfinite(heights), heights, ground_z_m)


def place_by_points(
    viewpoint: Viewpoint,
    box: Box,
    seen: SeenPoints,
    *,
    minimum_points: int,
    ground_z_m: float,
    edge_sigma_px: float,
    max_speed_mps: float,
    camera: str,
) -> Placement | None:
    """Place an object by the foreground among the points in its box.

    The points fall into clusters on the ground's plan; the nearest one with a fair share of the
    points in the box's core is the object, so that neither a wall behind nor a post at the box's
    side counts. Its depth is the middle between the 5th and 95th percentile, outliers left out.

    Returns:
        None where fewer than `minimum_points` belong to it.

    Raises:
        InvalidInput: the view is too steep, or the box outside of the calibration.
    """
    u, v = seen.pixels[:, 0], seen.pixels[:, 1]
    inside = np.flatnonzero((u >= box.left) & (u <= box.right) & (v >= box.top) & (v <= box.bottom))
    if len(inside) < minimum_points:
        return None
    column, row = box.centre
    core = (np.abs(u[inside] - column) <= 0.3 * (box.right - box.left)) & (
        np.abs(v[inside] - row) <= 0.4 * box.height
    )
    heading = viewpoint.heading(viewpoint.rays([(column, row)])[0])
    depths = (seen.points_m[inside] - viewpoint.position_m) @ heading
    chosen = _foreground(seen.points_m[inside], depths, core, minimum_points)
    if chosen is None:
        return None
    depth = depths[chosen]
    middle = float(np.median(depth))
    spread = 1.4826 * float(np.median(np.abs(depth - middle)))
    depth = depth[np.abs(depth - middle) <= 3.0 * spread + 0.2]
    near, far = (float(value) for value in np.percentile(depth, (5.0, 95.0)))
    _, width, _, _ = viewpoint.upright(box, heading, middle)
    # Of a flat front the depth behind it is not seen; it is taken as small, not as nothing.
    thickness = max(far - near, default_thickness(width))
    moved = 0.5 * max_speed_mps * seen.offset_s
    owners = sorted({int(owner) for owner in seen.owners[inside][chosen]})
    return place_upright(
        viewpoint,
        box,
        heading,
        near_m=near,
        thickness_m=thickness,
        ground_z_m=ground_z_m,
        depth_sigma_m=math.hypot(_RANGE_SIGMA_M, max(thickness, width) / 4.0, moved),
        edge_sigma_px=edge_sigma_px,
        sensors=(camera, *(seen.sensors[owner] for owner in owners)),
    )


def _foreground(
    points_m: NDArray[np.float64],
    depths_m: NDArray[np.float64],
    core: NDArray[np.bool_],
    minimum_points: int,
) -> NDArray[np.intp] | None:
    """Indices of the object's points; None where no cluster has enough."""
    cells = np.floor(points_m[:, :2] / _CELL_M).astype(np.int64)
    distinct, member = np.unique(cells, axis=0, return_inverse=True)
    pairs = cKDTree(distinct).query_pairs(1.5, output_type="ndarray")
    links = coo_matrix(
        (np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(distinct), len(distinct))
    )
    count, groups = connected_components(links, directed=False)
    cluster = groups[member.reshape(-1)]
    sizes = np.bincount(cluster, minlength=count)
    support = np.bincount(cluster[core], minlength=count)
    large = sizes >= minimum_points
    if not np.any(large):
        return None
    if np.any(support[large] > 0):
        large &= support >= max(1.0, _MIN_SUPPORT * float(support[large].max()))
    candidates = np.flatnonzero(large)
    nearest = min(candidates, key=lambda index: float(np.median(depths_m[cluster == index])))
    return np.flatnonzero(cluster == nearest)
