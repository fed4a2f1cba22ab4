"""Which sides of things are the edges of shadows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.params.fusion_sensors import ObstacleParams
from edge_mm_ros.pipelines.fusion.finding import Finding
from edge_mm_ros.pipelines.fusion.obstacles import obstacles_of
from edge_mm_ros.pipelines.fusion.shadows import hidden_beyond_m, outline_of
from edge_mm_ros.pipelines.tracking import Birth, Scan, Tracker

SENSOR_M = np.array([0.0, 0.0, 1.4])


def face(x: float, right: float, left: float, height: float = 1.0) -> Any:
    """Points of an upright face across the view, every 5 cm from right to left."""
    count = round((left - right) / 0.05) + 1
    y, z = np.meshgrid(np.linspace(right, left, count), np.arange(0.1, height + 1e-6, 0.05))
    return np.stack([np.full(y.size, x), y.ravel(), z.ravel()], axis=1)


def hidden(*things: Any, heading_rad: float = 0.0) -> Any:
    turn = RigidTransform.from_xyz_rpy((0.0, 0.0, 0.0), (0.0, 0.0, heading_rad))
    return hidden_beyond_m([outline_of(turn.apply(points), SENSOR_M) for points in things])


@pytest.mark.parametrize("heading_rad", [0.0, 1.0, math.pi, -2.5])
def test_what_goes_on_behind_something_nearer_is_hidden_as_far_as_its_shadow(
    heading_rad: float,
) -> None:
    # A post 0.4 m wide in 3 m throws a shadow 0.8 m wide in 6 m, from -0.4 m to 0.4 m.
    near, left, right = face(3.0, -0.2, 0.2), face(6.0, 0.41, 1.4), face(6.0, -1.4, -0.41)
    beside = hidden(near, left, right, heading_rad=heading_rad)
    assert beside == pytest.approx(np.array([[0.0, 0.0], [0.8, 0.0], [0.0, 0.8]]), abs=0.06)


def test_sides_that_stand_free_are_the_thing_s_own() -> None:
    near, apart = face(3.0, -0.2, 0.2), face(6.0, 0.8, 1.4)
    assert not hidden(near, apart).any()


def test_pieces_of_one_wall_throw_no_shadow_on_each_other() -> None:
    oblique = np.vstack(
        [face(4.0 + 0.01 * step, -0.1 + 0.05 * step, -0.05 + 0.05 * step) for step in range(40)]
    )
    first, second = oblique[oblique[:, 1] < 0.9], oblique[oblique[:, 1] > 0.9]
    assert not hidden(first, second).any()


def test_what_shows_behind_and_on_both_sides_of_a_post_has_its_own_sides() -> None:
    # Its middle shows above the post, say: no side of it is where the post's is.
    assert not hidden(face(3.0, -0.2, 0.2), face(6.0, -1.4, 1.4)).any()


def test_one_thing_alone_and_none() -> None:
    assert hidden(face(3.0, -0.2, 0.2)).tolist() == [[0.0, 0.0]]
    assert hidden_beyond_m([]).shape == (0, 2)


def found(*things: Any) -> tuple[Finding, ...]:
    return obstacles_of(
        np.vstack(things),
        ObstacleParams(),
        source="lidar:top",
        sensor_m=SENSOR_M,
        range_sigma_m=0.03,
        ground_z_m=0.0,
        plan_from_robot=None,
    ).things


def test_how_far_a_thing_goes_on_in_a_shadow_is_an_error_that_lasts() -> None:
    near, far = face(3.0, -0.2, 0.2, 1.3), face(5.0, 0.34, 0.84)
    (free,), (_, cut) = found(far), found(near, far)
    assert free.shared_m2 is not None
    assert cut.shared_m2 is not None
    # A shadow 0.4 m wide in 3 m is 0.67 m wide in 5 m: so much may be hidden, and the middle lies
    # aside by half of that at most (the variance is that of a uniform distribution).
    assert free.shared_m2[1, 1] < 0.001
    assert cut.shared_m2[1, 1] == pytest.approx((0.67 / 2.0) ** 2 / 3.0, rel=0.25)
    # It stays for many scans, so what counts as new in each is as large as all that is hidden.
    assert cut.covariance_m2[1, 1] == pytest.approx(0.67**2, rel=0.25)
    assert cut.birth is Birth.CONFIRMED


def test_a_sliver_beside_a_shadow_begins_nothing() -> None:
    near, sliver = face(3.0, -0.2, 0.2, 1.3), face(5.0, 0.34, 0.44)
    assert [thing.birth for thing in found(near, sliver)] == [Birth.CONFIRMED, Birth.NEVER]
    assert [thing.birth for thing in found(sliver)] == [Birth.CONFIRMED]


def test_what_is_cut_by_a_shadow_beside_the_way_corrects_no_track() -> None:
    turn = RigidTransform.from_xyz_rpy((0.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2.0))
    near, far = face(4.5, -0.2, 0.2, 1.3), face(7.5, 0.34, 0.84)
    alone, both = found(turn.apply(far)), found(turn.apply(near), turn.apply(far))
    assert [thing.birth for thing in alone] == [Birth.NEVER]
    assert [round(float(thing.position_m[1])) for thing in both] == [5]


def test_who_passes_before_a_thing_at_rest_does_not_draw_it_along() -> None:
    """A pallet 0.8 m wide in 6 m; somebody passes in 3.5 m, at 0.5 m/s, from right to left."""
    pallet = np.vstack([face(6.0, -0.4, 0.4), face(6.3, -0.4, 0.4)])
    slopes = pallet[:, 1] / pallet[:, 0]
    tracker = Tracker()
    ids = set()
    for step in range(60):
        right, left = -1.7 + 0.05 * step, -1.3 + 0.05 * step
        shows = (slopes < right / 3.5) | (slopes > left / 3.5)
        things = found(face(3.5, right, left, 1.7), pallet[shows])
        scan = [thing.measurement(None, 0.1) for thing in things]
        told = tracker.update(Scan("lidar:top", step * 100_000_000, tuple(scan)))
        if step <= 10:
            continue
        (behind,) = [one for one in told if one.position_m[0] > 5.0]
        ids.add(behind.track_id)
        # Without the shadow's doubt the middle of what shows draws it by 0.33 m, at 0.38 m/s.
        assert abs(behind.position_m[1]) < 0.2
        assert behind.velocity_mps is not None
        assert abs(behind.velocity_mps[1]) < 0.2
    assert len(ids) == 1
