"""The places of a picture's boxes, against solids whose centres are known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes.lidar_scenes import (
    CAMERA,
    PARAMS,
    box_around,
    cloud_of,
    detections,
    error_m,
    person,
    place,
    solid,
    viewpoint,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mm_ros.datatypes import CameraCalibration, InvalidInput, PointCloud
from edge_mm_ros.pipelines.fusion.class_sizes import (
    ClassSize,
    Side,
    depth_of,
    depth_of_sides,
    size_of,
)
from edge_mm_ros.pipelines.fusion.frustum import PlacedCloud, look_at
from edge_mm_ros.pipelines.fusion.placing import place_all
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.viewpoint import Viewpoint
from edge_mm_ros.pipelines.simulation.camera import outline

CAR = (4.5, 1.8, 1.5)
NO_POINTS = PointCloud(np.zeros((0, 3), np.float32), 0, "top")


def inside_95(spot: Any, centre: np.ndarray) -> bool:
    error = (spot.position_m - centre)[:2]
    return bool(error @ np.linalg.solve(spot.covariance_m2[:2, :2], error) < 5.99)


@pytest.mark.parametrize("turn", range(12))
@pytest.mark.parametrize("distance", [8.0, 14.0, 25.0, 40.0])
def test_a_car_of_any_heading_is_placed_at_its_centre(distance: float, turn: int) -> None:
    aside = -0.3 if turn % 2 else 0.2
    spot = distance * math.cos(aside), distance * math.sin(aside)
    car = solid(*spot, CAR, math.pi * turn / 12)
    (found,) = place([box_around(car)], ["car"], cloud_of([car], rings=32))
    assert error_m(found, car) <= 0.5 + 0.02 * distance
    assert found.sensors == ("camera:front", "lidar:top")


def test_the_covariance_of_cars_is_honest() -> None:
    """Of cars of many sizes, at many places and headings, about 95 % lie in their ellipse."""
    rng = np.random.default_rng(4)
    inside = []
    for _ in range(120):
        size = rng.normal((4.3, 1.75, 1.5), (0.5, 0.1, 0.1))
        bearing, distance = rng.uniform(-0.5, 0.5), rng.uniform(8.0, 45.0)
        car = solid(
            distance * math.cos(bearing),
            distance * math.sin(bearing),
            size,
            rng.uniform(0.0, math.pi),
        )
        (found,) = place([box_around(car)], ["car"], cloud_of([car], rings=32))
        inside.append(inside_95(found, car.centre_m))
    assert 0.9 <= np.mean(inside) <= 1.0


def test_what_has_no_known_size_is_not_placed_too_far() -> None:
    for turn in range(12):
        thing = solid(14.0, 2.0, CAR, math.pi * turn / 12)
        (found,) = place([box_around(thing)], ["thing"], cloud_of([thing], rings=32))
        behind = (found.position_m - thing.centre_m)[:2] @ [0.99, 0.14]
        assert behind < 0.3
        assert inside_95(found, thing.centre_m)


@pytest.mark.parametrize("distance", [3.0, 8.0, 20.0])
def test_a_person_is_placed_within_a_decimetre(distance: float) -> None:
    someone = person(distance, 0.1 * distance)
    (found,) = place([box_around(someone)], ["person"], cloud_of([someone]))
    assert error_m(found, someone) < 0.1
    assert inside_95(found, someone.centre_m)


def test_a_van_is_not_placed_at_the_person_who_passes_before_it() -> None:
    van = solid(10.3, 0.0, (4.5, 1.8, 2.2))
    for aside in np.arange(-0.6, 0.61, 0.15):
        someone = person(5.7, aside)
        spots = place(
            [box_around(van), box_around(someone)], ["van", "person"], cloud_of([van, someone])
        )
        assert error_m(spots[0], van) < 0.7, aside
        assert error_m(spots[1], someone) < 0.1


def test_two_boxes_of_one_object_have_one_place() -> None:
    """A second class for the same person, and a box around the upper body only."""
    someone = person(6.0, 0.5)
    whole = box_around(someone)
    upper = whole * [1, 1, 1, 0.5] + [0, 0, 0, 0.5 * whole[1]]
    wall = solid(12.0, 0.0, (0.2, 12.0, 3.0))
    spots = place(
        [whole, whole + [1, -1, 1, 2], upper],
        ["person", "fallen person", "person"],
        cloud_of([someone, wall]),
    )
    assert [error_m(spot, someone) < 0.6 for spot in spots] == [True] * 3


def test_two_people_at_one_bearing_are_told_apart() -> None:
    near, far = person(4.0, 0.0), person(8.0, 0.55)
    spots = place([box_around(far), box_around(near)], ["person", "person"], cloud_of([near, far]))
    assert error_m(spots[0], far) < 0.3
    assert error_m(spots[1], near) < 0.1


def test_half_hidden_the_place_is_less_sure_and_still_honest() -> None:
    someone, pillar = person(8.0, 0.0), solid(5.0, 0.25, (0.3, 0.3, 3.0))
    left, top, right, bottom = box_around(someone)
    cloud = cloud_of([someone, pillar])
    hidden_until = box_around(pillar)[2]
    (whole,) = place([(left, top, right, bottom)], ["person"], cloud_of([someone]))
    (part,) = place([(max(hidden_until, left), top, right, bottom)], ["person"], cloud)
    assert error_m(part, someone) < 0.3
    assert inside_95(part, someone.centre_m)
    assert np.linalg.det(whole.covariance_m2[:2, :2]) > 0.0


def test_what_stands_behind_and_shows_over_the_top_does_not_count() -> None:
    """A low trailer before a wall: the wall's echoes lie in the upper rows of its box."""
    trailer = solid(8.0, 0.0, (2.4, 1.5, 1.6), 0.2)
    wall = solid(14.0, 0.0, (0.2, 12.0, 3.0))
    box = box_around(trailer) - [0, 12, 0, 0]
    (found,) = place([box], ["thing"], cloud_of([trailer, wall]))
    assert error_m(found, trailer) < 0.66


def test_a_person_without_echo_is_not_put_at_the_wall_behind() -> None:
    someone, wall = person(8.0, 0.0), solid(30.0, 0.0, (0.2, 40.0, 8.0))
    (found,) = place([box_around(someone)], ["person"], cloud_of([wall]))
    assert found.sensors == ("camera:front",)
    assert error_m(found, someone) < 1.0


def test_without_points_the_ground_tells_the_place_of_a_car_as_well() -> None:
    for turn in range(6):
        car = solid(12.0, 1.0, CAR, math.pi * turn / 6)
        (found,) = place([box_around(car)], ["car"], NO_POINTS)
        assert found.sensors == ("camera:front",)
        assert error_m(found, car) < 1.2
        assert inside_95(found, car.centre_m)


def test_each_bad_box_is_refused_by_name_and_the_others_are_placed() -> None:
    someone = person(6.0, 0.5)
    good = box_around(someone)
    bad = [
        (math.nan, 10, 20, 30),
        (100, 100, 100, 200),
        (100, 100, 200, 100),
        (200, 100, 100, 200),
        (-50, 10, -5, 20),
        (1281, 10, 1300, 20),
        (10, 721, 20, 730),
        (-math.inf, 10, math.inf, 20),
    ]
    spots = place([*bad, good], ["person"] * 9, cloud_of([someone]))
    for spot in spots[:-1]:
        assert isinstance(spot, InvalidInput)
        assert spot.kind == "box"
        assert "in a picture of 1280x720" in str(spot)
    assert error_m(spots[-1], someone) < 0.1


def test_all_lidars_that_see_the_object_are_named_and_no_others() -> None:
    someone = person(6.0, 0.5)
    points = cloud_of([someone]).points_m.astype(np.float64) + [0.0, 0.0, 1.8]
    points = points[points[:, 2] > 0.2]
    view = viewpoint()
    clouds = [
        PlacedCloud("lidar:left", points[::2], 0.0),
        PlacedCloud("lidar:rear", points[:50] - [20.0, 0.0, 0.0], 0.0),
        PlacedCloud("lidar:right", points[1::2], -0.02),
    ]
    seen = look_at(view, clouds)
    (found,) = place_all("front", view, detections([box_around(someone)], ["person"]), seen, PARAMS)
    assert found.sensors == ("camera:front", "lidar:left", "lidar:right")
    assert seen.offsets_s == (0.0, 0.0, -0.02)
    assert error_m(found, someone) < 0.1
    # Half of the points were 20 ms before the picture, so on average it stood there 10 ms before.
    assert found.lead_s == pytest.approx(-0.01)


def test_a_cloud_of_another_time_tells_when_and_how_far_the_object_may_be() -> None:
    someone = person(6.0, 0.5)
    points = cloud_of([someone]).points_m.astype(np.float64) + [0.0, 0.0, 1.8]
    points = points[points[:, 2] > 0.2]
    view, found = viewpoint(), []
    for offset_s in (0.0, 0.04):
        seen = look_at(view, [PlacedCloud("lidar:top", points, offset_s)])
        picture = detections([box_around(someone)], ["person"])
        found += place_all("front", view, picture, seen, PARAMS)
    now, later = found
    assert (now.lead_s, now.moved_m) == (0.0, 0.0)
    assert later.lead_s == pytest.approx(0.04)
    assert later.moved_m == pytest.approx(0.04 * PARAMS.max_speed_mps / 2.0)
    assert later.position_m == pytest.approx(now.position_m)
    gained = np.diag(later.covariance_m2 - now.covariance_m2)
    assert gained == pytest.approx([later.moved_m**2, later.moved_m**2, 0.0], abs=1e-9)


def test_a_fisheye_places_like_a_pinhole_camera() -> None:
    """Seen 60 degrees aside, where a pinhole picture has long ended."""
    someone = person(3.0, 3.0 * math.tan(math.radians(60.0)))
    k = np.array([[400.0, 0.0, 640.0], [0.0, 400.0, 360.0], [0.0, 0.0, 1.0]])
    calibration = CameraCalibration(1280, 720, k, "equidistant", np.array([0.02]), "optical")
    lens = CameraProjection(calibration)
    view = Viewpoint(lens, CAMERA)
    pixels, seen = lens.project(CAMERA.inverse().apply(outline(someone)))
    assert seen.all()
    box = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
    points = outline(someone)
    near = points[np.hypot(*points[:, :2].T) < np.hypot(*someone.centre_m[:2])]
    cloud = PlacedCloud("lidar:top", near[near[:, 2] > 0.2], 0.0)
    (found,) = place_all(
        "front", view, detections([box], ["person"]), look_at(view, [cloud]), PARAMS
    )
    assert found.sensors == ("camera:front", "lidar:top")
    assert error_m(found, someone) < 0.1
    assert inside_95(found, someone.centre_m)


def test_no_boxes_have_no_places() -> None:
    assert place([], [], cloud_of([person(6.0, 0.0)])) == []


def test_too_few_points_place_nothing() -> None:
    someone = person(6.0, 0.5)
    cloud = cloud_of([someone])
    few = replace(cloud, points_m=cloud.points_m[np.hypot(*cloud.points_m[:, :2].T) < 5.77][:4])
    (found,) = place([box_around(someone)], ["person"], few)
    assert found.sensors == ("camera:front",)


SIZE = ClassSize(4.0, 2.0, 0.4)


@pytest.mark.parametrize(
    ("width", "extent"),
    [
        (2.0, 4.0),  # from behind
        (1.5, 4.0),  # narrower than its class
        (3.0 * math.sqrt(2.0), 3.0 * math.sqrt(2.0)),  # at 45 degrees
        (math.sqrt(20.0), 16.0 / math.sqrt(20.0)),  # across its diagonal
    ],
)
def test_the_width_in_the_picture_tells_the_depth(width: float, extent: float) -> None:
    found = depth_of(SIZE, width, cut=False)
    # Between the length and the diagonal two headings are possible, and the doubt is told.
    if width < 4.0:
        assert found.extent_m == pytest.approx(extent, abs=0.01)
    assert abs(found.extent_m - extent) / 2.0 < 2.0 * found.sigma_m


def test_a_box_that_is_cut_leaves_the_depth_open() -> None:
    whole, cut = depth_of(SIZE, 2.0, cut=False), depth_of(SIZE, 2.0, cut=True)
    assert cut.sigma_m > 1.4 * whole.sigma_m
    assert cut.aside_sigma_m >= 1.0


@pytest.mark.parametrize(
    ("sides", "extent"),
    [
        ((Side(1.0, 0.0), Side(1.0, 0.0)), 4.0),  # its rear, flat before the view
        ((Side(2.0, 0.0), Side(2.0, 0.0)), 2.0),  # its flank
        ((Side(2.0, 0.0), Side(0.0, 4.0)), 4.0),  # rear and flank
        ((Side(2.83, 2.83), Side(1.41, 1.41)), 4.24),  # both at 45 degrees
        ((Side(2.83, 2.83), Side(0.2, 0.2)), 4.24),  # of the rear hardly anything
    ],
)
def test_the_sides_tell_the_depth(sides: tuple[Side, Side], extent: float) -> None:
    for both in (sides, sides[::-1]):
        found = depth_of_sides(SIZE, both)
        assert found is not None
        assert found.extent_m == pytest.approx(extent, abs=0.02)


@pytest.mark.parametrize("turn", range(-4, 5))
def test_a_car_s_size_is_that_of_the_car_from_wherever_it_is_seen(turn: int) -> None:
    """Rear and flank show; the size was told for what the car hides across the view before."""
    bearing = 0.1 * turn
    car = solid(12.0 * math.cos(bearing), 12.0 * math.sin(bearing), CAR, 0.0)
    (found,) = place([box_around(car)], ["car"], cloud_of([car], rings=32))
    assert found.size_m[:2] == pytest.approx([4.5, 1.8], abs=0.75)
    assert found.sized


def test_a_box_that_is_cut_tells_no_size() -> None:
    car = solid(8.0, 6.0, CAR, 0.0)
    (found,) = place([box_around(car)], ["car"], cloud_of([car], rings=32))
    assert not found.sized


def test_a_long_side_that_may_go_on_is_told_with_more_doubt() -> None:
    whole = depth_of_sides(SIZE, (Side(0.0, 0.0), Side(1.0, 3.87)))
    part = depth_of_sides(SIZE, (Side(0.0, 0.0), Side(0.7, 2.7)))
    assert whole is not None
    assert part is not None
    assert part.sigma_m > whole.sigma_m + 0.2


def test_sides_that_hardly_show_tell_nothing() -> None:
    assert depth_of_sides(SIZE, (Side(0.5, 0.0), Side(0.5, 0.0))) is None


def test_class_names_are_found_in_any_spelling() -> None:
    assert size_of("Car") == size_of("car")
    assert size_of("fallen_person") == size_of("fallen person")
    assert size_of("person") is None


@settings(max_examples=60, deadline=None)
@given(
    boxes=st.lists(st.tuples(*[st.floats(-50, 1400, width=32)] * 4), max_size=6),
    label=st.sampled_from(["person", "car", "thing", "bus"]),
    seed=st.integers(0, 99),
    count=st.integers(0, 300),
)
def test_any_boxes_and_points_give_finite_places_or_refusals(
    boxes: list[Any], label: str, seed: int, count: int
) -> None:
    points = np.random.default_rng(seed).uniform((-5, -9, -2), (20, 9, 1), (count, 3))
    spots = place(boxes, [label] * len(boxes), PointCloud(points.astype(np.float32), 0, "top"))
    assert len(spots) == len(boxes)
    for spot in spots:
        if isinstance(spot, InvalidInput):
            continue
        assert np.isfinite(spot.position_m).all()
        assert (spot.size_m > 0).all()
        assert (np.linalg.eigvalsh(spot.covariance_m2) > 0).all()
        assert np.hypot(*spot.position_m[:2]) < PARAMS.max_range_m + 20.0
