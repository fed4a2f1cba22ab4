"""The place of an object from one camera alone: where its foot stands on flat ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.fusion.class_sizes import ClassSize, depth_of
from edge_mm_ros.pipelines.fusion.viewpoint import (
    Placement,
    Sight,
    Viewpoint,
    place_upright,
)


@dataclass(frozen=True)
class GroundModel:
    """What is assumed of the ground and how far it is trusted.

    Attributes:
        ground_z_m: height of the ground in the robot's frame.
        max_range_m: furthest depth that is placed.
        max_height_m: no object is taller.
        tilt_sigma_rad: standard deviation of the camera's pitch against the ground.
        height_sigma_m: standard deviation of its height over the ground.
    """

    ground_z_m: float
    max_range_m: float
    max_height_m: float
    tilt_sigma_rad: float
    height_sigma_m: float


@dataclass(frozen=True)
class Foot:
    """Where an object begins on the ground, along a sight's heading from the camera.

    Attributes:
        depth_m: horizontal distance.
        sigma_m: its standard deviation.
    """

    depth_m: float
    sigma_m: float


def foot_on_ground(
    viewpoint: Viewpoint, sight: Sight, model: GroundModel, edge_sigma_px: float
) -> Foot:
    """Where a box's foot meets the ground.

    With the camera `h` above the ground and the foot seen `a` below the horizon, the distance is
    ``h / tan(a)``; its variance follows to first order from those of `a` (box edge and tilt) and
    `h`, so its standard deviation grows with the square of the distance. A box that the picture's
    lower border cuts shows no foot, only bounds on it; the middle between them is taken, with the
    variance of a uniform distribution.

    Args:
        viewpoint: the camera.
        sight: the object's box.
        model: the ground.
        edge_sigma_px: standard deviation of the box's edges.

    Raises:
        InvalidInput: the foot is at or above the horizon or too close to it to tell
            (``horizon``), too far (``range``), or the camera is not above the ground (``height``).
    """
    height = float(viewpoint.position_m[2]) - model.ground_z_m
    if height <= 0.0:
        raise InvalidInput(
            "height", f"the camera must be above the ground, it is {height:.2f} m; see its mounting"
        )
    below = math.atan(-sight.bottom)
    pixel_angle = edge_sigma_px / viewpoint.projection.focal_lengths_px[1]
    angle_sigma = math.hypot(pixel_angle, model.tilt_sigma_rad)
    if sight.box.cut_bottom:
        near, far = _bounds_without_foot(height, sight.bottom, sight.top, model.max_height_m)
        foot = (near + far) / 2.0
        foot_sigma = max(far - near, 0.1 * far) / math.sqrt(12.0)
    elif below <= 2.0 * angle_sigma:
        raise InvalidInput(
            "horizon",
            f"the object's foot is seen {math.degrees(below):.1f} degrees below the horizon, "
            f"within its uncertainty of {math.degrees(2.0 * angle_sigma):.1f}: no place on the "
            "ground",
        )
    else:
        foot = height / math.tan(below)
        foot_sigma = math.hypot(
            height / math.sin(below) ** 2 * angle_sigma, model.height_sigma_m / math.tan(below)
        )
    if foot > model.max_range_m:
        raise InvalidInput(
            "range", f"the object is {foot:.0f} m away, further than {model.max_range_m:g} m"
        )
    return Foot(foot, foot_sigma)


def place_on_ground(
    viewpoint: Viewpoint,
    sight: Sight,
    foot: Foot,
    *,
    ground_z_m: float,
    edge_sigma_px: float,
    sensor: str,
    size: ClassSize | None = None,
) -> Placement:
    """Place an object where its box's foot meets the ground.

    Args:
        viewpoint: the camera.
        sight: the object's box.
        foot: where that is.
        ground_z_m: height of the ground in the robot's frame.
        edge_sigma_px: standard deviation of the box's edges.
        sensor: what the placement rests on.
        size: of the object's class, where it is known.
    """
    _, width = sight.width_at(foot.depth_m)
    return place_upright(
        viewpoint,
        sight,
        near_m=foot.depth_m,
        depth=depth_of(size, width, cut=sight.box.cut_sides),
        ground_z_m=ground_z_m,
        depth_sigma_m=foot.sigma_m,
        edge_sigma_px=edge_sigma_px,
        sensors=(sensor,),
    )


def _bounds_without_foot(
    height_m: float, bottom_slope: float, top_slope: float, max_height_m: float
) -> tuple[float, float]:
    """How near and how far an object may be of which the picture shows no foot.

    What is seen of it is no higher than the object, it stands no further than where the border's
    lowest ray meets the ground, and not so near that its top would be above `max_height_m`.

    Args:
        height_m: of the camera over the ground.
        bottom_slope: rise over run of the ray through the box's lower edge.
        top_slope: the same of its upper edge.
        max_height_m: no object is taller.
    """
    far = max_height_m / max(top_slope - bottom_slope, 1e-6)
    if bottom_slope < 0.0:
        far = min(far, height_m / -bottom_slope)
    near = 0.0
    if top_slope < 0.0 and height_m > max_height_m:
        near = min((height_m - max_height_m) / -top_slope, far)
    return near, far
