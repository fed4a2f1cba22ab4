"""Assignment within a limit, against every other assignment."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.evaluation.matching import assign, distances

lines = st.lists(st.floats(0, 4), max_size=4)


def test_distances_of_empty_sets_have_their_shape() -> None:
    assert distances(np.zeros((0, 2)), np.zeros((3, 2))).shape == (0, 3)
    assert distances(np.zeros((1, 2)), np.array([[3.0, 4.0]])) == pytest.approx(5.0)


def test_more_pairs_win_over_nearer_ones() -> None:
    # The nearest pair (0.1) would leave the others 1.9 m apart, beyond the limit.
    gap = np.array([[1.0, 0.1], [1.9, 0.9]])
    assert assign(gap, 1.0) == [(0, 0), (1, 1)]


@given(lines, lines, st.floats(0.1, 3.0))
def test_no_assignment_has_more_pairs_or_as_many_and_shorter_ones(
    one: list[float], other: list[float], limit_m: float
) -> None:
    gap = np.abs(np.array(one).reshape(-1, 1) - np.array(other).reshape(1, -1))
    found = assign(gap, limit_m)
    assert all(gap[pair] <= limit_m for pair in found)
    assert len({row for row, _ in found}) == len({column for _, column in found}) == len(found)
    total = sum(gap[pair] for pair in found)
    size = min(gap.shape)
    for rows in itertools.permutations(range(len(one)), size):
        for columns in itertools.combinations(range(len(other)), size):
            near = [gap[pair] for pair in zip(rows, columns) if gap[pair] <= limit_m]
            assert len(near) <= len(found)
            if len(near) == len(found):
                assert total <= sum(near) + 1e-9
