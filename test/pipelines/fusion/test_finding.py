"""Findings become measurements of the frame in which objects are followed."""

from __future__ import annotations

import math
from dataclasses import replace

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


def test_what_is_hidden_is_in_good_part_an_error_that_lasts() -> None:
    hidden = np.diag([0.09, 0.0, 0.0])
    found = replace(FOUND, covariance_m2=FOUND.covariance_m2 + hidden, shared_m2=hidden)
    for turned in (None, QUARTER):
        measured = found.measurement(turned, 0.25)
        plain = FOUND.measurement(turned, 0.25)
        lasting, fresh = measured.bias_m2 - plain.bias_m2, measured.noise_m2 - plain.noise_m2
        assert np.trace(lasting) == pytest.approx(0.045)
        assert np.trace(lasting + fresh) == pytest.approx(0.09)


def test_how_far_it_may_have_moved_is_new_each_time() -> None:
    moved = np.diag([0.25, 0.25, 0.0])
    found = replace(FOUND, covariance_m2=FOUND.covariance_m2 + moved, lead_s=-0.02, moved_m=0.5)
    measured = found.measurement(QUARTER, 0.25)
    plain = FOUND.measurement(QUARTER, 0.25)
    assert measured.bias_m2 == pytest.approx(plain.bias_m2)
    assert measured.noise_m2 == pytest.approx(plain.noise_m2 + moved)
    assert (measured.lead_s, measured.moved_m) == (-0.02, 0.5)


def test_a_place_of_which_one_side_shows_tells_from_where() -> None:
    found = replace(FOUND, seen_from_m=np.array([1.0, 0.0, 0.5]))
    assert found.measurement(QUARTER, 0.25).seen_from_m == pytest.approx([10.0, 1.0, 0.5])
    assert FOUND.measurement(QUARTER, 0.25).seen_from_m is None
