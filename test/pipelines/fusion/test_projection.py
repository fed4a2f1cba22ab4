"""Lens models: against OpenCV, both ways, and without folding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from edge_mm_ros.datatypes import CameraCalibration, InvalidInput, RigidTransform
from edge_mm_ros.pipelines.fusion import CameraProjection
from edge_mm_ros.pipelines.fusion.viewpoint import Box, Viewpoint

K = np.array([[500.0, 0.0, 330.0], [0.0, 510.0, 230.0], [0.0, 0.0, 1.0]])
PLUMB_BOB = [-0.25, 0.07, 0.001, -0.002, 0.01]
RATIONAL = [0.3, 0.05, 0.0005, -0.0008, 0.002, 0.6, 0.15, 0.01]
EQUIDISTANT = [0.03, -0.01, 0.004, -0.0006]
MODELS = [
    ("", []),
    ("plumb_bob", PLUMB_BOB),
    ("plumb_bob", PLUMB_BOB[:4]),
    ("rational_polynomial", RATIONAL),
    ("equidistant", EQUIDISTANT),
]


def camera(model: str, distortion: list[float], k: np.ndarray = K) -> CameraProjection:
    return CameraProjection(CameraCalibration(640, 480, k, model, np.array(distortion), "optical"))


def points_in_view() -> np.ndarray:
    rng = np.random.default_rng(3)
    flat = rng.uniform([-0.5, -0.35], [0.5, 0.35], (200, 2))
    depth = rng.uniform(0.5, 60.0, (200, 1))
    return np.hstack([flat * depth, depth])


@pytest.mark.parametrize(("model", "distortion"), MODELS)
def test_pixels_are_those_of_opencv(model: str, distortion: list[float]) -> None:
    points = points_in_view()
    if model == "equidistant":
        expected, _ = cv2.fisheye.projectPoints(
            points[:, None], np.zeros(3), np.zeros(3), K, np.array(distortion)
        )
    else:
        expected, _ = cv2.projectPoints(
            points, np.zeros(3), np.zeros(3), K, np.array(distortion or [0.0] * 4)
        )
    expected = expected.reshape(-1, 2)
    pixels, seen = camera(model, distortion).project(points)
    inside = np.all((expected >= 0) & (expected <= (640, 480)), axis=1)
    assert inside.sum() > 150
    assert np.array_equal(seen, inside)
    assert_allclose(pixels[seen], expected[seen], atol=1e-6)


@pytest.mark.parametrize(("model", "distortion"), MODELS)
@given(u=st.floats(0, 640), v=st.floats(0, 480), depth=st.floats(0.1, 80))
def test_a_pixel_s_ray_comes_back_to_the_pixel(
    model: str, distortion: list[float], u: float, v: float, depth: float
) -> None:
    projection = camera(model, distortion)
    ray = projection.rays(np.array([[u, v]]))
    assert_allclose(np.linalg.norm(ray), 1.0)
    pixels, _ = projection.project(ray * depth / ray[:, 2:])
    assert_allclose(pixels, [[u, v]], atol=1e-5)


def test_a_known_point_by_hand() -> None:
    # 1 m to the right and 0.5 m down at 5 m: 500 * 0.2 + 330 and 510 * 0.1 + 230.
    pixels, seen = camera("", []).project(np.array([[1.0, 0.5, 5.0]]))
    assert seen.all()
    assert_allclose(pixels, [[430.0, 281.0]])


def test_skew_is_used() -> None:
    skewed = K.copy()
    skewed[0, 1] = 40.0
    projection = camera("", [], skewed)
    pixels, _ = projection.project(np.array([[0.0, 0.1, 1.0]]))
    assert_allclose(pixels, [[334.0, 281.0]])
    assert_allclose(projection.rays(pixels)[0, :2] / projection.rays(pixels)[0, 2], [0.0, 0.1])


def test_points_behind_and_beside_the_camera_are_not_seen() -> None:
    points = np.array([[0.0, 0.0, -5.0], [0.0, 0.0, 0.0], [100.0, 0.0, 1.0], [0.0, 0.0, 5.0]])
    for model, distortion in MODELS:
        _, seen = camera(model, distortion).project(points)
        assert seen.tolist() == [False, False, False, True], model


def test_a_far_point_is_not_folded_into_the_picture() -> None:
    # With a strong barrel distortion the polynomial turns round at 45 degrees; OpenCV puts this
    # point, 70 degrees aside, into the picture.
    distortion = [-0.33, 0.0, 0.0, 0.0]
    aside = np.array([[1.7, 0.0, 1.0]])
    folded, _ = cv2.projectPoints(aside, np.zeros(3), np.zeros(3), K, np.array(distortion))
    assert 0 <= folded.reshape(2)[0] <= 640
    _, seen = camera("plumb_bob", distortion).project(aside)
    assert not seen.any()


def test_a_pixel_without_direction_gives_nan() -> None:
    # The barrel's image ends at radius 2/3 of tan(45 degrees): 335 px from the centre.
    projection = camera("plumb_bob", [-0.33, 0.0, 0.0, 0.0])
    rays = projection.rays(np.array([[330.0, 230.0], [330.0 + 600.0, 230.0]]))
    assert_allclose(rays[0], [0.0, 0.0, 1.0])
    assert np.isnan(rays[1]).all()


def test_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="'thin_prism' is unknown; known: plumb_bob") as raised:
        camera("thin_prism", [0.1])
    assert raised.value.kind == "distortion_model"


def test_too_many_coefficients_are_refused_and_zeros_behind_are_not() -> None:
    with pytest.raises(InvalidInput, match="plumb_bob distortion takes 5 coefficients, got 6"):
        camera("plumb_bob", [*PLUMB_BOB, 0.1])
    camera("rational_polynomial", [*RATIONAL, 0.0, 0.0, 0.0, 0.0])


def test_many_points_far_outside_of_any_lens_do_no_harm() -> None:
    points = np.array([[1e30, -1e30, 1e-3], [1e300, 0.0, 1.0], [0.0, 0.0, 1e30]])
    for model, distortion in MODELS:
        pixels, seen = camera(model, distortion).project(points)
        assert np.isfinite(pixels).all()
        assert seen.tolist() == [False, False, True]


def test_plumb_bob_by_hand() -> None:
    # At (0.2, 0.1): r2 = 0.05, radial 1 - 0.2 * 0.05 + 0.04 * 0.0025 + 0.8 * 0.000125 = 0.9902.
    # Tangential: x 2 * 0.01 * 0.02 + 0.02 * (0.05 + 0.08) = 0.003,
    #             y 0.01 * (0.05 + 0.02) + 2 * 0.02 * 0.02 = 0.0015.
    lens = camera("plumb_bob", [-0.2, 0.04, 0.01, 0.02, 0.8])
    pixels, seen = lens.project(np.array([[0.4, 0.2, 2.0]]))
    assert seen.all()
    assert_allclose(pixels, [[330 + 500 * (0.19804 + 0.003), 230 + 510 * (0.09902 + 0.0015)]])


def test_rational_polynomial_by_hand() -> None:
    # At (0.2, 0): r2 = 0.04; (1 + 0.5 * 0.04) / (1 + 0.25 * 0.04) = 1.02 / 1.01.
    lens = camera("rational_polynomial", [0.5, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0])
    pixels, _ = lens.project(np.array([[0.2, 0.0, 1.0]]))
    assert_allclose(pixels, [[330 + 500 * 0.2 * 1.02 / 1.01, 230]])


def test_equidistant_by_hand() -> None:
    # 30 degrees aside: t = pi / 6, t (1 + 0.1 t2).
    t = np.pi / 6
    lens = camera("equidistant", [0.1, 0.0, 0.0, 0.0])
    pixels, _ = lens.project(np.array([[np.tan(t), 0.0, 1.0]]))
    assert_allclose(pixels, [[330 + 500 * t * (1 + 0.1 * t * t), 230]])


WIDE = np.array([[150.0, 0.0, 320.0], [0.0, 150.0, 240.0], [0.0, 0.0, 1.0]])


def test_a_fisheye_sees_beyond_90_degrees() -> None:
    # 150 px for a radian: 95 degrees lie 248.7 px aside; the picture ends at 320 px.
    lens = camera("equidistant", [], WIDE)
    angle = np.radians(95.0)
    pixels, seen = lens.project(np.array([[np.sin(angle), 0.0, np.cos(angle)]]))
    assert seen.all()
    assert_allclose(pixels, [[320 + 150 * angle, 240]])
    assert_allclose(lens.rays(pixels), [[np.sin(angle), 0.0, np.cos(angle)]], atol=1e-9)
    straight_behind = np.array([[0.0, 0.0, -5.0], [0.1, 0.0, -5.0]])
    assert not lens.project(straight_behind)[1].any()


@given(u=st.floats(0, 640), v=st.floats(0, 480))
def test_a_fisheye_s_pixels_come_back(u: float, v: float) -> None:
    lens = camera("equidistant", EQUIDISTANT, WIDE)
    ray = lens.rays(np.array([[u, v]]))
    if np.isfinite(ray).all():
        assert_allclose(lens.project(7.0 * ray)[0], [[u, v]], atol=1e-5)
    else:  # only in the picture's corners, further out than the model goes
        assert np.hypot(u - 320, v - 240) / 150 > lens.max_angle_rad * 0.9


def test_the_widest_angle_is_where_the_polynomial_turns() -> None:
    # r (1 - 0.33 r2) turns at r2 = 1 / 0.99: atan(1.005) = 45.1 degrees.
    assert np.degrees(camera("plumb_bob", [-0.33, 0, 0, 0]).max_angle_rad) == pytest.approx(
        45.1, abs=0.1
    )
    assert np.degrees(camera("equidistant", []).max_angle_rad) == pytest.approx(120.0)


def test_pixels_without_direction_are_refused_by_name() -> None:
    lens = camera("plumb_bob", [-0.5, 0.0, 0.0, 0.0])
    viewpoint = Viewpoint(lens, RigidTransform.identity())
    box = Box.within(np.array([0.0, 0.0, 20.0, 20.0]), 640, 480)
    (refused,) = viewpoint.sights([box])
    assert isinstance(refused, InvalidInput)
    assert refused.kind == "lens"
    assert "plumb_bob model has no direction for more than 39 degrees" in str(refused)


@pytest.mark.parametrize(("model", "distortion"), MODELS)
def test_directions_are_those_of_opencv(model: str, distortion: list[float]) -> None:
    pixels = np.random.default_rng(1).uniform((130, 80), (530, 380), (100, 2))
    if model == "equidistant":
        expected = cv2.fisheye.undistortPoints(pixels[:, None], K, np.array(distortion))
    else:
        expected = cv2.undistortPoints(pixels[:, None], K, np.array(distortion or [0.0] * 4))
    rays = camera(model, distortion).rays(pixels)
    # OpenCV stops after a few iterations.
    assert_allclose(rays[:, :2] / rays[:, 2:], expected.reshape(-1, 2), atol=1e-3)
