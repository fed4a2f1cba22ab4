"""Containment and distance of polygons."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.monitoring.polygon import (
    contains,
    distances_outside_m,
    outline,
    widened,
)

SQUARE = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]
NOTCHED = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 1.0), (0.0, 4.0)]


def distance_outside_m(corners: list[tuple[float, float]], x: float, y: float) -> float:
    found, _ = distances_outside_m(outline(corners), np.array([[x, y]]))
    return float(found[0])


near = st.floats(-3, 7, allow_subnormal=False)


@pytest.mark.parametrize(
    ("point", "inside"),
    [((2, 2), True), ((4.001, 2), False), ((-0.001, 2), False), ((3.999, 3.999), True)],
)
def test_a_square_by_hand(point: tuple[float, float], inside: bool) -> None:
    assert contains(SQUARE, *point) is inside


def test_a_notch_is_outside() -> None:
    assert not contains(NOTCHED, 2.0, 2.0)
    assert contains(NOTCHED, 2.0, 0.5)
    assert distance_outside_m(NOTCHED, 2.0, 4.0) == pytest.approx(6.0 / math.sqrt(13.0))


@pytest.mark.parametrize(
    ("point", "distance"), [((2, 2), 0.0), ((2, -3), 3.0), ((7, 8), 5.0), ((-1, 5), math.sqrt(2))]
)
def test_distance_outside_by_hand(point: tuple[float, float], distance: float) -> None:
    assert distance_outside_m(SQUARE, *point) == pytest.approx(distance)


@given(x=near, y=near)
def test_as_opencv_measures_it(x: float, y: float) -> None:
    contour = np.array(NOTCHED, dtype=np.float32)
    signed = cv2.pointPolygonTest(contour, (x, y), True)  # positive inside
    found = distance_outside_m(NOTCHED, x, y)
    if signed < -1e-4:
        assert found == pytest.approx(-signed, abs=1e-4)
    elif signed > 1e-4:
        assert found == 0.0


@given(
    x=near,
    y=near,
    turn=st.floats(-math.pi, math.pi),
    shift=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    begin=st.integers(0, 4),
    reverse=st.booleans(),
)
def test_it_does_not_matter_how_a_polygon_is_written(
    x: float, y: float, turn: float, shift: tuple[float, float], begin: int, reverse: bool
) -> None:
    def moved(px: float, py: float) -> tuple[float, float]:
        cos, sin = math.cos(turn), math.sin(turn)
        return cos * px - sin * py + shift[0], sin * px + cos * py + shift[1]

    corners = [moved(*corner) for corner in NOTCHED]
    corners = corners[begin:] + corners[:begin]
    if reverse:
        corners.reverse()
    assert distance_outside_m(corners, *moved(x, y)) == pytest.approx(
        distance_outside_m(NOTCHED, x, y), abs=1e-9
    )


def test_of_many_points_each_has_its_distance_and_its_nearest_place() -> None:
    points = np.array([[2.0, 2.0], [2.0, -3.0], [7.0, 8.0], [5.0, 1.0]])
    found, nearest = distances_outside_m(outline(SQUARE), points)
    assert found.tolist() == [0.0, 3.0, 5.0, 1.0]
    assert nearest[1:].tolist() == [[2.0, 0.0], [4.0, 4.0], [4.0, 1.0]]
    empty, _ = distances_outside_m(outline(SQUARE), np.zeros((0, 2)))
    assert empty.shape == (0,)


@given(x=near, y=near, half_x=st.floats(0.0, 2.0), half_y=st.floats(0.0, 2.0))
def test_a_widened_polygon_holds_the_centres_of_boxes_that_touch(
    x: float, y: float, half_x: float, half_y: float
) -> None:
    """Of a square the truth is plain: the gaps along x and y, between borders."""
    grown = widened(outline(SQUARE), np.array([half_x, half_y]))
    gap_x = max(-half_x - x, x - 4.0 - half_x, 0.0)
    gap_y = max(-half_y - y, y - 4.0 - half_y, 0.0)
    found, _ = distances_outside_m(grown, np.array([[x, y]]))
    assert found[0] == pytest.approx(math.hypot(gap_x, gap_y), abs=1e-9)
