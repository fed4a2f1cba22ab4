"""Markers of safety zones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("visualization_msgs")

from visualization_msgs.msg import Marker

from edge_mm_ros.datatypes import SafetyLevel, ZoneStatus
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.conversions.zone_markers import zones_to_msg

STAMP_NS = 1_700_000_000_000_000_001
CORNERS_M = [[2.0, -1.0], [4.0, -1.0], [4.0, 1.0], [2.0, 1.0]]


def bay(level: SafetyLevel) -> ZoneStatus:
    return ZoneStatus("bay", np.array(CORNERS_M), level)


def test_a_zone_is_a_closed_line_on_the_ground_with_its_name_in_the_middle() -> None:
    gone, line, caption = zones_to_msg([bay(SafetyLevel.DANGER)], "base_link", STAMP_NS).markers
    assert gone.action == Marker.DELETEALL
    assert (line.type, line.action) == (Marker.LINE_STRIP, Marker.ADD)
    assert_allclose(
        [(p.x, p.y, p.z) for p in line.points], [(*c, 0.0) for c in [*CORNERS_M, CORNERS_M[0]]]
    )
    assert caption.text == "bay: danger"
    assert (caption.pose.position.x, caption.pose.position.y) == (3.0, 0.0)
    for marker in (line, caption):
        assert marker.header.frame_id == "base_link"
        assert to_ns(marker.header.stamp) == STAMP_NS
        assert marker.lifetime.sec == 1


def test_each_level_has_a_colour_of_its_own() -> None:
    colors = set()
    for level in SafetyLevel:
        color = zones_to_msg([bay(level)], "base_link", STAMP_NS).markers[1].color
        colors.add((color.r, color.g, color.b))
    assert len(colors) == len(SafetyLevel)


def test_without_zones_the_old_markers_go() -> None:
    (only,) = zones_to_msg([], "base_link", STAMP_NS).markers
    assert only.action == Marker.DELETEALL
