"""How long the tracker takes for one scan."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.pipelines.stamps import to_ns
from edge_mm_ros.pipelines.tracking import Measurement, Scan, Tracker

_PERIOD_S = 0.1
_SIGMA_M = 0.05
_WARM_UP = 20  # scans, after which all tracks are confirmed
_SPREAD_M = 30.0
_ROBOT = RigidTransform.from_xyz_rpy((1.0, 2.0, 0.0), (0.0, 0.0, 0.5))


def time_tracker(
    objects: int = 50,
    scans: int = 300,
    *,
    seed: int = 0,
    clock_s: Callable[[], float] = time.perf_counter,
) -> NDArray[np.float64]:
    """Seconds that the tracker took for each scan, float64 (scans,).

    So many objects walk about, and every scan measures all of them with an error of 0.05 m. What
    counts is all from the measurements of one time to the objects in the robot's frame.

    Args:
        objects: how many tracks, and measurements in each scan.
        scans: how many are timed, after some to warm up.
        seed: of the objects and their errors.
        clock_s: tells the time.
    """
    rng = np.random.default_rng(seed)
    places = rng.uniform(-_SPREAD_M, _SPREAD_M, (objects, 3))
    speeds = rng.normal(0.0, 1.0, (objects, 3)) * [1.0, 1.0, 0.0]
    covariance = np.eye(3) * _SIGMA_M**2
    tracker = Tracker()
    taken = []
    for index in range(_WARM_UP + scans):
        at_s = _PERIOD_S * index
        seen = places + at_s * speeds + rng.normal(0.0, _SIGMA_M, (objects, 3))
        items = tuple(
            Measurement(place, covariance, "person", 0.9, np.ones(3), ("lidar",)) for place in seen
        )
        before = clock_s()
        tracker.update(Scan("lidar", to_ns(at_s), items)).seen_from(_ROBOT)
        taken.append(clock_s() - before)
    return np.array(taken[_WARM_UP:])
