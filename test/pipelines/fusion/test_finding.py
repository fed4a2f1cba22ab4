"""Findings become measurements of the frame in which objects are followed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_mm_ros.datatypes import InvalidInput, RigidTransform
from edge_mm_ros.pipelines.fusion.finding import Finding
from edge_mm_ros.pipelines.tracking import RadialVelocity

QUARTER = RigidTransform.from_xyz_rpy((10.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2))
FOUND = Finding(
    np.array([2.0, 0.0, 1.0]),
    np.diag([0.04, 0.01, 0.09]),
    np.ones(3),
    0.5,
    ("radar:front",),
    radial=RadialVelocity(-1.0, 0.1, np.array([1.0, 0.0, 0.0]), np.array([3.0, 0.0, 0.0])),
    origin_m=np.array([1.0, 0.0, 0.0]),
)


def test_a_turned_robot_turns_place_covariance_and_sensor() -> None:
    measured = FOUND.measurement(QUARTER, 0.25)
    assert measured.position_m == pytest.approx([10.0, 2.0, 1.0])
    assert np.diag(measured.noise_m2) == pytest.approx([0.0075, 0.03, 0.0675])
    assert np.diag(measured.bias_m2) == pytest.approx([0.0025, 0.01, 0.0225])
    assert measured.origin_m == pytest.approx([10.0, 1.0, 0.0])
    assert measured.radial is not None
    assert measured.radial.speed_mps == -1.0
    assert measured.radial.sensor_position_m == pytest.approx([10.0, 1.0, 0.0])
    assert measured.radial.sensor_velocity_mps == pytest.approx([0.0, 3.0, 0.0])


def test_without_odometry_it_stays_in_the_robot_s_frame() -> None:
    assert FOUND.measurement(None, 0.5).position_m == pytest.approx([2.0, 0.0, 1.0])


def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput):
        Finding(np.array([np.nan, 0, 0]), np.eye(3), np.ones(3), 0.5, ("x",)).measurement(None, 0.5)
