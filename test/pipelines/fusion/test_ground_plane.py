"""One camera alone: the place of a box's foot on the ground, with an honest variance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from edge_mm_ros.datatypes import CameraCalibration, InvalidInput, RigidTransform
from edge_mm_ros.params.mounting import BODY_FROM_OPTICAL
from edge_mm_ros.pipelines.fusion.ground_plane import (
    GroundModel,
    foot_on_ground,
    place_on_ground,
)
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.viewpoint import Box, Placement, Viewpoint

WIDTH, HEIGHT, FOCAL = 640, 480, 500.0
MODEL = GroundModel(0.0, 80.0, 2.5, 0.01, 0.05)


def viewpoint(height_m: float = 1.5, pitch: float = 0.0, yaw: float = 0.0) -> Viewpoint:
    k = np.array([[FOCAL, 0.0, 320.0], [0.0, FOCAL, 240.0], [0.0, 0.0, 1.0]])
    calibration = CameraCalibration(WIDTH, HEIGHT, k, "", np.zeros(0), "optical")
    pose = RigidTransform.from_xyz_rpy((0.2, 0.0, height_m), (0.0, pitch, yaw))
    return Viewpoint(CameraProjection(calibration), pose @ BODY_FROM_OPTICAL)


def place(box: tuple[float, ...], model: GroundModel = MODEL, **view: float) -> Placement:
    seen_from = viewpoint(**view)
    (sight,) = seen_from.sights([Box.within(np.array(box), WIDTH, HEIGHT)])
    if isinstance(sight, InvalidInput):
        raise sight
    return place_on_ground(
        seen_from,
        sight,
        foot_on_ground(seen_from, sight, model, 2.0),
        ground_z_m=model.ground_z_m,
        edge_sigma_px=2.0,
        sensor="camera:front",
    )


def box_at(depth_m: float, aside_m: float = 0.0, tall_m: float = 1.7) -> tuple[float, ...]:
    """The box of a 0.6 m wide object that stands `depth_m` before a level camera at 1.5 m."""
    column = 320.0 - FOCAL * aside_m / depth_m
    half = FOCAL * 0.3 / depth_m
    foot, top = 240 + FOCAL * 1.5 / depth_m, 240 + FOCAL * (1.5 - tall_m) / depth_m
    return column - half, top, column + half, foot


@given(depth=st.floats(4.0, 30.0), aside=st.floats(-1.5, 1.5))
def test_an_object_stands_where_its_foot_is(depth: float, aside: float) -> None:
    spot = place(box_at(depth, aside))
    # The foot is its near side; it is taken as deep as it is wide.
    behind = 1 + 0.3 / math.hypot(depth, aside)
    assert spot.position_m[0] == pytest.approx(0.2 + depth * behind, abs=0.06)
    assert spot.position_m[1] == pytest.approx(aside * behind, abs=0.06)
    assert spot.position_m[2] == pytest.approx(0.85, abs=0.05)
    assert spot.size_m[2] == pytest.approx(1.7, rel=0.1)
    assert spot.sensors == ("camera:front",)


def test_the_size_is_along_the_robot_s_axes() -> None:
    assert place(box_at(10.0)).size_m == pytest.approx([0.5, 0.6, 1.7], rel=0.05)


def test_the_variance_follows_from_pixel_tilt_and_height() -> None:
    # h / tan(a) at 10 m: d/da = h / sin(a)^2, d/dh = 1 / tan(a).
    spot = place(box_at(10.0))
    a = math.atan(0.15)
    sigma_a = math.hypot(2.0 / FOCAL, 0.01)
    expected = math.hypot(1.5 / math.sin(a) ** 2 * sigma_a, 0.05 / 0.15, 0.6 / 4.0)
    assert math.sqrt(spot.covariance_m2[0, 0]) == pytest.approx(expected, rel=0.05)


def test_the_real_spread_is_within_the_told_one() -> None:
    """Monte Carlo over box, tilt and height: the told deviation holds, and is not idle."""
    rng = np.random.default_rng(5)
    told = math.sqrt(place(box_at(8.0)).covariance_m2[0, 0])
    left, top, right, foot = box_at(8.0)
    found = []
    for _ in range(300):
        noisy = (left, top, right, foot + rng.normal(0, 2.0))
        spot = place(noisy, height_m=1.5 + rng.normal(0, 0.05), pitch=rng.normal(0, 0.01))
        found.append(spot.position_m[0])
    assert 0.5 * told < np.std(found) < 1.1 * told


@given(near=st.floats(4.0, 20.0), further=st.floats(1.2, 2.0))
def test_the_variance_grows_with_distance(near: float, further: float) -> None:
    assume(near * further < 35)
    one, other = place(box_at(near)), place(box_at(near * further))
    assert np.trace(other.covariance_m2) > np.trace(one.covariance_m2)


@pytest.mark.parametrize("foot", [100.0, 239.0, 240.0, 245.0])
def test_a_foot_at_or_above_the_horizon_has_no_place(foot: float) -> None:
    with pytest.raises(InvalidInput, match="degrees below the horizon") as raised:
        place((300.0, 50.0, 340.0, foot))
    assert raised.value.kind == "horizon"


def test_a_foot_out_of_range_has_no_place() -> None:
    with pytest.raises(InvalidInput, match="further than 8 m") as raised:
        place(box_at(12.0), GroundModel(0.0, 8.0, 2.5, 0.001, 0.0))
    assert raised.value.kind == "range"


def test_a_camera_in_the_ground_is_refused() -> None:
    with pytest.raises(InvalidInput, match="above the ground, it is -0.50 m") as raised:
        place(box_at(5.0), height_m=-0.5)
    assert raised.value.kind == "height"


def test_a_camera_that_looks_straight_down_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too steep") as raised:
        place((300.0, 200.0, 340.0, 280.0), height_m=5.0, pitch=math.pi / 2)
    assert raised.value.kind == "steep"


def test_the_ground_may_lie_below_the_robot_s_frame() -> None:
    low = place(box_at(6.0), GroundModel(-0.3, 80.0, 2.5, 0.01, 0.05), height_m=1.2)
    assert low.position_m[0] == pytest.approx(place(box_at(6.0)).position_m[0])
    assert low.position_m[2] == pytest.approx(place(box_at(6.0)).position_m[2] - 0.3)


def test_yaw_turns_the_place() -> None:
    spot = place(box_at(6.0), yaw=math.pi / 2)
    assert_allclose(spot.position_m[:2], [0.2, 6.3], atol=0.05)
    assert spot.size_m[0] == pytest.approx(0.6, rel=0.1)
    assert spot.covariance_m2[1, 1] > 4 * spot.covariance_m2[0, 0]


def test_a_pitched_camera_sees_the_same_place() -> None:
    # Looking 0.3 rad down from 1.5 m; the point 6 m ahead on the ground is seen at atan(1.5/6).
    row = 240 + FOCAL * math.tan(math.atan(1.5 / 6.0) - 0.3)
    spot = place((300.0, row - 140, 340.0, row), pitch=0.3)
    assert spot.position_m[0] == pytest.approx(6.2 + spot.size_m[0] / 2, abs=0.02)


def test_a_box_cut_at_the_bottom_gives_bounds() -> None:
    # The lowest ray meets the ground at 1.5 / (240 / 500) = 3.125 m: the object is nearer.
    cut = place((250.0, 60.0, 390.0, 480.0))
    sigma = math.sqrt(cut.covariance_m2[0, 0])
    assert 0.2 < cut.position_m[0] < 3.4
    assert sigma > 3.125 / math.sqrt(12.0) * 0.9
    whole = place((250.0, 60.0, 390.0, 470.0))
    assert sigma > 3 * whole.depth_sigma_m


def test_a_box_from_top_to_bottom_is_near_by_its_height() -> None:
    # Looking up, the picture shows no ground: what fills it is at most 2.5 m tall.
    cut = place((0.0, 0.0, 640.0, 480.0), pitch=-0.6)
    assert 0.0 < cut.position_m[0] - 0.2 < 2.5
    assert cut.depth_sigma_m > 0.2


def test_from_a_mast_a_cut_box_is_not_below_the_mast() -> None:
    # Seen from 7 m with its top 0.1 rad below the horizon line of the view, it cannot be near.
    spot = place((300.0, 380.0, 340.0, 480.0), height_m=7.0, pitch=0.3)
    assert spot.position_m[0] > (7.0 - 2.5) / math.tan(0.3 + math.atan(140 / 500))


def test_an_object_cut_at_the_side_is_less_sure_sideways() -> None:
    inside, cut = place((10.0, 200.0, 150.0, 400.0)), place((0.0, 200.0, 140.0, 400.0))
    assert cut.covariance_m2[1, 1] > 2 * inside.covariance_m2[1, 1]


@pytest.mark.parametrize(
    "box",
    [
        (math.nan, 0, 10, 10),
        (10, 10, 10, 20),
        (10, 10, 20, 5),
        (-20, 10, -5, 20),
        (10, 500, 20, 600),
        (0, 0, math.inf, 10),
    ],
)
def test_what_is_not_a_box_in_the_picture_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="in a picture of 640x480") as raised:
        Box.within(np.array(box, dtype=np.float32), WIDTH, HEIGHT)
    assert raised.value.kind == "box"


@given(
    box=st.tuples(*[st.floats(-50, 700, width=32)] * 4),
    height=st.floats(-1, 20),
    pitch=st.floats(-1.6, 1.6),
    yaw=st.floats(-3.1, 3.1),
)
def test_any_box_is_placed_finitely_or_refused(
    box: tuple[float, ...], height: float, pitch: float, yaw: float
) -> None:
    try:
        spot = place(box, height_m=height, pitch=pitch, yaw=yaw)
    except InvalidInput:
        return
    assert np.isfinite(spot.position_m).all()
    assert (spot.size_m > 0).all()
    assert (np.linalg.eigvalsh(spot.covariance_m2) > 0).all()
