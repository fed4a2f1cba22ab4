"""``sensor_msgs/Image`` in every encoding, and every way in which it can lie."""

from __future__ import annotations

import array
import sys
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("sensor_msgs")

from sensor_msgs.msg import Image as Message

from edge_mm_ros.datatypes import Image, InvalidInput
from edge_mm_ros.ros.conversions.images import image_from_msg, image_to_msg

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
# BT.601, limited range, as cameras send it: Y, U, V.
YUV_OF_RED = (81, 90, 240)


def message(
    encoding: str, rows: NDArray[Any], width: int, height: int, pad: int = 0, **fields: Any
) -> Message:
    rows = rows.reshape(len(rows), -1)
    padded = np.pad(rows, ((0, 0), (0, pad)), constant_values=77)
    made = Message(
        encoding=encoding,
        width=width,
        height=height,
        step=padded.shape[1],
        data=array.array("B", padded.astype(np.uint8).tobytes()),
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def gray(height: int = 8, width: int = 8) -> Message:
    return message("mono8", np.full((height, width), 9), width, height)


def kind_of(bad: Message, **options: Any) -> str:
    with pytest.raises(InvalidInput) as refused:
        image_from_msg(bad, **options)
    assert "\n" not in str(refused.value)
    return refused.value.kind


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "order", "channels"),
    [
        ("rgb8", (0, 1, 2), 3),
        ("bgr8", (2, 1, 0), 3),
        ("rgba8", (0, 1, 2), 4),
        ("bgra8", (2, 1, 0), 4),
    ],
)
def test_colours_in_every_order(
    encoding: str, order: tuple[int, ...], channels: int, pad: int
) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    stored = np.full((6, 5, channels), 200, np.uint8)
    for source, target in enumerate(order):
        stored[:, :, target] = rgb[:, :, source]
    image = image_from_msg(message(encoding, stored, 5, 6, pad))
    np.testing.assert_array_equal(image.pixels, rgb)


@pytest.mark.parametrize("pad", [0, 3])
def test_gray_of_8_bits(pad: int) -> None:
    values = np.arange(30, dtype=np.uint8).reshape(5, 6)
    image = image_from_msg(message("mono8", values, 6, 5, pad))
    np.testing.assert_array_equal(image.pixels, np.repeat(values[:, :, None], 3, axis=2))


@pytest.mark.parametrize("pad", [0, 2, 3])
@pytest.mark.parametrize(("order", "big"), [("<u2", 0), (">u2", 1)])
def test_gray_of_16_bits_in_both_byte_orders(order: str, big: int, pad: int) -> None:
    values = np.array([[0, 257, 0x1234], [0x8080, 0xFF00, 0xFFFF]], order)
    rows = np.frombuffer(values.tobytes(), np.uint8).reshape(2, 6)
    image = image_from_msg(message("mono16", rows, 3, 2, pad, is_bigendian=big))
    expected = [[0, 1, 18], [128, 254, 255]]  # v / 257, rounded
    assert image.pixels[:, :, 0].tolist() == expected
    assert image.pixels[:, :, 2].tolist() == expected


@pytest.mark.parametrize("pad", [0, 4])
@pytest.mark.parametrize(
    ("encoding", "places"),
    [("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv"), ("yuv422", "uyvy"), ("uyvy", "uyvy")],
)
def test_packed_yuv(encoding: str, places: str, pad: int) -> None:
    y, u, v = YUV_OF_RED
    pair = [{"y": y, "u": u, "v": v}[place] for place in places]
    image = image_from_msg(message(encoding, np.array([pair * 4] * 6), 8, 6, pad))
    assert image.pixels.shape == (6, 8, 3)
    assert np.abs(image.pixels.astype(int) - RED).max() <= 3


@pytest.mark.parametrize("pad", [0, 4])
@pytest.mark.parametrize(("encoding", "places"), [("nv12", "uv"), ("nv21", "vu")])
def test_semi_planar_yuv(encoding: str, places: str, pad: int) -> None:
    y, u, v = YUV_OF_RED
    colour = [{"u": u, "v": v}[place] for place in places]
    rows = np.array([[y] * 8] * 6 + [colour * 4] * 3)
    image = image_from_msg(message(encoding, rows, 8, 6, pad))
    assert image.pixels.shape == (6, 8, 3)
    assert np.abs(image.pixels.astype(int) - RED).max() <= 3


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns(pattern: str, pad: int, colour: tuple[int, int, int]) -> None:
    value = dict(zip("rgb", colour, strict=True))
    tile = np.array([value[place] for place in pattern]).reshape(2, 2)
    image = image_from_msg(message(f"bayer_{pattern}8", np.tile(tile, (6, 6)), 12, 12, pad))
    assert image.pixels.shape == (12, 12, 3)
    assert (image.pixels[2:-2, 2:-2] == colour).all()


def test_stamp_and_frame_are_kept() -> None:
    made = gray()
    made.header.stamp.sec, made.header.stamp.nanosec = 12, 345
    made.header.frame_id = "camera_optical"
    image = image_from_msg(made)
    assert (image.stamp_ns, image.frame_id) == (12_000_000_345, "camera_optical")


def test_a_picture_goes_out_and_comes_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    made = image_to_msg(Image(pixels, 5_000_000_006, "c"))
    assert (made.encoding, made.step, made.height, made.width) == ("rgb8", 27, 7, 9)
    assert isinstance(made.data, array.array)
    back = image_from_msg(made)
    np.testing.assert_array_equal(back.pixels, pixels)
    assert (back.stamp_ns, back.frame_id) == (5_000_000_006, "c")


def test_a_part_of_a_picture_can_be_sent() -> None:
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    back = image_from_msg(image_to_msg(Image(pixels[2:6, 1:4], 0, "")))
    np.testing.assert_array_equal(back.pixels, pixels[2:6, 1:4])


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"height": 0}, "zero_size"),
        ({"width": 0}, "zero_size"),
        ({"width": 0, "height": 0, "data": array.array("B")}, "zero_size"),
        ({"step": 9}, "size_mismatch"),
        ({"height": 9}, "size_mismatch"),
        ({"height": 7}, "size_mismatch"),
        ({"data": array.array("B", bytes(63))}, "size_mismatch"),
        ({"data": array.array("B", bytes(65))}, "size_mismatch"),
        ({"data": array.array("B")}, "size_mismatch"),
        ({"step": 7}, "step"),
        ({"step": 0}, "step"),
        ({"width": 9}, "step"),
        ({"encoding": "rgb8"}, "step"),
        ({"height": 4_000_000_000, "step": 4_000_000_000}, "size_mismatch"),
        ({"encoding": "yuyv", "width": 3, "step": 8}, "odd_size"),
        ({"encoding": "nv12", "height": 7}, "odd_size"),
        ({"encoding": "nv12"}, "size_mismatch"),
    ],
)
def test_a_picture_that_lies_is_refused_by_kind(fields: dict[str, Any], kind: str) -> None:
    bad = gray()
    for name, value in fields.items():
        setattr(bad, name, value)
    assert kind_of(bad) == kind


def test_the_refusal_names_sizes_and_step() -> None:
    bad = gray()
    bad.step = 10
    with pytest.raises(InvalidInput, match="mono8 picture of 8 x 8: 8 rows with a step of 10"):
        image_from_msg(bad)


def test_a_picture_with_too_many_pixels_is_refused() -> None:
    assert image_from_msg(gray(), max_pixels=64).width == 8
    assert kind_of(gray(), max_pixels=63) == "too_large"


@pytest.mark.parametrize("encoding", ["", "rgb", "RGB8", "banana", "32FC1"])
def test_an_unknown_encoding_is_refused_with_the_known_ones(encoding: str) -> None:
    bad = gray()
    bad.encoding = encoding
    with pytest.raises(InvalidInput, match="rgb8") as refused:
        image_from_msg(bad)
    assert refused.value.kind == "unknown_encoding"


class Bridge:
    """Stands for the cv_bridge of a ROS installation, which is not on PyPI."""

    def imgmsg_to_cv2(self, made: Message, desired_encoding: str) -> NDArray[np.uint8]:
        if made.encoding != "rgb16" or desired_encoding != "rgb8":
            raise RuntimeError("[32FC1] is not a color format")
        return np.full((made.height, made.width, 3), 7, np.uint8)


def test_cv_bridge_converts_further_encodings_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("cv_bridge")
    module.CvBridge = Bridge  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    made = gray()
    made.encoding = "rgb16"
    assert (image_from_msg(made).pixels == 7).all()
    made.encoding = "32FC1"
    assert kind_of(made) == "unknown_encoding"


def test_an_unknown_encoding_says_that_cv_bridge_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    made = gray()
    made.encoding = "rgb16"
    with pytest.raises(InvalidInput, match="cv_bridge, which knows more, is not installed"):
        image_from_msg(made)


@settings(max_examples=300)
@given(
    encoding=st.sampled_from(
        ["rgb8", "bgra8", "mono8", "mono16", "yuyv", "nv12", "nv21", "bayer_rggb8", "odd"]
    ),
    width=st.integers(0, 12),
    height=st.integers(0, 12),
    step=st.integers(0, 60),
    data=st.binary(max_size=800),
    big=st.integers(0, 255),
)
def test_whatever_comes_is_a_picture_of_the_stated_size_or_refused(
    encoding: str, width: int, height: int, step: int, data: bytes, big: int
) -> None:
    made = Message(
        encoding=encoding,
        width=width,
        height=height,
        step=step,
        is_bigendian=big,
        data=array.array("B", data),
    )
    try:
        image = image_from_msg(made)
    except InvalidInput:
        return
    assert image.pixels.shape == (height, width, 3)
