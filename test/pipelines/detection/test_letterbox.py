"""The way into a model's input and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.detection.letterbox import Letterbox, Placement
from edge_mm_ros.pipelines.detection.model_spec import InputSpec


def spec(width: int = 64, height: int = 64, dtype: Any = np.float32) -> InputSpec:
    return InputSpec("images", width, height, np.dtype(dtype))


def plain(width: int, height: int, colour: tuple[int, int, int]) -> Any:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_wide_picture_lies_between_gray_bars(dtype: Any) -> None:
    feed, placement = Letterbox(spec(dtype=dtype))(plain(128, 64, (255, 51, 0)))
    assert (placement.left, placement.top, placement.width, placement.height) == (0, 16, 64, 32)
    assert feed.shape == (1, 3, 64, 64)
    assert feed.dtype == dtype
    gray, inside = feed[0, :, :16], feed[0, :, 16:48]
    np.testing.assert_allclose(gray, 114 / 255, atol=1e-3)
    np.testing.assert_allclose(feed[0, :, 48:], 114 / 255, atol=1e-3)
    for plane, value in zip(inside, (1.0, 0.2, 0.0), strict=True):
        np.testing.assert_allclose(plane, value, atol=1e-3)


def test_a_picture_of_the_inputs_size_goes_in_unchanged() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    feed, _ = Letterbox(spec())(pixels)
    np.testing.assert_allclose(feed[0], pixels.transpose(2, 0, 1) / 255, atol=1e-6)


def test_a_picture_of_another_size_leaves_nothing_of_the_one_before() -> None:
    letterbox = Letterbox(spec())
    letterbox(plain(64, 64, (255, 255, 255)))
    feed, _ = letterbox(plain(32, 64, (0, 0, 0)))
    fresh, _ = Letterbox(spec())(plain(32, 64, (0, 0, 0)))
    np.testing.assert_array_equal(feed, fresh)


def test_a_padded_view_of_a_picture_is_taken_as_it_is() -> None:
    wide = np.random.default_rng(2).integers(0, 256, (48, 80, 3), dtype=np.uint8)
    view = wide[:, :64]
    seen, _ = Letterbox(spec())(view)
    expected, _ = Letterbox(spec())(np.ascontiguousarray(view))
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 5000), (5000, 1), (3, 4000)])
def test_extreme_proportions_still_fit(width: int, height: int) -> None:
    feed, placement = Letterbox(spec())(plain(width, height, (9, 9, 9)))
    assert placement.width >= 1
    assert placement.height >= 1
    assert np.isfinite(feed).all()


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(32, 960),
    st.integers(32, 960),
)
def test_the_way_back_gives_the_picture_itself(
    width: int, height: int, into_width: int, into_height: int
) -> None:
    placement = Placement.centred(width, height, spec(into_width, into_height))
    assert placement.left >= 0
    assert placement.top >= 0
    right, bottom = placement.left + placement.width, placement.top + placement.height
    assert right <= into_width
    assert bottom <= into_height
    assert placement.width == into_width or placement.height == into_height
    whole = np.array([[placement.left, placement.top, right, bottom]], np.float32)
    np.testing.assert_allclose(placement.to_picture(whole), [[0, 0, width, height]], rtol=1e-4)
    outside = np.array([[-50, -50, into_width + 50, into_height + 50]], np.float32)
    np.testing.assert_allclose(placement.to_picture(outside), [[0, 0, width, height]], rtol=1e-4)


def test_a_known_point_comes_back() -> None:
    # 1224 x 370 into 640 x 640: scale 640 / 1224, 193 rows, 223 rows above.
    placement = Placement.centred(1224, 370, spec(640, 640))
    assert (placement.top, placement.height) == (223, 193)
    box = np.array([[320, 223 + 193 / 2, 640, 416]], np.float32)
    np.testing.assert_allclose(placement.to_picture(box), [[612, 185, 1224, 370]], atol=0.01)
