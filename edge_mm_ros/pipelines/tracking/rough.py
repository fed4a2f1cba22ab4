"""Measurements that tell that something is there, but hardly where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.stamps import to_ns
from edge_mm_ros.pipelines.tracking.association import Pairs
from edge_mm_ros.pipelines.tracking.measurement import Scan
from edge_mm_ros.pipelines.tracking.tracks import TrackSet

_BETTER = 0.5  # a place is better known than another one where its variance is this share of it
_LATELY_S = 0.5
_LARGER_M = 0.4  # what is so much larger than was assumed shows an edge, not its middle
_NOTHING_M2 = 1e4  # variance of a place that says nothing


def worthless_m2(tracks: TrackSet, scan: Scan, pairs: Pairs) -> NDArray[np.float64] | None:
    """What takes all weight from rough places of pairs, float64 (n, 3, 3); None where none is.

    A place without a class, a size and a speed, as of an echo in a cone, shows that an object is
    there. It moves no object that is better known already, or was placed lately by another kind of
    sensor: how fast a new one moves is known so badly that its place soon seems no better than an
    echo's. And it moves none that is larger: of that the echo comes from the nearest edge, again
    and again, and would draw it near.
    """
    rows, columns = pairs.rows, pairs.columns
    rough = scan.rough[rows]
    if not rough.any():
        return None
    added = np.zeros((len(rows), 3, 3))
    known = tracks.motion.place_m2[columns] + tracks.biases_m2[columns]
    told = scan.errors_m2[rows]
    idle = _plan_m2(known) < _BETTER * _plan_m2(told)
    kind = scan.sensor.partition(":")[0]
    others = [sensor.partition(":")[0] != kind for sensor in tracks.sensors]
    placed_ns = tracks.heard_ns[columns][:, others].max(axis=1, initial=-1)
    idle |= placed_ns >= max(0, scan.stamp_ns - to_ns(_LATELY_S))
    larger = (tracks.sizes_m[columns] - scan.sizes_m[rows])[:, :2].max(axis=1)
    added[rough & (idle | (larger > _LARGER_M))] = _NOTHING_M2 * np.eye(3)
    return added


def _plan_m2(covariances_m2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variances of places on the plan, float64 (n,)."""
    return np.asarray(covariances_m2[:, 0, 0] + covariances_m2[:, 1, 1])
