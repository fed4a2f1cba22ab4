"""A calibrated, mounted camera, and the upright cut-outs of the world that its boxes show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import InvalidInput, RigidTransform
from edge_mm_ros.pipelines.fusion.class_sizes import Depth
from edge_mm_ros.pipelines.fusion.projection import CameraProjection

_STEEPEST = 0.2  # the least horizontal part of a view's unit direction: about 78 degrees down
_MIN_EXTENT_M = 0.05
_LEAST_FORWARD = 1e-3  # the least that an edge's direction goes along the heading


@dataclass(frozen=True, eq=False)
class Box:
    """A detection's box within the picture, and which of its sides are cut by the border.

    Attributes:
        left, top, right, bottom: pixels, clipped to the picture.
        cut_sides: whether the picture cuts it on the left or right.
        cut_top, cut_bottom: whether the picture cuts it there.
    """

    left: float
    top: float
    right: float
    bottom: float
    cut_sides: bool
    cut_top: bool
    cut_bottom: bool

    @classmethod
    def within(cls, box_px: NDArray[np.floating], width: int, height: int) -> Box:
        """Clip a box (left, top, right, bottom) to a picture.

        Raises:
            InvalidInput: it is not finite, turned inside out, or outside of the picture.
        """
        left, top, right, bottom = box_px.tolist()
        what = ""
        finite = all(map(math.isfinite, (left, top, right, bottom)))
        if not finite or right <= left or bottom <= top:
            what = "not a box"
        elif right <= 0 or bottom <= 0 or left >= width or top >= height:
            what = "outside of the picture"
        if what:
            text = _text(left, top, right, bottom)
            raise InvalidInput("box", f"{text} in a picture of {width}x{height}: {what}")
        margin = 2.0  # detectors draw the border's boxes up to this far inside,
        beside = margin + 0.02 * (bottom - top)  # and those of large things further
        return cls(
            max(left, 0.0),
            max(top, 0.0),
            min(right, float(width)),
            min(bottom, float(height)),
            cut_sides=left <= beside or right >= width - beside,
            cut_top=top <= margin,
            cut_bottom=bottom >= height - margin,
        )

    @property
    def centre(self) -> tuple[float, float]:
        """Column and row of the middle."""
        return (self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0

    @property
    def height(self) -> float:
        """Rows."""
        return self.bottom - self.top

    def __str__(self) -> str:
        return _text(self.left, self.top, self.right, self.bottom)


@dataclass(frozen=True)
class Sight:
    """A box and the directions in which a camera sees it.

    The slopes are metres for each metre along `heading`, from the camera.

    Attributes:
        box: the box.
        heading: cosine and sine of the horizontal direction of its middle in the robot's frame.
        left: slope of its left edge, towards the left of `heading`.
        right: that of its right edge.
        top: slope of its upper edge, upwards.
        bottom: that of its lower edge.
    """

    box: Box
    heading: tuple[float, float]
    left: float
    right: float
    top: float
    bottom: float

    def width_at(self, depth_m: float) -> tuple[float, float]:
        """What the box covers of the upright plane at a horizontal depth along `heading`.

        Returns:
            offset of the middle to the left of `heading` and width; metres.
        """
        width = max((self.left - self.right) * depth_m, _MIN_EXTENT_M)
        return (self.left + self.right) * depth_m / 2.0, width


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """A camera at its place on the robot.

    Attributes:
        projection: its lens.
        robot_from_optical: its place.
    """

    projection: CameraProjection
    robot_from_optical: RigidTransform

    @property
    def position_m(self) -> NDArray[np.float64]:
        """Where the camera is in the robot's frame, (3,)."""
        return self.robot_from_optical.translation_m

    def sights(self, boxes: Sequence[Box]) -> list[Sight | InvalidInput]:
        """The directions of boxes.

        Returns:
            for each box its directions, or why it has none that serve: outside of what the
            calibration covers (``lens``), or too steep to place upright objects (``steep``).
        """
        if not boxes:
            return []
        edges = np.array([(box.left, box.top, box.right, box.bottom) for box in boxes])
        left, top, right, bottom = edges.T
        column, row = (left + right) / 2.0, (top + bottom) / 2.0
        columns = np.stack([column, left, right, column, column], axis=1)
        rows = np.stack([row, row, row, top, bottom], axis=1)
        pixels = np.stack([columns.reshape(-1), rows.reshape(-1)], axis=1)
        rays = self.projection.rays(pixels) @ self.robot_from_optical.rotation.T
        x, y, z = np.moveaxis(rays.reshape(-1, 5, 3), 2, 0)
        flat = np.hypot(x[:, 0], y[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            cos, sin = x[:, 0] / flat, y[:, 0] / flat
            forward = cos[:, None] * x + sin[:, None] * y
            aside = (cos[:, None] * y - sin[:, None] * x) / forward
            upwards = z / forward
        covered = np.asarray(np.isfinite(rays).reshape(-1, 15).all(axis=1))
        steep = np.asarray((flat < _STEEPEST) | (forward.min(axis=1) < _LEAST_FORWARD))
        slopes = np.concatenate([aside[:, 1:3], upwards[:, 3:]], axis=1).tolist()
        headings = list(zip(cos.tolist(), sin.tolist()))
        found: list[Sight | InvalidInput] = []
        for index, box in enumerate(boxes):
            if not covered[index]:
                found.append(self._not_covered(box))
            elif steep[index]:
                found.append(
                    InvalidInput("steep", f"{box}: the view is too steep to place upright objects")
                )
            else:
                found.append(Sight(box, headings[index], *slopes[index]))
        return found

    def _not_covered(self, box: Box) -> InvalidInput:
        angle = math.degrees(self.projection.max_angle_rad)
        model = self.projection.calibration.distortion_model or "pinhole"
        return InvalidInput(
            "lens",
            f"{box}: outside of what the calibration covers; its {model} model has no direction "
            f"for more than {angle:.0f} degrees from the axis",
        )


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an object is.

    Attributes:
        position_m: float64 (3,), its centre in the robot's frame.
        size_m: float64 (3,), along the robot's axes.
        covariance_m2: float64 (3, 3), of the position.
        sensors: the sensors that it rests on.
        depth_m: horizontal distance of its near side from the camera, along the view.
        depth_sigma_m: standard deviation of that distance.
        shared_m2: float64 (3, 3), the part of the covariance that hardly changes from one picture
            to the next: what of the object does not show.
        lead_s: how long after the picture the object was there.
        moved_m: standard deviation of how far it moved in between, along each axis; part of the
            covariance.
        sized: whether the picture shows its whole width.
    """

    position_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    sensors: tuple[str, ...]
    depth_m: float
    depth_sigma_m: float
    shared_m2: NDArray[np.float64]
    lead_s: float = 0.0
    moved_m: float = 0.0
    sized: bool = True


def place_upright(
    viewpoint: Viewpoint,
    sight: Sight,
    *,
    near_m: float,
    depth: Depth,
    aside: tuple[float, float] | None = None,
    ground_z_m: float,
    depth_sigma_m: float,
    edge_sigma_px: float,
    sensors: tuple[str, ...],
    lead_s: float = 0.0,
    moved_m: float = 0.0,
) -> Placement:
    """An upright object behind a box, from the horizontal depth of its near side.

    Args:
        viewpoint: the camera.
        sight: the box.
        near_m: depth of the near side along the sight's heading.
        depth: how far the object reaches behind its near side.
        aside: another measurement of its middle to the left of the heading, and the variance.
        ground_z_m: nothing reaches below.
        depth_sigma_m: standard deviation of `near_m`.
        edge_sigma_px: standard deviation of the box's edges.
        sensors: what the placement rests on.
        lead_s: how long after the picture the near side was measured.
        moved_m: standard deviation of the way in that time, along each axis.
    """
    box, extent = sight.box, depth.extent_m
    middle = near_m + extent / 2.0
    offset, _ = sight.width_at(middle)
    _, width = sight.width_at(near_m)
    x, y, z = viewpoint.position_m.tolist()
    low = max(z + min(sight.bottom, sight.top) * middle, ground_z_m)
    high = max(z + max(sight.bottom, sight.top) * middle, low + _MIN_EXTENT_M)

    # Of a deep object the box's middle is not that of the object, but of what shows of it.
    turned = width * extent / (4.0 * middle)
    fx, fy = viewpoint.projection.focal_lengths_px
    offset_var = (edge_sigma_px * middle / fx) ** 2 + turned**2
    if aside is not None:
        share = offset_var / (offset_var + aside[1])
        offset, offset_var = offset + share * (aside[0] - offset), share * aside[1]
    hidden_var = (width / 15.0) ** 2 + depth.aside_sigma_m**2
    offset_var += hidden_var
    up_var = (edge_sigma_px * middle / fy) ** 2 + ((high - low) / 10.0) ** 2
    if box.cut_top or box.cut_bottom:
        up_var += ((high - low) / 2.0) ** 2
    depth_var = depth_sigma_m**2 + depth.sigma_m**2
    cos, sin = sight.heading
    position = [x + middle * cos - offset * sin, y + middle * sin + offset * cos, (low + high) / 2]
    moved_var = moved_m**2
    covariances = np.array(
        [
            _turned(cos, sin, depth_var + moved_var, offset_var + moved_var, up_var),
            _turned(cos, sin, depth.sigma_m**2, hidden_var, 0.0),
        ]
    )
    cos, sin = abs(cos), abs(sin)
    plan = cos * extent + sin * width, sin * extent + cos * width
    if depth.footprints:
        plans = [footprint.extents_m(sight.heading) for footprint in depth.footprints]
        plan = sum(x for x, _ in plans) / len(plans), sum(y for _, y in plans) / len(plans)
    return Placement(
        np.array(position),
        np.array([*plan, high - low]),
        covariances[0],
        sensors,
        near_m,
        depth_sigma_m,
        covariances[1],
        lead_s,
        moved_m,
        not box.cut_sides,
    )


def _turned(
    cos: float, sin: float, along_m2: float, aside_m2: float, up_m2: float
) -> list[list[float]]:
    """The rows of the covariance of variances along a heading, aside and upwards."""
    mixed = cos * sin * (along_m2 - aside_m2)
    return [
        [cos * cos * along_m2 + sin * sin * aside_m2, mixed, 0.0],
        [mixed, sin * sin * along_m2 + cos * cos * aside_m2, 0.0],
        [0.0, 0.0, up_m2],
    ]


def _text(left: float, top: float, right: float, bottom: float) -> str:
    return f"box ({left:g}, {top:g}, {right:g}, {bottom:g})"
