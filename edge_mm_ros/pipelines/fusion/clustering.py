"""A cloud's points above the ground, and the clusters that they form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from edge_mm_ros.datatypes import PointCloud, RigidTransform
from edge_mm_ros.pipelines import native
from edge_mm_ros.pipelines.fusion.columns import coordinates

MOST_CLUSTERS = 100
"""The nearest; more cost too much time."""
_GROUND_STEP_M = 0.3  # the ground keeps within this of the assumed plane
_GROUND_SLOPE = 0.05  # and within this per metre of distance
_SPARSE_FROM_M = 15.0  # further away, points lie so far apart that cells grow with the distance
_RANGE_SIGMA_M = 0.05
_TOUCHING = np.ones((3, 3), dtype=np.int8)


@dataclass(frozen=True, eq=False)
class Cluster:
    """Points that belong together, in the robot's frame.

    Attributes:
        centre_m: float64 (3,), the middle of the extent.
        size_m: float64 (3,), the extent along the robot's axes.
        covariance_m2: float64 (3, 3), of the centre of the thing that they are the near side of.
        nearest_m: float64 (3,), the point nearest to the robot's origin on the plan.
        members: int (n,), the points' indices, ascending.
        whole: False for a piece of something longer than was asked for, as of a wall.
    """

    centre_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    nearest_m: NDArray[np.float64]
    members: NDArray[np.intp]
    whole: bool

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self.members)


def raised_points(
    cloud: PointCloud,
    robot_from_lidar: RigidTransform,
    *,
    ground_z_m: float,
    clearance_m: float,
    max_range_m: float,
    max_points: int = 300_000,
) -> NDArray[np.float32]:
    """The points of a cloud that stand above the ground.

    Args:
        cloud: the cloud.
        robot_from_lidar: its place.
        ground_z_m: height of the assumed ground in the robot's frame.
        clearance_m: points lower than this over the ground around them are ground.
        max_range_m: furthest from the robot's origin, on the plan; at most 2000.
        max_points: a cloud of more is thinned out evenly.

    Returns:
        float32 (n, 3) in the robot's frame, in the order of the cloud.
    """
    step = max(1, math.ceil(len(cloud.points_m) / max_points))
    columns = (cloud.points_m[::step, axis] for axis in range(3))
    raw = [np.ascontiguousarray(column, dtype=np.float32) for column in columns]
    if not len(raw[0]):
        return np.zeros((3, 0), dtype=np.float32).T
    shift = robot_from_lidar.translation_m
    reach = np.float32(2.0 * (max_range_m + float(np.abs(shift).max())))
    if native.compiled is not None:
        place = (*robot_from_lidar.rotation.flat, *shift)
        limits = (np.float32(max_range_m) ** 2, reach, ground_z_m, _GROUND_SLOPE, _GROUND_STEP_M)
        values = np.array([*place, *limits, clearance_m], dtype=np.float32)
        found = np.empty((3, len(raw[0])), dtype=np.float32)
        count = native.compiled.points_above_ground(*raw, values, found)
        return found[:, :count].copy().T
    with np.errstate(over="ignore", invalid="ignore"):  # of absurd coordinates, which are left out
        x, y, z = coordinates(raw, robot_from_lidar.rotation, shift)
        squared, product = x * x, y * y
        squared += product
        within = squared <= np.float32(max_range_m) ** 2
    if not (z.max() <= reach and z.min() >= -reach):
        within &= np.abs(z) <= reach
    if not within.all():
        x, y, z, squared = _only(within, [x, y, z, squared])
    return _above(x, y, z, squared, ground_z_m, clearance_m)


def clusters_of(
    points_m: NDArray[np.floating],
    *,
    minimum_points: int = 5,
    cell_m: float = 0.3,
    max_height_m: float = math.inf,
    max_extent_m: float = 4.0,
    max_clusters: int = MOST_CLUSTERS,
    plan_from_robot: RigidTransform | None = None,
) -> tuple[Cluster, ...]:
    """Group points by nearness on the ground's plan.

    Points whose cells touch belong together. Cells are `cell_m` wide near the robot and grow with
    the distance beyond 15 m, as the gaps between a LiDAR's beams do. The cells form one picture,
    whose connected parts are found in time linear in points (Rosenfeld and Pfaltz, 1966).

    Args:
        points_m: (n, 3) in the robot's frame, without the ground (`raised_points`).
        minimum_points: of a cluster.
        cell_m: width of the cells; gaps up to this are bridged, up to twice this may be.
        max_height_m: points with a greater z do not count, as those of a bridge.
        max_extent_m: what is longer is cut into pieces of at most this length.
        max_clusters: how many are told.
        plan_from_robot: the frame in which the pieces lie still; None: the robot's.

    Returns:
        the clusters, nearest to the robot's origin first.
    """
    low = np.flatnonzero(points_m[:, 2] <= max_height_m)
    if not len(low):
        return ()
    x, y = (np.ascontiguousarray(points_m[low, axis]) for axis in (0, 1))
    distances = np.hypot(x, y)
    groups = touching_groups(*plan_cells(x, y, distances, cell_m))
    groups, long = _in_pieces(groups, x, y, max_extent_m, plan_from_robot)
    sizes = np.bincount(groups)
    nearest = np.full(len(sizes), np.inf, dtype=distances.dtype)
    np.minimum.at(nearest, groups, distances)
    enough = np.flatnonzero(sizes >= minimum_points)
    chosen = enough[np.argsort(nearest[enough], kind="stable")][:max_clusters]
    rank = np.full(len(sizes), len(chosen), dtype=np.uint16)
    rank[chosen] = np.arange(len(chosen), dtype=np.uint16)
    order = np.argsort(rank[groups], kind="stable")  # 16 bits are sorted in linear time
    ends = np.cumsum(sizes[chosen])
    return _described(points_m, low[order[: ends[-1]]], ends, ~long[chosen]) if len(ends) else ()


def plan_cells(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    distances_m: NDArray[np.floating],
    cell_m: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cell of the ground's plan in which each point lies.

    Args:
        x: (n,), metres.
        y: (n,).
        distances_m: (n,), of the points from the sensor; the cells grow with it.
        cell_m: width of the cells near the sensor.

    Returns:
        the rows and the columns, (n,) each.
    """
    # A logarithmic scale of distance: one cell of it is cell_m * distance / 15 m deep.
    stretch = np.maximum(distances_m / _SPARSE_FROM_M, 1.0)
    scale = (1.0 + np.log(stretch)) / (stretch * cell_m)
    return np.floor(x * scale).astype(np.intp), np.floor(y * scale).astype(np.intp)


def touching_groups(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """The group of cells that touch, for each cell (n,), n at least 1; numbered from 0."""
    first, left = int(rows.min()), int(columns.min())
    shape = int(rows.max()) - first + 1, int(columns.max()) - left + 1
    places = rows * shape[1]
    places += columns
    places -= first * shape[1] + left
    picture = np.zeros(shape, dtype=np.bool_)
    picture.reshape(-1)[places] = True
    parts, _ = label(picture, structure=_TOUCHING)
    return np.asarray(parts.reshape(-1).take(places) - 1, dtype=np.intp)


def _above(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    z: NDArray[np.float32],
    squared: NDArray[np.float32],
    ground_z_m: float,
    clearance_m: float,
) -> NDArray[np.float32]:
    """The points higher than `clearance_m` above the ground around them, float32 (n, 3).

    The ground is the lowest echo on the squares next to a point. Only echoes near the assumed plane
    count; where there are none, the plane itself does. So the ground may rise and fall, and an echo
    from far below it (a mirror image) hides nothing.

    Args:
        x: (n,), metres.
        y: (n,).
        z: (n,).
        squared: (n,), of the distance on the plan.
        ground_z_m: height of the assumed plane.
        clearance_m: what is ground reaches so far above it.
    """
    if not len(x):
        return np.zeros((3, 0), dtype=np.float32).T
    ground = np.float32(ground_z_m)
    slack = np.sqrt(squared)
    slack *= np.float32(_GROUND_SLOPE)
    slack += np.float32(_GROUND_STEP_M)
    off = z - ground
    near = np.abs(off, out=off) <= slack
    squares, shape = _squares(x, y)
    lowest = np.full(shape, np.inf, dtype=np.float32)
    np.minimum.at(lowest.reshape(-1), squares, np.where(near, z, np.float32(np.inf)))
    for axis in (0, 1):  # of the nine squares, by rows and then by columns
        ahead, middle, behind = (
            np.moveaxis(lowest, axis, 0)[part]
            for part in (slice(2, None), slice(1, -1), slice(None, -2))
        )
        np.minimum(middle, np.minimum(ahead, behind), out=middle)
    lowest[np.isinf(lowest)] = ground
    lowest += np.float32(clearance_m)
    chosen = np.flatnonzero(z > lowest.reshape(-1).take(squares, mode="clip"))
    raised = np.empty((3, len(chosen)), dtype=np.float32)
    for column, kept in zip((x, y, z), raised):
        column.take(chosen, out=kept, mode="clip")  # the other modes take a copy before
    return raised.T


def _squares(
    x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[NDArray[np.intp], tuple[int, int]]:
    """The square of the plan, one metre wide, in which each point lies.

    Returns:
        int (n,), places in a picture of the squares, row after row; and the picture's rows and
        columns, with an empty border around all squares that have points.
    """
    rows, columns = np.floor(x), np.floor(y)
    rows -= rows.min() - 1.0
    columns -= columns.min() - 1.0
    shape = int(rows.max()) + 2, int(columns.max()) + 2
    # float32 holds whole numbers up to 2**24, that is the squares of 2 km around the robot.
    rows *= np.float32(shape[1])
    rows += columns
    return rows.astype(np.intp), shape


def _cells(values: NDArray[np.floating]) -> NDArray[np.intp]:
    """Whole numbers from 0, one for each unit."""
    whole = np.floor(values)
    return np.asarray(whole - whole.min()).astype(np.intp)


def _only(chosen: NDArray[np.bool_], columns: list[NDArray[Any]]) -> list[NDArray[Any]]:
    if np.all(chosen):
        return columns
    return [column[chosen] for column in columns]


def _in_pieces(
    groups: NDArray[np.intp],
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    max_extent_m: float,
    plan_from_robot: RigidTransform | None,
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Groups of which the long ones are parted by squares of the plan, and which are such parts."""
    count = int(groups.max()) + 1
    extents = np.zeros(count)
    for values in (x, y):
        # Of the same type as the values: numpy is ten times as fast then.
        low, high = (np.full(count, sign * np.inf, dtype=values.dtype) for sign in (1, -1))
        np.minimum.at(low, groups, values)
        np.maximum.at(high, groups, values)
        extents = np.maximum(extents, high - low)
    long = extents > max_extent_m
    cut = np.flatnonzero(long[groups])
    if not len(cut):
        return groups, long
    plan = np.stack([x[cut], y[cut], np.zeros(len(cut))]).T
    if plan_from_robot is not None:
        plan = plan_from_robot.apply(plan)
    rows, columns = (_cells(plan[:, axis] / max_extent_m) for axis in (0, 1))
    tiles = (int(rows.max()) + 1, int(columns.max()) + 1)
    key = (np.cumsum(long) - 1)[groups[cut]] * (tiles[0] * tiles[1]) + rows * tiles[1] + columns
    used = np.bincount(key) > 0
    parted = groups.copy()
    parted[cut] = count + (np.cumsum(used) - 1)[key]
    return parted, np.concatenate([long, np.ones(int(used.sum()), dtype=np.bool_)])


def _described(
    points_m: NDArray[np.floating],
    members: NDArray[np.intp],
    ends: NDArray[np.intp],
    whole: NDArray[np.bool_],
) -> tuple[Cluster, ...]:
    """The clusters whose points follow each other in `members`, all measured at once."""
    begins = np.concatenate([[0], ends[:-1]]).astype(np.intp)
    points = points_m[members].astype(np.float64)
    low, high = np.minimum.reduceat(points, begins), np.maximum.reduceat(points, begins)
    sizes = np.maximum(high - low, _RANGE_SIGMA_M)
    distances = np.hypot(points[:, 0], points[:, 1])
    shortest = np.minimum.reduceat(distances, begins)
    at_shortest = np.flatnonzero(distances == np.repeat(shortest, ends - begins))
    nearest = points[at_shortest[np.searchsorted(at_shortest, begins)]]
    # What is seen is a near side; the middle of the thing lies up to half its width behind.
    rays = nearest * [1.0, 1.0, 0.0] / np.maximum(shortest, 1e-6)[:, None]
    behind = np.hypot(sizes[:, 0], sizes[:, 1])[:, None] / 4.0 * rays
    covariances = behind[:, :, None] * behind[:, None, :]
    covariances += ((sizes / 4.0) ** 2 + _RANGE_SIGMA_M**2)[:, None, :] * np.eye(3)
    return tuple(
        Cluster(
            (low[index] + high[index]) / 2.0,
            sizes[index],
            covariances[index],
            nearest[index],
            members[begin:end],
            bool(whole[index]),
        )
        for index, (begin, end) in enumerate(zip(begins, ends))
    )
