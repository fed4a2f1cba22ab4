"""A calibrated, mounted camera, and the upright cut-outs of the world that its boxes show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import InvalidInput, RigidTransform
from edge_mm_ros.pipelines.fusion.projection import CameraProjection

_STEEPEST = 0.2  # the least horizontal part of a view's unit direction: about 78 degrees down
_MIN_EXTENT_M = 0.05
_THICKNESS_M = 0.5  # of an object of which only the front is seen, if it is not narrower


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
        left, top, right, bottom = (float(value) for value in box_px)
        text = f"box ({left:g}, {top:g}, {right:g}, {bottom:g}) in a picture of {width}x{height}"
        if not np.all(np.isfinite(box_px)) or right <= left or bottom <= top:
            raise InvalidInput("box", f"{text}: not a box")
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            raise InvalidInput("box", f"{text}: outside of the picture")
        margin = 2.0  # detectors draw the border's boxes up to this far inside
        return cls(
            max(left, 0.0),
            max(top, 0.0),
            min(right, float(width)),
            min(bottom, float(height)),
            cut_sides=left <= margin or right >= width - margin,
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

    def rays(self, pixels: list[tuple[float, float]]) -> NDArray[np.float64]:
        """Unit directions of pixels in the robot's frame, (n, 3).

        Raises:
            InvalidInput: the calibration has no direction for one of them.
        """
        rays = self.projection.rays(np.asarray(pixels)) @ self.robot_from_optical.rotation.T
        if not np.all(np.isfinite(rays)):
            raise InvalidInput("lens", f"pixels {pixels}: outside of what the calibration covers")
        return np.asarray(rays)

    def heading(self, ray: NDArray[np.float64]) -> NDArray[np.float64]:
        """The horizontal unit direction of a ray, (3,).

        Raises:
            InvalidInput: the ray is too steep to have one.
        """
        flat = np.array([ray[0], ray[1], 0.0])
        length = float(np.linalg.norm(flat))
        if length < _STEEPEST:
            raise InvalidInput("steep", "the view is too steep to place upright objects")
        return np.asarray(flat / length)

    def upright(
        self, box: Box, heading: NDArray[np.float64], depth_m: float
    ) -> tuple[float, float, float, float]:
        """What a box covers of the upright plane at a horizontal depth.

        Args:
            box: the box.
            heading: horizontal unit direction, the plane's normal.
            depth_m: of the plane, along `heading` from the camera.

        Returns:
            offset of the middle to the left of `heading`, width, lowest and highest z in the
            robot's frame; metres.

        Raises:
            InvalidInput: an edge of the box does not meet the plane.
        """
        column, row = box.centre
        rays = self.rays(
            [(box.left, row), (box.right, row), (column, box.top), (column, box.bottom)]
        )
        forward = rays @ heading
        if np.any(forward < 1e-3):
            raise InvalidInput("steep", "an edge of the box looks away from the object's plane")
        spots = rays * (depth_m / forward)[:, None]
        aside = spots @ np.array([-heading[1], heading[0], 0.0])
        heights = spots[:, 2] + self.position_m[2]
        width = max(abs(float(aside[0] - aside[1])), _MIN_EXTENT_M)
        low, high = sorted((float(heights[3]), float(heights[2])))
        return float(aside[0] + aside[1]) / 2.0, width, low, high


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
    """

    position_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    sensors: tuple[str, ...]
    depth_m: float
    depth_sigma_m: float


def default_thickness(width_m: float) -> float:
    """How deep an object is taken to be of which only the front is seen."""
    return min(width_m, _THICKNESS_M)


def place_upright(
    viewpoint: Viewpoint,
    box: Box,
    heading: NDArray[np.float64],
    *,
    near_m: float,
    thickness_m: float,
    ground_z_m: float,
    depth_sigma_m: float,
    edge_sigma_px: float,
    sensors: tuple[str, ...],
) -> Placement:
    """An upright object behind a box, from the horizontal depth of its near side.

    Args:
        viewpoint: the camera.
        box: the box.
        heading: horizontal unit direction of the view.
        near_m: depth of the near side along `heading`.
        thickness_m: how deep the object is.
        ground_z_m: nothing reaches below.
        depth_sigma_m: standard deviation of the depth of its centre.
        edge_sigma_px: standard deviation of the box's edges.
        sensors: what the placement rests on.

    Raises:
        InvalidInput: the box does not show the depth.
    """
    depth = near_m + thickness_m / 2.0
    offset, width, low, high = viewpoint.upright(box, heading, depth)
    low = max(low, ground_z_m)
    high = max(high, low + _MIN_EXTENT_M)
    left = np.array([-heading[1], heading[0], 0.0])
    position = viewpoint.position_m + depth * heading + offset * left
    position[2] = (low + high) / 2.0

    k = viewpoint.projection.calibration.k
    aside_var = (edge_sigma_px * depth / k[0, 0]) ** 2 + (width / 10.0) ** 2
    up_var = (edge_sigma_px * depth / k[1, 1]) ** 2 + ((high - low) / 10.0) ** 2
    if box.cut_sides:
        aside_var += (width / 2.0) ** 2
    if box.cut_top or box.cut_bottom:
        up_var += ((high - low) / 2.0) ** 2
    axes = np.column_stack([heading, left, [0.0, 0.0, 1.0]])
    covariance = axes @ np.diag([depth_sigma_m**2, aside_var, up_var]) @ axes.T
    cos, sin = abs(float(heading[0])), abs(float(heading[1]))
    size = np.array([cos * thickness_m + sin * width, sin * thickness_m + cos * width, high - low])
    return Placement(position, size, covariance, sensors, near_m, depth_sigma_m)
