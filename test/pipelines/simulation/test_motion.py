"""Motion along waypoints."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.params.scenario import Waypoint
from edge_mm_ros.pipelines.simulation.motion import Trajectory


def way(*points: tuple[float, float, float], headings: tuple[float, ...] = ()) -> Trajectory:
    return Trajectory(
        [
            Waypoint(t_s=t, xy_m=(x, y), heading_rad=headings[i] if headings else None)
            for i, (t, x, y) in enumerate(points)
        ]
    )


def test_between_two_waypoints_the_speed_is_constant() -> None:
    found = way((2.0, 0.0, 0.0), (12.0, 30.0, 40.0)).at(7.0)
    assert found.xy_m == pytest.approx([15.0, 20.0])
    assert found.velocity_mps == pytest.approx([3.0, 4.0])
    assert found.heading_rad == pytest.approx(math.atan2(4.0, 3.0))
    assert found.turn_rate_radps == pytest.approx(0.0, abs=1e-9)


def test_outside_of_its_times_it_stands_with_its_last_heading() -> None:
    trajectory = way((1.0, 0.0, 0.0), (2.0, 0.0, -1.0))
    for t_s, y in ((0.0, 0.0), (9.0, -1.0)):
        found = trajectory.at(t_s)
        assert found.xy_m == pytest.approx([0.0, y])
        assert not found.velocity_mps.any()
        assert found.heading_rad == pytest.approx(-math.pi / 2.0)


def test_one_waypoint_stands_still() -> None:
    found = way((0.0, 3.0, 4.0), headings=(1.5,)).at(8.0)
    assert found.xy_m == pytest.approx([3.0, 4.0])
    assert found.heading_rad == 1.5


def test_a_pause_keeps_the_heading() -> None:
    trajectory = way((0.0, 0.0, 0.0), (2.0, 0.0, 2.0), (4.0, 0.0, 2.0), (6.0, 2.0, 2.0))
    assert trajectory.at(3.0).heading_rad == pytest.approx(math.pi / 2.0, abs=0.05)
    assert trajectory.at(5.9).heading_rad == pytest.approx(0.0, abs=0.05)


def test_backing_with_a_given_heading_moves_against_it() -> None:
    found = way((0.0, 4.0, 0.0), (4.0, 0.0, 0.0), headings=(0.0, 0.0)).at(2.0)
    assert found.velocity_mps == pytest.approx([-1.0, 0.0])
    assert found.heading_rad == 0.0


def test_headings_turn_the_short_way() -> None:
    found = way((0.0, 0.0, 0.0), (2.0, 1.0, 0.0), headings=(3.0, -3.0)).at(1.0)
    assert abs(found.heading_rad) == pytest.approx(math.pi, abs=1e-3)
    assert found.turn_rate_radps == pytest.approx((2.0 * math.pi - 6.0) / 2.0, rel=1e-3)


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=6))
def test_it_passes_its_waypoints_never_overshoots_and_moves_as_it_says(
    places: list[tuple[float, float]],
) -> None:
    trajectory = way(*[(2.0 * i, x, y) for i, (x, y) in enumerate(places)])
    for index, place in enumerate(places):
        assert trajectory.at(2.0 * index).xy_m == pytest.approx(place, abs=1e-9)
    for index, (one, other) in enumerate(itertools.pairwise(places)):
        found = trajectory.at(2.0 * index + 0.7).xy_m
        low, high = np.minimum(one, other), np.maximum(one, other)
        assert np.all(found >= low - 1e-9)
        assert np.all(found <= high + 1e-9)
        before, after = (trajectory.at(2.0 * index + t).xy_m for t in (0.6999, 0.7001))
        velocity = trajectory.at(2.0 * index + 0.7).velocity_mps
        assert (after - before) / 0.0002 == pytest.approx(velocity, abs=1e-3)
