"""Markers of objects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("vision_msgs")

from visualization_msgs.msg import Marker

from edge_mm_ros.datatypes import Object3D, Objects
from edge_mm_ros.ros.conversions.object_markers import markers_to_msg

STAMP_NS = 1_700_000_000_000_000_001


def thing(**changes: Any) -> Object3D:
    values: dict[str, Any] = {
        "track_id": "7",
        "label": "Normal",
        "score": 0.75,
        "position_m": np.array([3.0, 4.0, 0.9]),
        "size_m": np.array([0.4, 0.6, 1.8]),
        "covariance_m2": np.eye(3) * 0.04,
        "sources": ("camera:front",),
        **changes,
    }
    return Object3D(**values)


def markers(*things: Object3D) -> list[Any]:
    return list(markers_to_msg(Objects(things, STAMP_NS, "base_link")).markers)


def one(name: str, item: Object3D) -> Any:
    (found,) = [marker for marker in markers(item) if marker.ns == name]
    return found


def test_markers_delete_the_old_and_show_the_new() -> None:
    other = thing(track_id="8", label="Fall", position_m=np.array([6.0, -1.0, 0.2]))
    found = markers(thing(), other)
    assert found[0].action == Marker.DELETEALL
    boxes = [marker for marker in found if marker.ns == "objects"]
    captions = [marker for marker in found if marker.ns == "captions"]
    assert_allclose([(b.scale.x, b.scale.y, b.scale.z) for b in boxes], [[0.4, 0.6, 1.8]] * 2)
    assert [caption.text for caption in captions] == ["Normal 7 5.0 m", "Fall 8 6.1 m"]
    # Of each a box, a caption and an ellipse; neither has a velocity.
    assert len({(marker.ns, marker.id) for marker in found}) == 1 + 2 * 3
    assert all(marker.lifetime.sec == 1 for marker in found[1:])


def test_without_objects_the_old_markers_go() -> None:
    (only,) = markers()
    assert only.action == Marker.DELETEALL


def test_what_is_predicted_looks_unlike_what_is_seen() -> None:
    sources: list[tuple[str, ...]] = [(), ("camera:front",), ("camera:front", "lidar:top")]
    colors = [one("objects", thing(sources=each)).color for each in sources]
    assert len({(color.r, color.g, color.b) for color in colors}) == 3


def test_an_arrow_ends_where_the_object_is_in_a_second() -> None:
    arrow = one("velocities", thing(velocity_mps=np.array([1.0, -0.5, 0.0])))
    begin, end = arrow.points
    assert (begin.x, begin.y, begin.z) == (3.0, 4.0, 0.9)
    assert (end.x, end.y, end.z) == (4.0, 3.5, 0.9)


def test_what_stands_has_no_arrow() -> None:
    standing = thing(velocity_mps=np.array([0.05, 0.0, 0.0]))
    assert all(marker.ns != "velocities" for marker in markers(standing))


def test_the_ellipse_lies_along_the_greatest_uncertainty() -> None:
    # Standard deviations of 1.0 m along 30 degrees and 0.2 m across; 95 % of a plane's normal
    # distribution lies within 2.448 of them.
    turn = math.radians(30.0)
    axes = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    covariance = np.eye(3)
    covariance[:2, :2] = axes @ np.diag([1.0, 0.04]) @ axes.T
    ellipse = one("covariances", thing(covariance_m2=covariance))
    assert ellipse.scale.x == pytest.approx(2 * 2.448, abs=1e-3)
    assert ellipse.scale.y == pytest.approx(2 * 2.448 * 0.2, abs=1e-3)
    yaw = 2.0 * math.atan2(ellipse.pose.orientation.z, ellipse.pose.orientation.w)
    assert math.sin(yaw - turn) == pytest.approx(0.0, abs=1e-9)
    assert ellipse.pose.position.z == pytest.approx(0.0)
