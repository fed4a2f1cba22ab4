"""The place of an object by the LiDAR points of its near side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.fusion.class_sizes import (
    WIDE_M,
    ClassSize,
    Side,
    depth_of,
    depth_of_sides,
)
from edge_mm_ros.pipelines.fusion.frustum import SeenPoints
from edge_mm_ros.pipelines.fusion.viewpoint import Placement, Sight, Viewpoint, place_upright

_RANGE_SIGMA_M = 0.03
_ENOUGH_POINTS = 400  # more do not place an object better
_SLICE_M = 0.3
_BODY_SHARE = 0.3  # of an object's height that each slice of it reaches over
_EDGE_SHARE = 0.02  # of the points, beyond each end of what counts as the width


@dataclass(frozen=True, eq=False)
class NearSide:
    """Points of an object as its camera sees them, nearest first.

    Attributes:
        depths_m: float64 (n,), along the sight's heading, ascending.
        asides_m: float64 (n,), to the left of it.
        heights_m: float64 (n,), above the camera.
        owners: index of each cloud that they come from.
    """

    depths_m: NDArray[np.float64]
    asides_m: NDArray[np.float64]
    heights_m: NDArray[np.float64]
    owners: tuple[int, ...]


@dataclass(frozen=True)
class Doubts:
    """What is known of a placement's errors.

    Attributes:
        edge_sigma_px: standard deviation of the box's edges.
        max_speed_mps: how fast an object may move between picture and cloud.
    """

    edge_sigma_px: float
    max_speed_mps: float


def near_sides(
    viewpoint: Viewpoint,
    sights: Sequence[Sight],
    seen: SeenPoints,
    chosen: Sequence[NDArray[np.intp] | None],
) -> list[NearSide | None]:
    """The points of objects as seen along the sights; of many, some.

    Args:
        viewpoint: the camera.
        sights: the objects' boxes.
        seen: the points that the camera sees.
        chosen: for each object the indices of its points; None where it has none.
    """
    none = np.zeros(0, dtype=np.intp)
    parts = [
        none if points is None else points[:: math.ceil(len(points) / _ENOUGH_POINTS)]
        for points in chosen
    ]
    if not parts:
        return []
    points, counts = np.concatenate(parts), [len(part) for part in parts]
    x, y, z = (
        seen.points_m[:, axis].take(points) - here
        for axis, here in enumerate(viewpoint.position_m.tolist())
    )
    cos, sin = np.repeat(np.array([sight.heading for sight in sights]).T, counts, axis=1)
    depths, asides = cos * x + sin * y, cos * y - sin * x
    owns = [slice(end - count, end) for end, count in zip(itertools.accumulate(counts), counts)]
    order = np.concatenate([own.start + depths[own].argsort() for own in owns])
    depths, asides, heights = depths[order], asides[order], z[order]
    found: list[NearSide | None] = []
    for part, own in zip(parts, owns):
        if not len(part):
            found.append(None)
            continue
        owners: tuple[int, ...] = (0,)
        if len(seen.sensors) > 1:
            owners = tuple(np.unique(seen.owners[part]).tolist())
        found.append(NearSide(depths[own], asides[own], heights[own], owners))
    return found


def place_by_points(
    viewpoint: Viewpoint,
    sight: Sight,
    seen: SeenPoints,
    side: NearSide,
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
        side: the object's.
        size: of the object's class, where it is known.
        ground_z_m: nothing reaches below.
        doubts: what is known of the errors.
        camera: its name among the sources.
    """
    depths, asides = side.depths_m, side.asides_m
    near = float(depths[len(depths) // 20])
    _, width = sight.width_at(near)
    depth = None
    if size is None and width < WIDE_M:
        # What is behind a person is a wall rather than a part of the person.
        errors = np.abs(depths - depths[len(depths) // 2])
        ordered = errors.copy()
        ordered.sort()
        kept = errors <= 3.0 * 1.4826 * ordered[len(errors) // 2] + 0.2
        depths, asides = depths[kept], asides[kept]
        near = float(depths[len(depths) // 20])
        seen_m = float(depths[-1 - len(depths) // 20]) - near
    else:
        sides, far = _sides(side, near)
        # The corner that is hidden lies as far behind the nearest as those of both sides together.
        seen_m = sides[0].depth_m + sides[1].depth_m
        asides = asides[: depths.searchsorted(far, "right")]
        if size is not None and not sight.box.cut_sides:
            depth = depth_of_sides(size, sides)
    if depth is None:
        depth = depth_of(size, width, cut=sight.box.cut_sides, seen_m=seen_m)
    # Of several clouds the object is where it was at their middle, or half of their gap from it.
    offsets_s = [seen.offsets_s[owner] for owner in side.owners]
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
        sensors=(camera, *(seen.sensors[owner] for owner in side.owners)),
        lead_s=lead_s,
        moved_m=0.5 * doubts.max_speed_mps * abs(lead_s),
    )


def _sides(side: NearSide, near_m: float) -> tuple[tuple[Side, Side], float]:
    """What shows to the right and left of the nearest point, and how far that reaches."""
    depths, asides, heights = side.depths_m, side.asides_m, side.heights_m
    front = np.sort(asides[: depths.searchsorted(near_m, "right")])
    corner = float(front[(len(front) - 1) // 2] + front[len(front) // 2]) / 2.0
    to_left = asides >= corner
    found, ends = [], []
    for chosen in (~to_left, to_left):
        own = depths[chosen]
        end = _far_end(own, heights[chosen], near_m)
        across = np.abs(asides[chosen][: own.searchsorted(end, "right")] - corner)
        across.sort()
        width = float(across[-1 - int(_EDGE_SHARE * len(across))]) if len(across) else 0.0
        found.append(Side(width, end - near_m))
        ends.append(end)
    return (found[0], found[1]), max(ends)


def _far_end(depths_m: NDArray[np.float64], heights_m: NDArray[np.float64], near_m: float) -> float:
    """How far the side of a body reaches that begins at `near_m`, from points in order of depth.

    As far as the slices of the depth are as tall as a body; one that is not, or has no points, may
    lie between. What stands behind shows as a narrow strip over the object's top, and what lies
    beside it as one at its foot.
    """
    if not len(depths_m):
        return near_m
    slices = np.maximum((depths_m - near_m) / _SLICE_M, 0.0).astype(np.intp)
    new = np.ones(len(slices), dtype=np.bool_)
    np.not_equal(slices[1:], slices[:-1], out=new[1:])
    begins = np.flatnonzero(new)
    low, high = np.minimum.reduceat(heights_m, begins), np.maximum.reduceat(heights_m, begins)
    tall = high - low >= _BODY_SHARE * float(high.max() - low.min())
    last = 0  # the first counts in any case
    for each in slices[begins[tall]].tolist():
        if each - last > 2:
            break
        last = each
    body = depths_m[: slices.searchsorted(last, "right")]
    if not len(body):
        return near_m
    return max(float(body[-1 - len(body) // 50]), near_m)


def _aside(asides_m: NDArray[np.float64], width_m: float, moved_m: float) -> tuple[float, float]:
    """The middle of sorted points across the view, and its variance.

    The ends of an object across the view are as far from its middle, whatever its heading. They
    are known to half of the gap between two beams, and to what of the box shows no points.
    """
    cut = int(_EDGE_SHARE * len(asides_m))
    right, left = float(asides_m[cut]), float(asides_m[-1 - cut])
    gap = float((asides_m[1:] - asides_m[:-1]).max(initial=0.0))
    missing = max(width_m - (left - right), 0.0)
    variance = _RANGE_SIGMA_M**2 + (gap / 2.0) ** 2 + (missing / 4.0) ** 2 + moved_m**2
    return (left + right) / 2.0, variance
