"""``sensor_msgs/Image`` as picture values, and back."""

from __future__ import annotations

import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
import sensor_msgs.msg
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Image, InvalidInput
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class _Encoding:
    """How the rows of an encoding are laid out and become RGB.

    Attributes:
        row_bytes: bytes in a row for each pixel.
        to_rgb: from (height, width) or (height, width, row_bytes), uint8, to (height, width, 3).
        even: whether the width must be even.
        half_rows: whether half as many rows, of colour, follow; the height must be even, too.
        two_bytes: whether a value has two bytes, in the order that the message names.
    """

    row_bytes: int
    to_rgb: Callable[[Bytes], Bytes]
    even: bool = False
    half_rows: bool = False
    two_bytes: bool = False


def image_from_msg(message: sensor_msgs.msg.Image, max_pixels: int | None = None) -> Image:
    """The picture of a message, in RGB.

    ``rgb8`` shares the message's memory, every other encoding is converted. What is not known
    here, ``cv_bridge`` converts where it is installed.

    Args:
        message: the message.
        max_pixels: refuse larger pictures; None: take any.

    Raises:
        InvalidInput: of the kinds ``zero_size``, ``too_large``, ``odd_size``, ``step``,
            ``size_mismatch``, ``unknown_encoding`` and ``not_convertible``.
    """
    check_size(message.width, message.height, max_pixels)
    encoding = _ENCODINGS.get(message.encoding)
    try:
        if encoding is None:
            pixels = _by_cv_bridge(message)
        else:
            pixels = encoding.to_rgb(_rows(message, encoding))
    except cv2.error as error:
        raise InvalidInput(
            "not_convertible",
            f"{_title(message)} cannot be converted: {str(error).strip().splitlines()[0]}",
        ) from error
    return Image(pixels, to_ns(message.header.stamp), message.header.frame_id)


def image_to_msg(image: Image) -> sensor_msgs.msg.Image:
    """A message in ``rgb8``."""
    message = sensor_msgs.msg.Image(
        height=image.height,
        width=image.width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * image.width,
        data=byte_array(image.pixels),
    )
    message.header.stamp = to_stamp(image.stamp_ns)
    message.header.frame_id = image.frame_id
    return message


def byte_array(values: Bytes) -> array.array[int]:
    """Bytes as a message's ``uint8[]`` takes them at once; others it checks one by one."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(values).data)
    return data


def check_size(width: int, height: int, max_pixels: int | None) -> None:
    """Refuse a picture without pixels, or with too many.

    Raises:
        InvalidInput: ``zero_size`` or ``too_large``.
    """
    if width <= 0 or height <= 0:
        raise InvalidInput("zero_size", f"a picture of {width} x {height} has no pixels")
    if max_pixels is not None and width * height > max_pixels:
        raise InvalidInput(
            "too_large",
            f"a picture of {width} x {height} has more than {max_pixels} pixels; where it is "
            "meant, raise 'max_image_pixels'",
        )


def _title(message: sensor_msgs.msg.Image) -> str:
    return f"the {message.encoding or 'unnamed'} picture of {message.width} x {message.height}"


def _rows(message: sensor_msgs.msg.Image, encoding: _Encoding) -> Bytes:
    """A view of the message's data as rows of pixels, without the padding at their ends."""
    width, height, step = message.width, message.height, message.step
    if (encoding.even and width % 2) or (encoding.half_rows and height % 2):
        raise InvalidInput("odd_size", f"{_title(message)}: this encoding needs even sizes")
    used = width * encoding.row_bytes
    if step < used:
        raise InvalidInput(
            "step", f"{_title(message)}: a row has {used} bytes, but its step is {step}"
        )
    rows = height * 3 // 2 if encoding.half_rows else height
    data = np.frombuffer(message.data, dtype=np.uint8)
    if len(data) != step * rows:
        raise InvalidInput(
            "size_mismatch",
            f"{_title(message)}: {rows} rows with a step of {step} make {step * rows} bytes, but "
            f"its data has {len(data)}",
        )
    table = data.reshape(rows, step)[:, :used]
    if encoding.row_bytes == 1:
        return table
    table = table.reshape(rows, width, encoding.row_bytes)
    return table[:, :, ::-1] if encoding.two_bytes and message.is_bigendian else table


def _by(code: int) -> Callable[[Bytes], Bytes]:
    def to_rgb(picture: Bytes) -> Bytes:
        return np.asarray(cv2.cvtColor(picture, code), dtype=np.uint8)

    return to_rgb


def _unchanged(picture: Bytes) -> Bytes:
    return picture


def _sixteen_bits(picture: Bytes) -> Bytes:
    """Gray of 16 bits, low byte first; its whole range becomes the whole range of 8 bits."""
    values = np.ascontiguousarray(picture).view("<u2")[:, :, 0].astype(np.uint16, copy=False)
    gray = cv2.convertScaleAbs(values, alpha=255.0 / 65535.0)
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), dtype=np.uint8)


# OpenCV names a Bayer pattern by its second row and column, ROS by its first.
_ENCODINGS: Mapping[str, _Encoding] = MappingProxyType(
    {
        "rgb8": _Encoding(3, _unchanged),
        "bgr8": _Encoding(3, _by(cv2.COLOR_BGR2RGB)),
        "rgba8": _Encoding(4, _by(cv2.COLOR_RGBA2RGB)),
        "bgra8": _Encoding(4, _by(cv2.COLOR_BGRA2RGB)),
        "mono8": _Encoding(1, _by(cv2.COLOR_GRAY2RGB)),
        "mono16": _Encoding(2, _sixteen_bits, two_bytes=True),
        "yuv422_yuy2": _Encoding(2, _by(cv2.COLOR_YUV2RGB_YUY2), even=True),
        "yuyv": _Encoding(2, _by(cv2.COLOR_YUV2RGB_YUY2), even=True),
        "yuv422": _Encoding(2, _by(cv2.COLOR_YUV2RGB_UYVY), even=True),
        "uyvy": _Encoding(2, _by(cv2.COLOR_YUV2RGB_UYVY), even=True),
        "nv12": _Encoding(1, _by(cv2.COLOR_YUV2RGB_NV12), even=True, half_rows=True),
        "nv21": _Encoding(1, _by(cv2.COLOR_YUV2RGB_NV21), even=True, half_rows=True),
        "bayer_rggb8": _Encoding(1, _by(cv2.COLOR_BayerBG2RGB)),
        "bayer_bggr8": _Encoding(1, _by(cv2.COLOR_BayerRG2RGB)),
        "bayer_gbrg8": _Encoding(1, _by(cv2.COLOR_BayerGR2RGB)),
        "bayer_grbg8": _Encoding(1, _by(cv2.COLOR_BayerGB2RGB)),
    }
)


def _by_cv_bridge(message: sensor_msgs.msg.Image) -> Bytes:
    known = ", ".join(_ENCODINGS)
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise InvalidInput(
            "unknown_encoding",
            f"picture encoding '{message.encoding}' is not among {known}; cv_bridge, which knows "
            "more, is not installed",
        ) from error
    try:
        pixels = np.asarray(CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))
    except Exception as error:  # cv_bridge raises whatever its C++ side throws
        raise InvalidInput(
            "unknown_encoding",
            f"cv_bridge cannot turn picture encoding '{message.encoding}' into rgb8: {error}",
        ) from error
    return pixels
