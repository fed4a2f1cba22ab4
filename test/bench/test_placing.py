"""The placing's benchmark, on a clock that counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_mm_ros.bench.placing import time_conversion, time_placing


@pytest.mark.parametrize("all_in_view", [False, True])
def test_each_round_is_timed_once_and_all_boxes_are_placed_by_points(all_in_view: bool) -> None:
    ticks = itertools.count()
    times = time_placing(
        20_000, 4, rounds=3, all_in_view=all_in_view, clock_s=lambda: float(next(ticks))
    )
    assert times.ground_s.tolist() == times.boxes_s.tolist() == [1.0] * 3
    assert times.total_s.tolist() == [2.0] * 3
    assert next(ticks) == 3 * (5 + 3)
    assert times.by_points == 4


def test_each_conversion_is_timed_once() -> None:
    pytest.importorskip("sensor_msgs")
    ticks = itertools.count()
    times = time_conversion(1000, rounds=4, clock_s=lambda: float(next(ticks)))
    assert times.tolist() == [1.0] * 4
    assert np.isfinite(times).all()
