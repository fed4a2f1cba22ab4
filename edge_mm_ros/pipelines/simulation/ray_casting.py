"""Rays against boxes, upright cylinders and the ground, many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

NOTHING = -1
GROUND = -2
_SKIN_M = 1e-9


@dataclass(frozen=True, eq=False)
class Solid:
    """An upright box or elliptic cylinder, turned about z.

    Attributes:
        centre_m: float64 (3,), in the world.
        size_m: float64 (3,), along its own x, y, z.
        yaw_rad: direction of its own x axis.
        round: a cylinder, else a box.
    """

    centre_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    yaw_rad: float
    round: bool = False

    @cached_property
    def radius_m(self) -> float:
        """Of the sphere around it."""
        return math.hypot(*self.size_m.tolist()) / 2.0

    def own_axes(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """World directions (n, 3) in its own axes."""
        cosine, sine = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        return np.column_stack(
            [
                cosine * vectors[:, 0] + sine * vectors[:, 1],
                cosine * vectors[:, 1] - sine * vectors[:, 0],
                vectors[:, 2],
            ]
        )

    def world_points(self, points_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) about its centre in its own axes, in the world."""
        cosine, sine = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        turned = np.column_stack(
            [
                cosine * points_m[:, 0] - sine * points_m[:, 1],
                sine * points_m[:, 0] + cosine * points_m[:, 1],
                points_m[:, 2],
            ]
        )
        return np.asarray(turned + self.centre_m, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Hits:
    """What rays hit first.

    Attributes:
        distance_m: float64 (n,), ``inf`` where nothing was hit.
        owner: int (n,), index of the solid, or `GROUND`, or `NOTHING`.
    """

    distance_m: NDArray[np.float64]
    owner: NDArray[np.intp]


def cast(
    origin_m: NDArray[np.float64],
    rays: NDArray[np.float64],
    solids: Sequence[Solid],
    *,
    ground: bool = True,
) -> Hits:
    """The first thing that each ray hits.

    Args:
        origin_m: (3,), where all rays begin.
        rays: (n, 3), unit directions.
        solids: what may be hit; a ray that begins inside of one passes out of it.
        ground: whether the plane z = 0 is hit, from above.
    """
    count = len(rays)
    distance = np.full(count, np.inf)
    owner = np.full(count, NOTHING, dtype=np.intp)
    if ground and origin_m[2] > 0.0:
        down = np.flatnonzero(rays[:, 2] < -_SKIN_M)
        distance[down] = origin_m[2] / -rays[down, 2]
        owner[down] = GROUND
    for index, solid in enumerate(solids):
        chosen = _may_hit(origin_m, rays, solid)
        if not len(chosen):
            continue
        begin = solid.own_axes((origin_m - solid.centre_m)[None])[0]
        along = solid.own_axes(rays[chosen])
        found = (
            _into_cylinder(begin, along, solid) if solid.round else _into_box(begin, along, solid)
        )
        nearer = found < distance[chosen]
        distance[chosen[nearer]] = found[nearer]
        owner[chosen[nearer]] = index
    return Hits(distance, owner)


def nearby_in_view(
    origin_m: NDArray[np.float64], index: int, solids: Sequence[Solid]
) -> list[Solid]:
    """A solid itself, then those that may hide a part of it from a place: a quick choice.

    Args:
        origin_m: (3,), the place.
        index: of the solid that is looked at.
        solids: all of them.
    """
    radii = np.array([solid.radius_m for solid in solids])
    ways = np.array([solid.centre_m for solid in solids]) - origin_m
    reach = np.sqrt((ways * ways).sum(axis=1))
    # Spheres, seen from within, fill the view.
    spread = np.arcsin(np.minimum(radii / np.maximum(reach, radii), 1.0))
    spread[reach <= radii] = np.pi
    cosine = (ways @ ways[index]) / np.maximum(reach * reach[index], _SKIN_M)
    apart = np.arccos(np.clip(cosine, -1.0, 1.0))
    may_hide = (apart <= spread + spread[index]) & (reach - radii <= reach[index] + radii[index])
    may_hide[index] = False
    return [solids[index], *(solids[int(place)] for place in np.flatnonzero(may_hide))]


def _may_hit(
    origin_m: NDArray[np.float64], rays: NDArray[np.float64], solid: Solid
) -> NDArray[np.intp]:
    """The rays that meet the sphere around a solid: a quick choice before the exact one."""
    centre = solid.centre_m - origin_m
    squared = float(centre @ centre)
    radius = solid.radius_m
    if squared <= radius * radius:
        return np.arange(len(rays), dtype=np.intp)
    along = rays[:, 0] * centre[0] + rays[:, 1] * centre[1] + rays[:, 2] * centre[2]
    return np.flatnonzero(along >= np.sqrt(squared - radius * radius))


def _slab(
    begin: float, along: NDArray[np.float64], half: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where rays enter and leave the space between two parallel planes."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        one, other = (-half - begin) / along, (half - begin) / along
    inside = abs(begin) <= half
    flat = np.abs(along) < _SKIN_M
    near = np.where(flat, -np.inf if inside else np.inf, np.minimum(one, other))
    far = np.where(flat, np.inf if inside else -np.inf, np.maximum(one, other))
    return near, far


def _first(near: NDArray[np.float64], far: NDArray[np.float64]) -> NDArray[np.float64]:
    hit = (near <= far) & (near > 0.0)
    return np.where(hit, near, np.inf)


def _into_box(
    begin: NDArray[np.float64], along: NDArray[np.float64], solid: Solid
) -> NDArray[np.float64]:
    near, far = np.full(len(along), -np.inf), np.full(len(along), np.inf)
    for axis in range(3):
        enter, leave = _slab(float(begin[axis]), along[:, axis], float(solid.size_m[axis]) / 2.0)
        near, far = np.maximum(near, enter), np.minimum(far, leave)
    return _first(near, far)


def _into_cylinder(
    begin: NDArray[np.float64], along: NDArray[np.float64], solid: Solid
) -> NDArray[np.float64]:
    half = solid.size_m / 2.0
    bx, by = begin[0] / half[0], begin[1] / half[1]
    ax, ay = along[:, 0] / half[0], along[:, 1] / half[1]
    a, b, c = ax * ax + ay * ay, ax * bx + ay * by, bx * bx + by * by - 1.0
    root = b * b - a * c
    meets = (root >= 0.0) & (a > _SKIN_M)
    safe_a = np.where(meets, a, 1.0)
    safe_root = np.sqrt(np.where(meets, root, 0.0))
    # A ray along the axis is inside of the round wall all the way, or never.
    outside = np.inf if c > 0.0 else -np.inf
    near = np.where(meets, (-b - safe_root) / safe_a, np.where(a > _SKIN_M, np.inf, outside))
    far = np.where(meets, (-b + safe_root) / safe_a, np.where(a > _SKIN_M, -np.inf, -outside))
    enter, leave = _slab(float(begin[2]), along[:, 2], float(half[2]))
    return _first(np.maximum(near, enter), np.minimum(far, leave))
