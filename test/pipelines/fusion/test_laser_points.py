"""A planar laser scanner's hits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import LaserScan, RigidTransform
from edge_mm_ros.pipelines.fusion.laser_points import laser_points

LOW = RigidTransform.from_xyz_rpy((0.3, 0.0, 0.2), (0.0, 0.0, 0.0))


def points(ranges: list[float], place: RigidTransform = LOW, **changes: Any) -> Any:
    values = {"angle_min_rad": -0.5, "angle_step_rad": 0.5, "min_range_m": 0.1, **changes}
    scan = LaserScan(
        np.array(ranges, np.float32), max_range_m=20.0, stamp_ns=0, frame_id="l", **values
    )
    return laser_points(scan, place, ground_z_m=0.0, clearance_m=0.15, max_range_m=80.0)


def test_hits_lie_where_the_beams_point() -> None:
    found = points([2.0, 3.0, 4.0])
    expected = [
        [0.3 + 2.0 * math.cos(0.5), -2.0 * math.sin(0.5), 0.2],
        [3.3, 0.0, 0.2],
        [0.3 + 4.0 * math.cos(0.5), 4.0 * math.sin(0.5), 0.2],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_no_distance_is_no_hit() -> None:
    assert len(points([math.inf, math.nan, -math.inf])) == 0
    assert len(points([0.05, 21.0, 0.0])) == 0
    assert len(points([])) == 0


def test_a_scanner_that_tilts_down_does_not_take_the_ground_for_a_wall() -> None:
    tilted = RigidTransform.from_xyz_rpy((0.0, 0.0, 1.0), (0.0, math.pi / 6, 0.0))
    assert len(points([2.0], tilted, angle_min_rad=0.0)) == 0
    found = points([1.0], tilted, angle_min_rad=0.0)
    assert found == pytest.approx(np.array([[math.cos(math.pi / 6), 0.0, 0.5]]), abs=1e-6)


def test_a_scanner_that_lies_level_near_the_ground_sees_no_ground() -> None:
    very_low = RigidTransform.from_xyz_rpy((0.0, 0.0, 0.1), (0.0, 0.0, 0.0))
    assert len(points([2.0], very_low)) == 1
