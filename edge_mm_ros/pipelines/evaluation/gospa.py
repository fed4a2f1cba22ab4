"""The generalised optimal sub-pattern assignment metric.

A. S. Rahmathullah, A. F. Garcia-Fernandez and L. Svensson: "Generalized optimal sub-pattern
assignment metric", International Conference on Information Fusion, 2017; with alpha = 2, for
which it falls into three parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from edge_mm_ros.pipelines.evaluation.frames import Frame
from edge_mm_ros.pipelines.evaluation.matching import distances


@dataclass(frozen=True)
class Gospa:
    """The metric of two sets and its parts; ``distance ** p`` is their sum.

    Attributes:
        distance_m: the metric.
        localisation: sum of the pairs' distances to the power of p.
        missed: the part of the objects without an estimate.
        false: the part of the estimates without an object.
    """

    distance_m: float
    localisation: float
    missed: float
    false: float


def gospa(
    truth_m: NDArray[np.float64],
    estimates_m: NDArray[np.float64],
    *,
    cutoff_m: float,
    power: float = 2.0,
) -> Gospa:
    """The metric between two sets of points.

    Args:
        truth_m: (n, d).
        estimates_m: (m, d).
        cutoff_m: `c`; a pair further apart costs as much as a miss and a false estimate.
        power: `p`.
    """
    gap = distances(truth_m, estimates_m)
    single = cutoff_m**power / 2.0
    cost = np.minimum(gap, cutoff_m) ** power
    rows, columns = linear_sum_assignment(cost)
    pairs = [
        (row, column)
        for row, column in zip(rows, columns, strict=True)
        if gap[row, column] < cutoff_m
    ]
    localisation = float(sum(gap[row, column] ** power for row, column in pairs))
    missed = single * (len(truth_m) - len(pairs))
    false = single * (len(estimates_m) - len(pairs))
    return Gospa((localisation + missed + false) ** (1.0 / power), localisation, missed, false)


def mean_gospa(frames: Sequence[Frame], cutoff_m: float, power: float = 2.0) -> Gospa:
    """The mean over all frames of the metric and of its parts."""
    found = [
        gospa(frame.truth.positions_m, frame.tracks.positions_m, cutoff_m=cutoff_m, power=power)
        for frame in frames
    ]
    return Gospa(
        *(
            float(np.mean([getattr(one, part) for one in found]))
            for part in ("distance_m", "localisation", "missed", "false")
        )
    )
