"""``sensor_msgs/CompressedImage``: whole files, cut and damaged ones, small ones that are huge."""

from __future__ import annotations

import array
import struct
import tracemalloc
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("sensor_msgs")

from sensor_msgs.msg import CompressedImage

from edge_mm_ros.datatypes import Image, InvalidInput
from edge_mm_ros.ros.conversions.compressed_images import image_from_compressed, image_to_jpeg
from edge_mm_ros.ros.conversions.picture_files import read_size

WIDTH, HEIGHT = 90, 60


def picture() -> NDArray[np.uint8]:
    """Red above, green and blue below, RGB, with some structure."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:30, :, 0] = 230
    pixels[30:, :45, 1] = 230
    pixels[30:, 45:, 2] = 230
    pixels[::7, ::5] = 128
    return pixels


def encoded(suffix: str, *flags: int) -> bytes:
    bgr = cv2.cvtColor(picture(), cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(suffix, bgr, list(flags))[1])


FILES = {
    "jpeg": encoded(".jpg"),
    "progressive jpeg": encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "jpeg with restarts": encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "png": encoded(".png"),
    "webp": encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 80),
    "lossless webp": encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
}


def message(data: bytes, form: str = "") -> CompressedImage:
    return CompressedImage(format=form, data=array.array("B", data))


def kind_of(data: bytes, form: str = "", **options: Any) -> str:
    with pytest.raises(InvalidInput) as refused:
        image_from_compressed(message(data, form), **options)
    assert "\n" not in str(refused.value)
    return refused.value.kind


def png(width: int, height: int, rows: bytes) -> bytes:
    """A gray PNG of 8 bits, put together by hand."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("name", FILES)
def test_colours_size_stamp_and_frame_come_through(name: str) -> None:
    made = message(FILES[name], "rgb8; jpeg compressed bgr8")
    made.header.stamp.sec = 3
    made.header.frame_id = "camera"
    image = image_from_compressed(made)
    assert (image.width, image.height) == (WIDTH, HEIGHT)
    assert (image.stamp_ns, image.frame_id) == (3_000_000_000, "camera")
    for (row, column), channel in (((15, 45), 0), ((45, 20), 1), ((45, 70), 2)):
        patch = image.pixels[row - 3 : row + 3, column - 3 : column + 3].mean(axis=(0, 1))
        assert np.argmax(patch) == channel
        assert patch[channel] > 180


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_refused(name: str) -> None:
    data = FILES[name]
    for size in range(1, len(data), max(1, len(data) // 97)):
        assert kind_of(data[:size]) in {"truncated", "unknown_encoding"}
    assert kind_of(data[:-1]) == "truncated"


def test_a_thumbnails_end_is_not_the_pictures_end() -> None:
    data = FILES["jpeg"]
    thumbnail = b"Exif\0\0" + data  # an application segment with a whole JPEG in it
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = data[:2] + segment + data[2:]
    assert image_from_compressed(message(whole)).width == WIDTH
    assert kind_of(whole[: len(segment) + 200]) == "truncated"


def test_padding_after_the_end_is_accepted_as_cameras_send_it() -> None:
    assert image_from_compressed(message(FILES["jpeg"] + bytes(512))).width == WIDTH


def test_a_rotation_tag_does_not_turn_the_picture() -> None:
    # One EXIF entry: orientation 6, a quarter turn. Calibrations hold for the stored pixels.
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    data = FILES["jpeg"][:2] + segment + FILES["jpeg"][2:]
    turned = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert turned.shape[:2] == (WIDTH, HEIGHT), "the tag is meant to be effective"
    image = image_from_compressed(message(data))
    assert (image.width, image.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"GIF89a" + bytes(50), "unknown_encoding"),
        (b"hello", "unknown_encoding"),
        (b"\xff\xd8", "truncated"),
        (b"\xff\xd8\xff\xd9", "damaged"),
        (b"\xff\xd8" + bytes(30), "damaged"),
        (FILES["png"][:40] + b"\x00\x01" + FILES["png"][42:], "damaged"),
        (b"RIFF" + struct.pack("<I", 22) + b"WEBPABCD" + bytes(14), "damaged"),
    ],
)
def test_what_is_no_whole_picture_is_refused_by_kind(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


def test_a_file_that_makes_the_decoder_pass_too_often_is_refused() -> None:
    data = FILES["progressive jpeg"]
    scan = data.rindex(b"\xff\xda")
    assert kind_of(data[:scan] + data[scan:-2] * 100 + data[-2:]) == "damaged"


def test_a_damaged_frame_header_is_refused() -> None:
    data = bytearray(FILES["jpeg"])
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = bytes(4)
    assert kind_of(bytes(data)) == "zero_size"


def test_a_small_file_that_is_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    side = 10_000
    data = png(side, side, bytes((side + 1) * side))
    assert len(data) < 500_000
    tracemalloc.start()
    try:
        assert kind_of(data, max_pixels=50_000_000) == "too_large"
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_picture_at_the_limit_is_decoded() -> None:
    assert image_from_compressed(message(FILES["png"]), max_pixels=WIDTH * HEIGHT).width == WIDTH
    assert kind_of(FILES["png"], max_pixels=WIDTH * HEIGHT - 1) == "too_large"


def test_a_gray_picture_becomes_rgb() -> None:
    image = image_from_compressed(message(png(2, 1, b"\x00\x10\x20"), "mono8; png compressed"))
    assert image.pixels.tolist() == [[[16] * 3, [32] * 3]]


@pytest.mark.parametrize(
    ("form", "accepted"),
    [
        ("bayer_rggb8; png compressed ", False),
        ("bayer_rggb8; jpeg compressed bgr8", True),
        ("rgb8; png compressed bgr8", True),
        ("png", True),
    ],
)
def test_a_mosaic_without_colours_is_refused(form: str, accepted: bool) -> None:
    if accepted:
        assert image_from_compressed(message(FILES["png"], form)).width == WIDTH
    else:
        assert kind_of(FILES["png"], form) == "unknown_encoding"


def test_an_encoded_picture_is_a_jpeg_with_its_stamp_and_frame() -> None:
    made = image_to_jpeg(Image(picture(), 7_000_000_001, "c"), quality=95)
    assert "jpeg" in made.format
    assert bytes(made.data[:2]) == b"\xff\xd8"
    back = image_from_compressed(made)
    assert (back.stamp_ns, back.frame_id) == (7_000_000_001, "c")
    assert np.abs(back.pixels.astype(int) - picture()).mean() < 15


def test_a_lower_quality_makes_a_smaller_file() -> None:
    image = Image(picture(), 0, "")
    assert len(image_to_jpeg(image, 20).data) < len(image_to_jpeg(image, 95).data)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 3_000),
)
def test_damaged_bytes_give_a_picture_of_the_stated_size_or_a_refusal(
    name: str, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(FILES[name])
    for position, value in changes:
        data[position % len(data)] = value
    data = data[: len(data) - cut % len(data)]
    try:
        image = image_from_compressed(message(bytes(data)), max_pixels=1_000_000)
    except InvalidInput:
        return
    assert (image.width, image.height) == read_size(bytes(data))


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF"]))
def test_random_bytes_are_refused_or_have_a_size(data: bytes, begin: bytes) -> None:
    try:
        width, height = read_size(begin + data)
    except InvalidInput:
        return
    assert width >= 0
    assert height >= 0
