"""GOSPA: hand-computed cases, and that it is a metric."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.evaluation.gospa import gospa

Points = list[tuple[float, float]]
points = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), max_size=5)


def of(one: Points, other: Points, cutoff_m: float = 2.0, power: float = 2.0) -> float:
    arrays = (np.array(p, dtype=np.float64).reshape(-1, 2) for p in (one, other))
    return gospa(*arrays, cutoff_m=cutoff_m, power=power).distance_m


def test_hand_computed() -> None:
    # One pair 0.3 m apart, one object missed, two false ones; c = 2, p = 2: c^p / 2 = 2.
    truth = np.array([[0.0, 0.0], [10.0, 0.0]])
    found = np.array([[0.3, 0.0], [20.0, 0.0], [30.0, 0.0]])
    result = gospa(truth, found, cutoff_m=2.0)
    assert result.localisation == pytest.approx(0.09)
    assert result.missed == pytest.approx(2.0)
    assert result.false == pytest.approx(4.0)
    assert result.distance_m == pytest.approx(math.sqrt(6.09))


def test_with_power_1_distances_add_up() -> None:
    assert of([(0, 0), (5, 0)], [(0.5, 0), (5, 0.25)], power=1.0) == pytest.approx(0.75)


def test_a_pair_at_the_cutoff_is_a_miss_and_a_false_one() -> None:
    result = gospa(np.array([[0.0, 0.0]]), np.array([[2.0, 0.0]]), cutoff_m=2.0)
    assert (result.localisation, result.missed, result.false) == (0.0, 2.0, 2.0)
    assert result.distance_m == 2.0


def test_empty_sets() -> None:
    assert of([], []) == 0.0
    assert of([(0, 0)], []) == pytest.approx(math.sqrt(2.0))
    assert of([], [(0, 0), (1, 1)]) == pytest.approx(2.0)


def test_the_assignment_is_that_of_the_whole_not_of_the_nearest() -> None:
    # Greedily 0.2 would be taken first and leave a pair 1.4 apart.
    assert of([(0, 0), (0.7, 0)], [(0.5, 0), (-0.7, 0)]) == pytest.approx(math.hypot(0.7, 0.2))


@given(points)
def test_identity(one: Points) -> None:
    assert of(one, one) == pytest.approx(0.0, abs=1e-9)


@given(points, points)
def test_symmetry_and_positivity(one: Points, other: Points) -> None:
    forth, back = of(one, other), of(other, one)
    assert forth == pytest.approx(back)
    assert forth >= 0.0
    if len(one) != len(other):
        assert forth >= math.sqrt(2.0 * abs(len(one) - len(other))) - 1e-9


@given(points, points, points, st.sampled_from([1.0, 2.0]), st.floats(0.5, 5.0))
def test_the_triangle_inequality(
    one: Points, other: Points, third: Points, power: float, cutoff_m: float
) -> None:
    direct = of(one, third, cutoff_m, power)
    assert direct <= of(one, other, cutoff_m, power) + of(other, third, cutoff_m, power) + 1e-9


@given(points, points)
def test_the_parts_make_the_whole(one: Points, other: Points) -> None:
    arrays = (np.array(p, dtype=np.float64).reshape(-1, 2) for p in (one, other))
    found = gospa(*arrays, cutoff_m=1.5)
    assert found.localisation + found.missed + found.false == pytest.approx(found.distance_m**2)
