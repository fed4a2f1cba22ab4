"""Drawn detections."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mm_ros.datatypes import Detections
from edge_mm_ros.pipelines.detection.annotation import annotate, colour_of


def detections(*boxes: tuple[float, float, float, float], label: str = "Fall") -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), 0.5, np.float32),
        (label,) * len(boxes),
        0,
        "",
    )


def test_the_picture_itself_stays_as_it_is() -> None:
    pixels = np.full((120, 160, 3), 50, np.uint8)
    drawn = annotate(pixels, detections((20, 40, 80, 100)))
    assert (pixels == 50).all()
    assert drawn.shape == pixels.shape
    assert drawn.dtype == np.uint8


def test_nothing_found_is_nothing_drawn() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(annotate(pixels, detections()), pixels)


def test_the_box_has_the_colour_of_its_class_and_its_inside_is_left_alone() -> None:
    drawn = annotate(np.full((240, 320, 3), 50, np.uint8), detections((100, 80, 200, 180)))
    for row, column in ((180, 150), (130, 100), (130, 200)):
        assert tuple(drawn[row, column]) == colour_of("Fall")
    assert (drawn[90:170, 110:190] == 50).all()


def test_the_text_lies_on_a_plate_above_the_box_and_is_dark() -> None:
    drawn = annotate(np.full((240, 320, 3), 50, np.uint8), detections((100, 80, 200, 180)))
    above = drawn[60:78, 101:140].reshape(-1, 3).astype(int)
    assert (above == colour_of("Fall")).all(axis=1).mean() > 0.3
    assert (above.sum(axis=1) < 120).any()


@pytest.mark.parametrize("size", [(1, 1), (8, 200), (200, 8), (480, 640), (2160, 3840)])
def test_boxes_at_and_beyond_every_edge_are_drawn(size: tuple[int, int]) -> None:
    height, width = size
    boxes = detections(
        (0, 0, width, height),
        (-5, -5, 3, 3),
        (width - 2, height - 2, width + 9, height + 9),
        (width, height, width, height),
        label="a class with a name longer than the picture is wide",
    )
    assert annotate(np.zeros((height, width, 3), np.uint8), boxes).shape == (height, width, 3)
