"""The places of all detections of one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Detections, InvalidInput
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.class_sizes import ClassSize, size_of
from edge_mm_ros.pipelines.fusion.frustum import SeenPoints, foregrounds
from edge_mm_ros.pipelines.fusion.ground_plane import (
    Foot,
    GroundModel,
    foot_on_ground,
    place_on_ground,
)
from edge_mm_ros.pipelines.fusion.point_placing import Doubts, NearSide, near_sides, place_by_points
from edge_mm_ros.pipelines.fusion.viewpoint import Box, Placement, Sight, Viewpoint

_SAME_THING = 0.5  # overlap from which on two boxes may show one object
_WITHIN = 0.7  # share of its width from which on a box lies within another's sides


def place_all(
    camera: str,
    viewpoint: Viewpoint,
    detections: Detections,
    seen: SeenPoints,
    params: SensorFusionParams,
) -> list[Placement | InvalidInput]:
    """Place a picture's detections, by points where they have some, else by the ground.

    An object keeps its points: a van is not placed at those of a person who passes before it.

    Args:
        camera: the camera's name.
        viewpoint: the camera.
        detections: what was found in its picture.
        seen: the points that it sees, without the ground.
        params: limits and uncertainties.

    Returns:
        for each detection its place, or why it has none: no box within the picture (``box``),
        outside of the calibration (``lens``), too steep a view (``steep``), or what
        `foot_on_ground` raises.
    """
    spots: dict[int, Placement | InvalidInput] = {}
    boxes = {}
    calibration = viewpoint.projection.calibration
    for index, box_px in enumerate(detections.boxes_px):
        try:
            boxes[index] = Box.within(box_px, calibration.width, calibration.height)
        except InvalidInput as error:
            spots[index] = error
    sights = {}
    for index, sight in zip(boxes, viewpoint.sights(list(boxes.values()))):
        if isinstance(sight, InvalidInput):
            spots[index] = sight
        else:
            sights[index] = sight
    points = _points_of_each(viewpoint, sights, seen, params.minimum_points)
    sides = near_sides(viewpoint, list(sights.values()), seen, [points[index] for index in sights])
    ground = GroundModel(
        params.ground_z_m,
        params.max_range_m,
        params.max_height_m,
        params.tilt_sigma_rad,
        params.height_sigma_m,
    )
    for (index, sight), side in zip(sights.items(), sides):
        size = size_of(detections.labels[index])
        try:
            spots[index] = _place(
                f"camera:{camera}", viewpoint, sight, size, seen, side, ground, params
            )
        except InvalidInput as error:
            spots[index] = error
    return [spots[index] for index in range(len(detections))]


def _points_of_each(
    viewpoint: Viewpoint,
    sights: Mapping[int, Sight],
    seen: SeenPoints,
    minimum_points: int,
) -> dict[int, NDArray[np.intp] | None]:
    """The points of each box's object, none of which two different objects share for long.

    Boxes come from the lowest foot upwards, that is from near to far. Whose points mostly belong to
    nearer ones has another choice among those that are left, or has none.
    """
    if not sights:
        return {}
    order = sorted(sights, key=lambda index: (-sights[index].box.bottom, index))
    ordered = [sights[index] for index in order]
    boxes = [sight.box for sight in ordered]
    inside = seen.within(boxes)
    chosen = foregrounds(viewpoint, ordered, seen, inside, minimum_points)
    apart = np.concatenate([_apart(boxes), np.zeros((len(boxes), 1), dtype=np.bool_)], axis=1)
    owner = np.full(len(seen.points_m), -1, dtype=np.intp)  # nobody's, in the last column of apart
    contested = []
    for place, points in enumerate(chosen):
        if points is None:
            continue
        taken = apart[place][owner[points]]
        if 2 * np.count_nonzero(taken) > len(points):
            contested.append(place)
        else:
            owner[points[~taken]] = place
    if contested:
        left = inside.only(~apart[inside.boxes, owner[inside.points]], contested)
        others = [ordered[place] for place in contested]
        second = foregrounds(viewpoint, others, seen, left, minimum_points)
        for place, points in zip(contested, second):
            chosen[place] = points
    return dict(zip(order, chosen))


def _apart(boxes: Sequence[Box]) -> NDArray[np.bool_]:
    """Whether each box (row) shows something else than each other one, bool (n, n).

    Two boxes show one thing where they are nearly the same, or where the one lies within the
    other's sides: a second class for it, or a part of it.
    """
    edges = np.array([(box.left, box.top, box.right, box.bottom) for box in boxes]).reshape(-1, 4)
    low = np.maximum(edges[:, None, :2], edges[None, :, :2])
    high = np.minimum(edges[:, None, 2:], edges[None, :, 2:])
    common = np.maximum(high - low, 0.0)
    sizes = edges[:, 2:] - edges[:, :2]
    area, both = sizes.prod(axis=1), common.prod(axis=2)
    alike = both >= _SAME_THING * (area[:, None] + area[None] - both)
    within = common[:, :, 0] >= _WITHIN * sizes[:, None, 0]
    return np.asarray(~(alike | within))


def _place(
    camera: str,
    viewpoint: Viewpoint,
    sight: Sight,
    size: ClassSize | None,
    seen: SeenPoints,
    side: NearSide | None,
    ground: GroundModel,
    params: SensorFusionParams,
) -> Placement:
    edge_sigma_px = params.pixel_sigma_px + params.box_sigma_share * sight.box.height
    by_points = None
    if side is not None:
        by_points = place_by_points(
            viewpoint,
            sight,
            seen,
            side,
            size=size,
            ground_z_m=params.ground_z_m,
            doubts=Doubts(edge_sigma_px, params.max_speed_mps),
            camera=camera,
        )
    try:
        foot = foot_on_ground(viewpoint, sight, ground, edge_sigma_px)
    except InvalidInput:
        if by_points is None:
            raise
        return by_points
    if by_points is not None and not _behind(by_points, foot):
        return by_points
    return place_on_ground(
        viewpoint,
        sight,
        foot,
        ground_z_m=params.ground_z_m,
        edge_sigma_px=edge_sigma_px,
        sensor=camera,
        size=size,
    )


def _behind(by_points: Placement, foot: Foot) -> bool:
    """Whether the points belong to what is behind the object.

    An object may give no echo, and the points in its box are then the wall behind it. Where they
    are grossly further than its foot stands, the nearer, safer place holds.
    """
    return by_points.depth_m > 1.5 * foot.depth_m + 3.0 * foot.sigma_m
