"""``sensor_msgs/CompressedImage`` as picture values, and back."""

from __future__ import annotations

import cv2
import numpy as np
import sensor_msgs.msg

from edge_mm_ros.datatypes import Image, InvalidInput
from edge_mm_ros.ros.conversions.images import byte_array, check_size
from edge_mm_ros.ros.conversions.picture_files import read_size
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp

# The calibration of a camera holds for the pixels as they lie in the file, not as a tag turns them.
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


def image_from_compressed(
    message: sensor_msgs.msg.CompressedImage, max_pixels: int | None = None
) -> Image:
    """The picture of a JPEG, PNG or WebP message, in RGB.

    The kind is told by the data itself; `format` is only asked whether it is a raw Bayer mosaic.

    Args:
        message: the message.
        max_pixels: refuse larger pictures before they are decoded; None: take any.

    Raises:
        InvalidInput: of the kinds ``empty``, ``unknown_encoding``, ``truncated``, ``damaged``,
            ``zero_size`` and ``too_large``.
    """
    data = message.data
    width, height = read_size(bytes(data))
    check_size(width, height, max_pixels)
    # image_transport compresses "bayer_rggb8" as gray unless it says otherwise after a semicolon.
    source, _, compressed_as = message.format.partition(";")
    if source.startswith("bayer_") and not compressed_as.rstrip().endswith(("bgr8", "rgb8")):
        raise InvalidInput(
            "unknown_encoding",
            f"a compressed Bayer mosaic ('{message.format}') shows no colours; let the camera's "
            "driver or image_proc make a colour picture first",
        )
    try:
        decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), _AS_STORED)
    except cv2.error as error:
        raise InvalidInput(
            "damaged", f"the compressed picture cannot be decoded: {error}"
        ) from error
    if decoded is None:
        raise InvalidInput("damaged", "the compressed picture cannot be decoded")
    pixels = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    return Image(pixels, to_ns(message.header.stamp), message.header.frame_id)


def image_to_jpeg(image: Image, quality: int = 80) -> sensor_msgs.msg.CompressedImage:
    """A message with the picture as JPEG.

    Args:
        image: the picture.
        quality: 1 to 100.
    """
    bgr = cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    message = sensor_msgs.msg.CompressedImage(
        format="rgb8; jpeg compressed bgr8", data=byte_array(np.asarray(encoded, dtype=np.uint8))
    )
    message.header.stamp = to_stamp(image.stamp_ns)
    message.header.frame_id = image.frame_id
    return message
