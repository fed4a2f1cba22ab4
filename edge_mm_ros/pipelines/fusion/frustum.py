"""The LiDAR points in a picture's boxes, and which of them are the objects'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.pipelines.fusion.clustering import plan_cells, touching_groups
from edge_mm_ros.pipelines.fusion.columns import coordinates
from edge_mm_ros.pipelines.fusion.viewpoint import Box, Sight, Viewpoint

_CELL_M = 0.3
_MIN_SUPPORT = 0.3  # share of the best cluster's points in the box's core that a nearer one needs
_CORE_SHARES = np.array([[0.6], [0.8]])  # of the box's width and height that are its core


@dataclass(frozen=True, eq=False)
class PlacedCloud:
    """One LiDAR's points for a picture.

    Attributes:
        sensor: the LiDAR's name in an object's sources.
        points_m: float (n, 3) in the robot's frame, without the ground.
        offset_s: how far the cloud lies from the picture in time.
        motion: takes the points from the robot's frame at the cloud's time to that at the
            picture's; None: they lie in that one.
    """

    sensor: str
    points_m: NDArray[np.floating]
    offset_s: float
    motion: RigidTransform | None = None


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
        return columns[order], order, self.pixels[:, 0][order], self.pixels[:, 1][order]

    def within(self, boxes: Sequence[Box]) -> InBoxes:
        """The points in each of some boxes of the picture, at least one."""
        columns, order, us, vs = self._by_column
        low = np.array([(box.left, box.top) for box in boxes]).T
        high = np.array([(box.right, box.bottom) for box in boxes]).T
        # Of the same type as the columns, which would be converted otherwise.
        begins = columns.searchsorted(low[0].astype(np.uint16))
        ends = columns.searchsorted((high[0] + 1.0).astype(np.uint16))
        strips = [slice(*strip) for strip in zip(begins.tolist(), ends.tolist())]
        u, v, points = (np.concatenate([of[strip] for strip in strips]) for of in (us, vs, order))
        counts = ends - begins
        (left, top), (right, bottom) = (np.repeat(edge, counts, axis=1) for edge in (low, high))
        inside = np.flatnonzero((u >= left) & (u <= right) & (v >= top) & (v <= bottom))
        counts = np.bincount(np.repeat(np.arange(len(boxes)), counts)[inside], minlength=len(boxes))
        middle, reach = ((low + high) / 2.0, _CORE_SHARES / 2.0 * (high - low))
        (column, row), (aside, above) = (np.repeat(of, counts, axis=1) for of in (middle, reach))
        core = np.abs(u[inside] - column) <= aside
        core &= np.abs(v[inside] - row) <= above
        return InBoxes(points[inside], core, counts)


@dataclass(frozen=True, eq=False)
class InBoxes:
    """The points in each of some boxes.

    Attributes:
        points: int (n,), their indices, box after box.
        core: bool (n,), which of them lie about the middle of their box.
        counts: int (boxes,), how many lie in each.
    """

    points: NDArray[np.intp]
    core: NDArray[np.bool_]
    counts: NDArray[np.intp]

    @cached_property
    def boxes(self) -> NDArray[np.intp]:
        """For each of the points which box it lies in, int (n,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def only(self, chosen: NDArray[np.bool_], boxes: Sequence[int]) -> InBoxes:
        """Some of the points, by a mask (n,), in some of the boxes, in ascending order."""
        asked = np.zeros(len(self.counts), dtype=np.bool_)
        asked[boxes] = True
        chosen = chosen & asked[self.boxes]
        counts = np.bincount(self.boxes[chosen], minlength=len(self.counts))
        return InBoxes(self.points[chosen], self.core[chosen], counts[asked])


def look_at(viewpoint: Viewpoint, clouds: Sequence[PlacedCloud]) -> SeenPoints:
    """Project clouds into a camera's picture and keep what it shows."""
    seen = [np.zeros((5, 0))]  # x, y, z, u and v, by columns, which lie together in memory
    inverse = viewpoint.robot_from_optical.rotation.T
    for placed in clouds:
        rotation, shift_m, motion = inverse, -viewpoint.position_m, placed.motion
        if motion is not None:
            rotation, shift_m = inverse @ motion.rotation, motion.translation_m + shift_m
        shown, u, v = viewpoint.projection.shown(placed.points_m, rotation, inverse @ shift_m)
        columns = [placed.points_m[:, axis].take(shown).astype(np.float64) for axis in range(3)]
        if motion is not None:
            columns = coordinates(columns, motion.rotation, motion.translation_m)
        seen.append(np.stack([*columns, u, v]))
    counts = [values.shape[1] for values in seen[1:]]
    values = seen[-1] if len(clouds) == 1 else np.concatenate(seen, axis=1)
    return SeenPoints(
        values[:3].T,
        values[3:].T,
        np.repeat(np.arange(len(clouds)), counts),
        tuple(placed.sensor for placed in clouds),
        tuple(placed.offset_s for placed in clouds),
    )


def foregrounds(
    viewpoint: Viewpoint,
    sights: Sequence[Sight],
    seen: SeenPoints,
    inside: InBoxes,
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
        inside: the points in the boxes.
        minimum_points: of an object.

    Returns:
        for each box the indices of its object's points; None where no cluster has enough.
    """
    if not len(inside.points):
        return [None] * len(sights)
    boxes = inside.boxes
    x, y = (seen.points_m[:, axis].take(inside.points) for axis in (0, 1))
    groups = _groups_by_box(*plan_cells(x, y, np.sqrt(x * x + y * y), _CELL_M), inside)
    cos, sin = np.array([sight.heading for sight in sights]).T[:, boxes]
    camera_x, camera_y, _ = viewpoint.position_m.tolist()
    depths = cos * (x - camera_x) + sin * (y - camera_y)

    sizes = np.bincount(groups)
    support = np.bincount(groups, inside.core, len(sizes))
    middles = np.bincount(groups, depths, len(sizes)) / sizes
    box_of = np.zeros(len(sizes), dtype=np.intp)
    box_of[groups] = boxes
    large = sizes >= minimum_points
    best = np.zeros(len(sights))
    np.maximum.at(best, box_of[large], support[large])
    # Where no large cluster reaches the core, all of them count.
    large &= support >= np.where(best > 0.0, np.maximum(1.0, _MIN_SUPPORT * best), 0.0)[box_of]
    furthest_first = np.flatnonzero(large)[np.argsort(-middles[large], kind="stable")]
    nearest = np.full(len(sights), -1)
    nearest[box_of[furthest_first]] = furthest_first  # what is written last stays
    own = groups == nearest[boxes]
    ends = np.cumsum(np.bincount(boxes[own], minlength=len(sights)))
    parts = np.split(inside.points[own], ends[:-1])
    return [part if len(part) else None for part in parts]


def _groups_by_box(
    rows: NDArray[np.intp], columns: NDArray[np.intp], inside: InBoxes
) -> NDArray[np.intp]:
    """Groups of touching cells, none of which spans two boxes.

    The plans of the boxes are put below each other with an empty row between. Of rows and columns
    in which a box has nothing, one stays for each gap.
    """
    used = inside.counts > 0
    begins = (np.cumsum(inside.counts) - inside.counts)[used]
    boxes = (np.cumsum(used) - 1)[inside.boxes]
    packed = []
    for lines in (rows, columns):
        lines = lines - np.minimum.reduceat(lines, begins)[boxes]
        width = int(lines.max()) + 2  # the last is empty
        lines += boxes * width
        there = np.zeros(len(begins) * width, dtype=np.bool_)
        there[lines] = True
        there[1:] |= there[:-1].copy()
        numbers = np.cumsum(there)
        packed.append((numbers, lines, width))
    (numbers, lines, _), (across, asides, width) = packed
    firsts = across[::width] - 1
    return touching_groups(numbers[lines], across[asides] - firsts[boxes])
