"""How deep an object is of which a camera and a LiDAR see the near side only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

WIDE_M = 1.2
"""Wider things are no people, and may show more than a front."""

_UNIFORM = 1.0 / math.sqrt(3.0)  # standard deviation of a uniform distribution of half width 1
_ENDS_SIGMA_M = 0.1  # of the middle between two ends that are seen
_FLAT = 0.3  # slope against the view's plane, up to which two halves are one front
_ENOUGH = 0.7  # share of a side that must show to measure by it
_STILL_WIDTH = 1.25  # times the usual width; a longer side is not that of the width
_DEEPEST = 1.5  # times the width, for what has no known size: more may belong to something else
_LONGEST = 2.5  # times the width, for what has no known size: it may reach so far unseen
_FLANK = 0.3  # of the width: so much shows along the view of what shows a flank, too
_LARGEST_M2 = 11.0  # of ground that something of no known size takes: as much as a van
_FRONT_M = 0.5  # of an object of which only the front is seen, if it is not narrower


@dataclass(frozen=True)
class ClassSize:
    """The footprint of a class: means, and the standard deviation of the length; metres."""

    length_m: float
    width_m: float
    length_sigma_m: float


# Between the mean sizes in KITTI (Geiger et al. 2012) and in nuScenes (Caesar et al. 2020). Of a
# two-wheeler the near echoes are those of a wheel or only those of the rider in the middle, so the
# length is taken between these.
_SIZES = (
    (ClassSize(1.7, 0.5, 0.2), ("fall", "fallen person", "lying person")),
    (ClassSize(1.2, 0.6, 0.5), ("bicycle", "cyclist", "motorbike", "motorcycle", "rider")),
    (ClassSize(4.3, 1.75, 0.5), ("car",)),
    (ClassSize(4.9, 1.95, 0.6), ("van",)),
    (ClassSize(8.0, 2.5, 2.5), ("truck",)),
    (ClassSize(11.0, 2.8, 2.0), ("bus",)),
    (ClassSize(16.0, 2.6, 5.0), ("train", "tram")),
)
CLASS_SIZES: Mapping[str, ClassSize] = MappingProxyType(
    {name: size for size, names in _SIZES for name in names}
)


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the ground.

    Attributes:
        length_m: along its direction.
        width_m: across it.
        angle_rad: its direction, from the view's towards the left.
    """

    length_m: float
    width_m: float
    angle_rad: float

    def extents_m(self, heading: tuple[float, float]) -> tuple[float, float]:
        """Along x and y, of a view with the heading (cosine and sine)."""
        turned = math.atan2(heading[1], heading[0]) + self.angle_rad
        cos, sin = abs(math.cos(turned)), abs(math.sin(turned))
        return cos * self.length_m + sin * self.width_m, sin * self.length_m + cos * self.width_m


@dataclass(frozen=True)
class Depth:
    """How far an object reaches along a view, and what of it is unknown.

    Attributes:
        extent_m: from its near to its far end.
        sigma_m: standard deviation of the middle between them.
        aside_sigma_m: that of its middle across the view, by what the picture cuts off.
        footprints: those that are as likely; none where no size is known.
    """

    extent_m: float
    sigma_m: float
    aside_sigma_m: float
    footprints: tuple[Footprint, ...] = ()


@dataclass(frozen=True)
class Side:
    """What shows of an object to one side of its nearest point: across and along the view."""

    across_m: float
    depth_m: float

    @property
    def length_m(self) -> float:
        """From end to end."""
        return math.hypot(self.across_m, self.depth_m)


def size_of(label: str) -> ClassSize | None:
    """The usual size of a class; None where none is known."""
    return CLASS_SIZES.get(label.lower().replace("_", " "))


def depth_of(size: ClassSize | None, width_m: float, *, cut: bool, seen_m: float = 0.0) -> Depth:
    """The depth of an object, from what a picture and a LiDAR show of it.

    A rectangle seen at the angle `a` from its length is ``length sin a + width cos a`` wide and
    ``length cos a + width sin a`` deep; up to the width of its diagonal, the first gives `a`. What
    has no known size is taken to be as deep as it is wide, up to 0.5 m, unless more is seen: too
    near is better than too far.

    Args:
        size: its length and width, where its class is known.
        width_m: what the picture shows across the view.
        cut: the picture shows a part of it only, so `width_m` bounds it from below.
        seen_m: what shows of it along the view.
    """
    aside = width_m / 2.0 if cut else 0.0
    if size is None:
        extent = max(min(seen_m, _DEEPEST * width_m), min(width_m, _FRONT_M))
        reach = _LONGEST * width_m if width_m > WIDE_M else width_m
        if seen_m > _FLANK * width_m:  # a long side that shows is hardly the short one
            reach = min(reach, _LARGEST_M2 / max(width_m, 1e-9))
        unseen = max(reach - max(extent, seen_m), 0.0)
        return Depth(extent, math.hypot(width_m / 8.0, unseen / 2.0 * _UNIFORM), aside)
    diagonal = math.hypot(size.length_m, size.width_m)
    widest = math.atan2(size.length_m, size.width_m)  # the angle of the widest view
    angle = widest - math.acos(min(max(width_m, size.width_m) / diagonal, 1.0))
    extent = _depth_at(size, angle)
    other = extent
    angles = [angle, -angle]
    seen_m = min(seen_m, math.hypot(size.length_m + 2.0 * size.length_sigma_m, size.width_m))
    if cut:  # it may as well lie across the view
        other = size.width_m
        aside = max(aside, max(size.length_m - width_m, 0.0) / 2.0 * _UNIFORM)
        extent, other = max(extent, seen_m), max(other, seen_m)
    elif width_m > size.length_m:  # it may be turned further than to its widest view
        turned = 2.0 * widest - angle
        other = _depth_at(size, turned)
        angles += [turned, -turned]
    doubt = abs(extent - other) / 2.0 * _UNIFORM
    extent = (extent + other) / 2.0
    sigma = math.hypot(size.length_sigma_m / size.length_m * extent, doubt) / 2.0
    if not cut:  # the more of the usual depth is seen, the more the object's own counts
        share = min(max((seen_m / extent - 0.7) / 0.3, 0.0), 1.0)
        extent += share * (seen_m - extent)
        sigma = math.hypot((1.0 - share) * sigma, _ENDS_SIGMA_M)
    if cut:
        return Depth(extent, sigma, aside)
    footprints = [Footprint(size.length_m, size.width_m, angle) for angle in angles]
    return Depth(extent, sigma, aside, tuple(footprints))


def depth_of_sides(size: ClassSize, sides: tuple[Side, Side]) -> Depth | None:
    """The depth of an object of known size, from the sides that a LiDAR shows of it.

    The longer side has the object's direction, and tells by its length whether it is the long one;
    the other one stands at a right angle to it (after Zhang et al. 2017, "Efficient L-shape
    fitting for vehicle detection using laser scanners"; here the box of the picture tells which
    points to fit, and the nearest one is the corner).

    Args:
        size: the usual length and width.
        sides: those to the right and to the left of the nearest point; of a flat front, its
            halves.

    Returns:
        None where too little of it shows.
    """
    main, other = sorted(sides, key=lambda side: -side.length_m)
    to_left = main is sides[1]
    flat = all(side.depth_m <= _FLAT * side.across_m + _ENDS_SIGMA_M for side in sides)
    if flat:
        to_left = sides[1].depth_m >= sides[0].depth_m
        depth = abs(main.depth_m - other.depth_m)
        main, other = Side(main.across_m + other.across_m, depth), Side(0.0, 0.0)
    if main.length_m < _ENOUGH * size.width_m:
        return None
    is_width = main.length_m <= _STILL_WIDTH * size.width_m
    usual = size.length_m if is_width else size.width_m
    facing = main.across_m / main.length_m
    seen = other.depth_m > _ENOUGH * usual * facing
    behind = other.depth_m if seen else usual * facing
    sigma = _ENDS_SIGMA_M
    if not seen:
        sigma = math.hypot(sigma, size.length_sigma_m / size.length_m * behind / 2.0)
    if not is_width:  # the far end of the long side may give too few echoes to count
        missing = max(size.length_m - main.length_m, 0.0) * main.depth_m / main.length_m
        sigma = math.hypot(sigma, missing / 2.0)
    angle = math.atan2(main.across_m if to_left else -main.across_m, main.depth_m)
    length = main.length_m if is_width else max(main.length_m, size.length_m)
    footprint = Footprint(length, max(other.length_m, usual), angle)
    return Depth(main.depth_m + behind, sigma, 0.0, (footprint,))


def _depth_at(size: ClassSize, angle_rad: float) -> float:
    return size.length_m * math.cos(angle_rad) + size.width_m * math.sin(angle_rad)
