"""The tracker's benchmark, on a clock that counts."""

from __future__ import annotations

import itertools

import numpy as np

from edge_mm_ros.bench.tracking import time_tracker


def test_each_scan_is_timed_once() -> None:
    ticks = itertools.count()
    taken = time_tracker(objects=3, scans=5, clock_s=lambda: float(next(ticks)))
    assert taken.tolist() == [1.0] * 5
    assert next(ticks) == 2 * (20 + 5)
    assert np.isfinite(taken).all()
