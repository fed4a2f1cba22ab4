"""The points in a picture's boxes, all boxes in one go, and the clusters that they form there."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.lidar_scenes import HEIGHT, WIDTH, viewpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.pipelines.fusion.frustum import PlacedCloud, SeenPoints, foregrounds, look_at
from edge_mm_ros.pipelines.fusion.kept_clouds import KeptClouds
from edge_mm_ros.pipelines.fusion.point_placing import near_sides
from edge_mm_ros.pipelines.fusion.viewpoint import Box, Sight

VIEW = viewpoint()
CELL_M = 0.3


def boxes_of(*edges: tuple[float, float, float, float]) -> list[Box]:
    return [Box.within(np.array(each), WIDTH, HEIGHT) for each in edges]


def sights_of(boxes: list[Box]) -> list[Sight]:
    sights = VIEW.sights(boxes)
    assert all(isinstance(sight, Sight) for sight in sights)
    return sights  # type: ignore[return-value]


def before_the_camera(cells: list[tuple[int, int]], z_m: float = 1.6) -> SeenPoints:
    """One point in the middle of each cell of the plan."""
    plan = (np.array(cells, dtype=np.float64).reshape(-1, 2) + 0.5) * CELL_M
    points = np.column_stack([plan, np.full(len(plan), z_m)])
    seen = look_at(VIEW, [PlacedCloud("lidar:top", points, 0.0)])
    assert len(seen.points_m) == len(cells)
    return seen


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_box_gets_the_points_in_it_and_no_others(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    # Whole pixels, so that points lie on the boxes' borders, too.
    pixels = np.floor(rng.uniform([0, 0], [65, 41], (data.draw(st.integers(0, 300)), 2)))
    low = np.floor(rng.uniform([0, 0], [60, 36], (data.draw(st.integers(1, 6)), 2)))
    high = low + np.floor(rng.uniform(1, 30, low.shape))
    boxes = boxes_of(*np.concatenate([low, high], axis=1).tolist())
    nobody = np.zeros(len(pixels), dtype=np.intp)
    seen = SeenPoints(np.zeros((len(pixels), 3)), pixels, nobody, ("lidar:top",), (0.0,))
    inside = seen.within(boxes)
    ends = np.cumsum(inside.counts)
    for box, end, count in zip(boxes, ends, inside.counts, strict=True):
        found, core = inside.points[end - count : end], inside.core[end - count : end]
        u, v = pixels.T
        expected = (u >= box.left) & (u <= box.right) & (v >= box.top) & (v <= box.bottom)
        assert sorted(found) == np.flatnonzero(expected).tolist()
        (column, row), wide, tall = box.centre, box.right - box.left, box.height
        for point, middle in zip(found, core, strict=True):
            far = abs(u[point] - column) - 0.3 * wide, abs(v[point] - row) - 0.4 * tall
            if min(map(abs, far)) > 1e-9:
                assert middle == (max(far) < 0.0)


def test_some_points_of_some_boxes() -> None:
    pixels = np.array([[5.0, 5.0], [6.0, 5.0], [25.0, 5.0], [26.0, 5.0], [45.0, 5.0]])
    seen = SeenPoints(np.zeros((5, 3)), pixels, np.zeros(5, dtype=np.intp), ("a",), (0.0,))
    inside = seen.within(boxes_of((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)))
    assert inside.boxes.tolist() == [0, 0, 1, 1, 2]
    left = inside.only(np.array([True, True, False, True, False]), [1, 2])
    assert (left.points.tolist(), left.counts.tolist()) == ([3], [1, 0])


@pytest.mark.parametrize(
    ("cells", "nearest"),
    [
        ([(30, 0), (31, 1), (32, 0)], 3),  # corners touch
        ([(30, 0), (31, 0), (33, 0), (34, 0), (35, 0)], 2),  # one empty cell parts them
        ([(30, 0), (31, 0), (39, 0), (40, 0)], 2),  # as do many, in x
        ([(30, -9), (31, -8), (32, 8), (33, 9)], 2),  # and in y
        ([(30, -3), (30, -2), (31, 0), (31, 1)], 2),
    ],
)
def test_what_touches_on_the_plan_is_one_thing(cells: list[tuple[int, int]], nearest: int) -> None:
    seen = before_the_camera(cells)
    boxes = boxes_of((0, 0, WIDTH, HEIGHT))
    (found,) = foregrounds(VIEW, sights_of(boxes), seen, seen.within(boxes), 2)
    assert found is not None
    assert sorted(found) == list(range(nearest))


def test_things_of_two_boxes_stay_apart_and_a_box_without_points_has_none() -> None:
    # The same cells in two boxes, which lie above each other in the picture.
    low, high = before_the_camera([(30, 0), (31, 0)], 1.2), before_the_camera([(30, 0)], 2.0)
    points = np.concatenate([low.points_m, high.points_m])
    seen = look_at(VIEW, [PlacedCloud("lidar:top", points, 0.0)])
    boxes = boxes_of((0, 0, 20, 20), (600, 370, 680, 420), (0, 600, 20, 620), (600, 320, 680, 355))
    found = foregrounds(VIEW, sights_of(boxes), seen, seen.within(boxes), 1)
    assert [None if one is None else one.tolist() for one in found] == [None, [0, 1], None, [2]]
    sides = near_sides(VIEW, sights_of(boxes), seen, found)
    assert [side is None for side in sides] == [True, False, True, False]
    for side, here in ((sides[1], points[:2]), (sides[3], points[2:])):
        assert side is not None
        away = np.hypot(*(here - VIEW.position_m)[:, :2].T)
        assert_allclose(np.hypot(side.depths_m, side.asides_m), away)
        assert_allclose(side.heights_m, here[:, 2] - 1.6)


def test_of_many_points_some_are_taken_nearest_first() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform([8.0, -1.0, 1.0], [12.0, 1.0, 2.0], (1000, 3))
    seen = look_at(VIEW, [PlacedCloud("lidar:top", points, 0.0)])
    sights = sights_of(boxes_of((0, 0, WIDTH, HEIGHT)))
    (side,) = near_sides(VIEW, sights, seen, [np.arange(1000)])
    assert side is not None
    assert_allclose(side.depths_m, np.sort(points[::3, 0]) - 0.2)


@pytest.mark.parametrize("fisheye", [False, True])
def test_a_cloud_of_another_time_is_seen_where_it_lies_at_that_of_the_picture(
    fisheye: bool,
) -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform(-20.0, 20.0, (500, 3)).astype(np.float32)
    view = viewpoint("equidistant" if fisheye else "")
    then = RigidTransform.from_xyz_rpy((1.0, 2.0, 0.0), (0.0, 0.0, 0.3))
    now = RigidTransform.from_xyz_rpy((1.5, 2.2, 0.0), (0.0, 0.0, -0.4))
    kept = KeptClouds()
    kept.add("lidar:top", 0, points)
    late = kept.near("lidar:top", 50_000_000, 10**8, {0: then, 50_000_000: now}.get)
    assert late is not None
    assert late.offset_s == pytest.approx(-0.05)
    moved = now.inverse().apply(then.apply(points))
    seen = look_at(view, [late])
    pixels, shown = view.projection.project(view.robot_from_optical.inverse().apply(moved))
    assert 0 < shown.sum() < len(points)
    assert_allclose(seen.points_m, moved[shown], atol=1e-9)
    assert_allclose(seen.pixels, pixels[shown], atol=1e-6)
