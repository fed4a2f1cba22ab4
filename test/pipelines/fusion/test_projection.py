"""Lens models: against OpenCV, both ways, and without folding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from edge_mm_ros.datatypes import CameraCalibration, InvalidInput
from edge_mm_ros.pipelines.fusion import CameraProjection

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
    assert_allclose(pixels, [[u, v]], atol=1e-3)


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
