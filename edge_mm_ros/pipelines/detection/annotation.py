"""Draws detections into pictures, for people to look at."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Detections

Colour = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Colours that differ in hue and lightness (after Okabe and Ito, "Color Universal Design", 2008),
# so that colour-blind eyes tell them apart, too.
_COLOURS: tuple[Colour, ...] = (
    (240, 228, 66),
    (86, 180, 233),
    (230, 159, 0),
    (0, 200, 140),
    (213, 94, 0),
    (204, 121, 167),
    (255, 255, 255),
)


def annotate(pixels: NDArray[np.uint8], detections: Detections) -> NDArray[np.uint8]:
    """A copy of a picture with a box, a class name and a score for each detection.

    Args:
        pixels: uint8 (height, width, 3), RGB; stays as it is.
        detections: boxes in pixels of this picture.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    canvas = np.array(pixels, order="C")
    # The least certain first, so that the most certain stays on top.
    for index in reversed(range(len(detections))):
        label = detections.labels[index]
        text = f"{label} {detections.scores[index]:.2f}"
        _draw(canvas, detections.boxes_px[index], text, colour_of(label))
    return canvas


def colour_of(label: str) -> Colour:
    """The colour of a class name, RGB: the same in every picture and every run."""
    return _COLOURS[zlib.crc32(label.encode()) % len(_COLOURS)]


def _draw(canvas: NDArray[np.uint8], box: NDArray[np.float32], text: str, colour: Colour) -> None:
    height, width = canvas.shape[:2]
    # Lines and letters grow with the picture, so that they stay legible where it is shown small.
    thickness = max(1, round(min(width, height) / 300))
    scale = max(0.4, min(width, height) / 1100)
    left, top, right, bottom = (int(value) for value in np.rint(box))
    cv2.rectangle(canvas, (left, top), (right, bottom), (0, 0, 0), thickness + 2)
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, thickness)

    (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, max(1, thickness // 2))
    margin = thickness + 1
    plate_width, plate_height = text_width + 2 * margin, text_height + below + 2 * margin
    plate_left = max(0, min(left, width - plate_width))
    plate_top = top - plate_height if top >= plate_height else min(top, height - plate_height)
    plate_top = max(0, plate_top)
    cv2.rectangle(
        canvas,
        (plate_left, plate_top),
        (plate_left + plate_width, plate_top + plate_height),
        colour,
        cv2.FILLED,
    )
    cv2.putText(
        canvas,
        text,
        (plate_left + margin, plate_top + margin + text_height),
        _FONT,
        scale,
        (0, 0, 0),
        max(1, thickness // 2),
        cv2.LINE_AA,
    )
