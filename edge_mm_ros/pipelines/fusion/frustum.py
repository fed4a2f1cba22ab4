"""The place of an object from the LiDAR points in its box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.fusion.class_sizes import (
    WIDE_M,
    ClassSize,
    Side,
    depth_of,
    depth_of_sides,
)
from edge_mm_ros.pipelines.fusion.clustering import plan_cells, touching_groups
from edge_mm_ros.pipelines.fusion.viewpoint import (
    Box,
    Placement,
    Sight,
    Viewpoint,
    place_upright,
)

_CELL_M = 0.3
_RANGE_SIGMA_M = 0.03
_MIN_SUPPORT = 0.3  # share of the best cluster's points in the box's core that a nearer one needs
_CORE_WIDTH, _CORE_HEIGHT = 0.6, 0.8  # shares of the box that are its core
_ENOUGH_POINTS = 400  # more do not place an object better
_SLICE_M = 0.3
_BODY_SHARE = 0.3  # of an object's height that each slice of it reaches over
_EDGE_SHARE = 0.02  # of the points, beyond each end of what counts as the width


@dataclass(frozen=True, eq=False)
class PlacedCloud:
    """One LiDAR's points at the time of a picture.

    Attributes:
        sensor: the LiDAR's name in an object's sources.
        points_m: float (n, 3) in the robot's frame, without the ground.
        offset_s: how far the cloud lies from the picture in time.
    """

    sensor: str
    points_m: NDArray[np.floating]
    offset_s: float


@dataclass(frozen=True, eq=False)
class SeenPoints:
    """The points of one or more clouds that a camera sees.

    Attributes:
        points_m: float64 (n, 3) in the robot's frame.
        pixels: float64 (n, 2).
        owners: int (n,), index into `sensors`.
        sensors: names of the LiDARs.
        offsets_s: how far the cloud of each lies from the picture in time.
    """

    points_m: NDArray[np.float64]
    pixels: NDArray[np.float64]
    owners: NDArray[np.intp]
    sensors: tuple[str, ...]
    offsets_s: tuple[float, ...]

    @cached_property
    def _by_column(
        self,
    ) -> tuple[NDArray[np.uint16], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """Columns in order, and of each the index, u and v of its point."""
        columns = self.pixels[:, 0].astype(np.uint16)
        order = np.argsort(columns, kind="stable")  # 16 bits are sorted in linear time
        return columns[order], order, self.pixels[order, 0], self.pixels[order, 1]

    @cached_property
    def cells(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the plan's cells in which the points lie; see `plan_cells`."""
        x, y = self.points_m[:, 0], self.points_m[:, 1]
        return plan_cells(x, y, np.hypot(x, y), _CELL_M)

    def within(self, box: Box) -> InBox:
        """The points in a box of the picture."""
        columns, order, us, vs = self._by_column
        # Of the same type as the columns, which would be converted otherwise.
        ends = np.searchsorted(columns, np.array([box.left, box.right + 1.0], dtype=np.uint16))
        near = slice(*ends.tolist())
        u, v = us[near], vs[near]
        inside = (u >= box.left) & (u <= box.right) & (v >= box.top) & (v <= box.bottom)
        u, v, (column, row) = u[inside], v[inside], box.centre
        core = np.abs(u - column) <= _CORE_WIDTH / 2.0 * (box.right - box.left)
        core &= np.abs(v - row) <= _CORE_HEIGHT / 2.0 * box.height
        return InBox(order[near][inside], core)


@dataclass(frozen=True, eq=False)
class InBox:
    """The points in a box.

    Attributes:
        points: int (n,), their indices.
        core: bool (n,), which of them lie about the box's middle.
    """

    points: NDArray[np.intp]
    core: NDArray[np.bool_]

    def only(self, chosen: NDArray[np.bool_]) -> InBox:
        """Some of them, by a mask (n,)."""
        return InBox(self.points[chosen], self.core[chosen])


@dataclass(frozen=True)
class Doubts:
    """What is known of a placement's errors.

    Attributes:
        edge_sigma_px: standard deviation of the box's edges.
        max_speed_mps: how fast an object may move between picture and cloud.
    """

    edge_sigma_px: float
    max_speed_mps: float


def look_at(viewpoint: Viewpoint, clouds: Sequence[PlacedCloud]) -> SeenPoints:
    """Project clouds into a camera's picture and keep what it shows."""
    # By columns, which lie together in memory: x, y, z, then u, v.
    columns = [[np.zeros(0)] for _ in range(5)]
    owners = [np.zeros(0, dtype=np.intp)]
    optical_from_robot = viewpoint.robot_from_optical.inverse()
    for index, placed in enumerate(clouds):
        pixels, seen = viewpoint.projection.project(optical_from_robot.apply(placed.points_m))
        for axis in range(3):
            columns[axis].append(placed.points_m[:, axis][seen].astype(np.float64))
        for axis in range(2):
            columns[3 + axis].append(pixels[:, axis][seen])
        owners.append(np.full(np.count_nonzero(seen), index, dtype=np.intp))
    x, y, z, u, v = (np.concatenate(column) for column in columns)
    return SeenPoints(
        np.stack([x, y, z]).T,
        np.stack([u, v]).T,
        np.concatenate(owners),
        tuple(placed.sensor for placed in clouds),
        tuple(placed.offset_s for placed in clouds),
    )


def foregrounds(
    viewpoint: Viewpoint,
    sights: Sequence[Sight],
    seen: SeenPoints,
    insides: Sequence[InBox],
    minimum_points: int,
) -> list[NDArray[np.intp] | None]:
    """Which of the points in boxes belong to the objects there.

    The points of a box fall into clusters on the ground's plan. The nearest one with a fair share
    of the points in the box's core is the object, so that neither a wall behind nor a post at the
    box's side counts. All boxes are looked at in one go.

    Args:
        viewpoint: the camera.
        sights: the boxes.
        seen: the points that it sees.
        insides: for each box the points in it.
        minimum_points: of an object.

    Returns:
        for each box the indices of its object's points; None where no cluster has enough.
    """
    counts = [len(inside.points) for inside in insides]
    found: list[NDArray[np.intp] | None] = [None] * len(sights)
    if not sum(counts):
        return found
    points = np.concatenate([inside.points for inside in insides])
    core = np.concatenate([inside.core for inside in insides])
    rows, columns = seen.cells
    groups = _groups_by_box(rows[points], columns[points], counts)
    x, y, _ = viewpoint.position_m.tolist()
    cos, sin = (np.repeat([sight.heading[axis] for sight in sights], counts) for axis in (0, 1))
    depths = cos * (seen.points_m[points, 0] - x) + sin * (seen.points_m[points, 1] - y)

    sizes = np.bincount(groups)
    support = np.bincount(groups, core, len(sizes))
    middles = np.bincount(groups, depths, len(sizes)) / sizes
    box_of = np.zeros(len(sizes), dtype=np.intp)
    box_of[groups] = np.repeat(np.arange(len(sights)), counts)
    large = sizes >= minimum_points
    best = np.zeros(len(sights))
    np.maximum.at(best, box_of[large], support[large])
    # Where no large cluster reaches the core, all of them count.
    large &= support >= np.where(best > 0.0, np.maximum(1.0, _MIN_SUPPORT * best), 0.0)[box_of]
    for group in np.flatnonzero(large)[np.argsort(-middles[large], kind="stable")].tolist():
        found[box_of[group]] = np.array([group])  # the nearest comes last, and stays
    ends = np.concatenate([[0], np.cumsum(counts)])
    for index, chosen in enumerate(found):
        if chosen is not None:
            part = slice(ends[index], ends[index + 1])
            found[index] = points[part][groups[part] == chosen[0]]
    return found


def _groups_by_box(
    rows: NDArray[np.intp], columns: NDArray[np.intp], counts: Sequence[int]
) -> NDArray[np.intp]:
    """Groups of touching cells, none of which spans two boxes.

    The plans of the boxes are put below each other with an empty row between, in place.
    """
    end, below = 0, 0
    for count in counts:
        if count:
            part, aside = rows[end : end + count], columns[end : end + count]
            part += below - part.min()
            aside -= aside.min()
            below = int(part.max()) + 2
        end += count
    return touching_groups(rows, columns)


def place_by_points(
    viewpoint: Viewpoint,
    sight: Sight,
    seen: SeenPoints,
    chosen: NDArray[np.intp],
    *,
    size: ClassSize | None,
    ground_z_m: float,
    doubts: Doubts,
    camera: str,
) -> Placement:
    """Place an object by its points.

    A LiDAR sees near sides only. How far the object reaches behind follows from its class, where
    the size of that is known, else from what is seen of it.

    Args:
        viewpoint: the camera.
        sight: the object's box.
        seen: the points that the camera sees.
        chosen: indices of the object's.
        size: of the object's class, where it is known.
        ground_z_m: nothing reaches below.
        doubts: what is known of the errors.
        camera: its name among the sources.
    """
    chosen = chosen[:: math.ceil(len(chosen) / _ENOUGH_POINTS)]
    spots = seen.points_m[chosen] - viewpoint.position_m
    depths, asides = sight.axes @ spots.T
    ordered = np.sort(depths)
    near = float(ordered[len(ordered) // 20])
    _, width = sight.width_at(near)
    depth = None
    if size is None and width < WIDE_M:
        # What is behind a person is a wall rather than a part of the person.
        middle = ordered[len(ordered) // 2]
        errors = np.abs(depths - middle)
        kept = errors <= 3.0 * 1.4826 * np.sort(errors)[len(errors) // 2] + 0.2
        ordered, asides = np.sort(depths[kept]), asides[kept]
        near = float(ordered[len(ordered) // 20])
        seen_m = float(ordered[-1 - len(ordered) // 20]) - near
    else:
        sides, far = _sides(depths, asides, spots[:, 2], near)
        # The corner that is hidden lies as far behind the nearest as those of both sides together.
        seen_m = sides[0].depth_m + sides[1].depth_m
        asides = asides[depths <= far]
        if size is not None and not sight.box.cut_sides:
            depth = depth_of_sides(size, sides)
    if depth is None:
        depth = depth_of(size, width, cut=sight.box.cut_sides, seen_m=seen_m)
    owners = np.unique(seen.owners[chosen]).tolist() if len(seen.sensors) > 1 else [0]
    # Of several clouds the object is where it was at their middle, or half of their gap from it.
    offsets_s = [seen.offsets_s[owner] for owner in owners]
    lead_s = (min(offsets_s) + max(offsets_s)) / 2.0
    apart_m = 0.5 * doubts.max_speed_mps * (max(offsets_s) - min(offsets_s)) / 2.0
    return place_upright(
        viewpoint,
        sight,
        near_m=near,
        depth=depth,
        aside=_aside(np.sort(asides), width, apart_m),
        ground_z_m=ground_z_m,
        depth_sigma_m=math.hypot(_RANGE_SIGMA_M, apart_m),
        edge_sigma_px=doubts.edge_sigma_px,
        sensors=(camera, *(seen.sensors[owner] for owner in owners)),
        lead_s=lead_s,
        moved_m=0.5 * doubts.max_speed_mps * abs(lead_s),
    )


def _sides(
    depths_m: NDArray[np.float64],
    asides_m: NDArray[np.float64],
    heights_m: NDArray[np.float64],
    near_m: float,
) -> tuple[tuple[Side, Side], float]:
    """What shows to the right and left of the nearest point, and how far that reaches."""
    corner = float(np.median(asides_m[depths_m <= near_m]))
    sides, ends = [], []
    for chosen in (asides_m < corner, asides_m >= corner):
        end = _far_end(depths_m[chosen], heights_m[chosen], near_m)
        across = np.sort(np.abs(asides_m[chosen & (depths_m <= end)] - corner))
        width = float(across[-1 - int(_EDGE_SHARE * len(across))]) if len(across) else 0.0
        sides.append(Side(width, end - near_m))
        ends.append(end)
    return (sides[0], sides[1]), max(ends)


def _far_end(depths_m: NDArray[np.float64], heights_m: NDArray[np.float64], near_m: float) -> float:
    """How far the side of a body reaches that begins at `near_m`.

    As far as the slices of the depth are as tall as a body. What stands behind shows as a narrow
    strip over the object's top, and what lies beside it as one at its foot.
    """
    if not len(depths_m):
        return near_m
    slices = np.maximum((depths_m - near_m) / _SLICE_M, 0.0).astype(np.intp)
    low = np.full(int(slices.max()) + 3, np.inf)
    high = -low
    np.minimum.at(low, slices, heights_m)
    np.maximum.at(high, slices, heights_m)
    tall = high - low >= _BODY_SHARE * float(np.ptp(heights_m))
    tall[0] = True
    gaps = np.flatnonzero(~tall[:-1] & ~tall[1:])  # the last two are empty
    body = depths_m[slices < gaps[0]]
    if not len(body):
        return near_m
    last = len(body) - 1 - len(body) // 50
    return max(float(np.partition(body, last)[last]), near_m)


def _aside(asides_m: NDArray[np.float64], width_m: float, moved_m: float) -> tuple[float, float]:
    """The middle of sorted points across the view, and its variance.

    The ends of an object across the view are as far from its middle, whatever its heading. They
    are known to half of the gap between two beams, and to what of the box shows no points.
    """
    cut = int(_EDGE_SHARE * len(asides_m))
    right, left = float(asides_m[cut]), float(asides_m[-1 - cut])
    gap = float(np.diff(asides_m).max(initial=0.0))
    missing = max(width_m - (left - right), 0.0)
    variance = _RANGE_SIGMA_M**2 + (gap / 2.0) ** 2 + (missing / 4.0) ** 2 + moved_m**2
    return (left + right) / 2.0, variance
