"""Which measurement belongs to which track."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from edge_mm_ros.pipelines.tracking.imm import radial_velocity
from edge_mm_ros.pipelines.tracking.measurement import Scan

_GATE_SHARE = 0.9999  # of true pairs lies within the gate: who falls out is seen twice
_GATES = {rows: float(chi2.ppf(_GATE_SHARE, rows)) for rows in (3, 4)}
_OTHER_LABEL = 1.0  # a fall changes a person's label, so a label may break a tie but not a track
# A pair must be likelier than a new object: so many of them appear within a cubic metre.
_NEW_DENSITY = 1e-4
_NEW_COST = -2.0 * math.log(_NEW_DENSITY) - 3.0 * math.log(2.0 * math.pi)


def assign(
    scan: Scan,
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
    biases_m2: NDArray[np.float64],
    label_shares: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of measurements and tracks, chosen as a whole (Hungarian method).

    The cost of a pair is twice its negative log likelihood; a pair outside of the gate, or less
    likely than a new object, is none.

    Args:
        scan: n measurements.
        means: float64 (m, 6), of the tracks at the scan's time.
        covariances: float64 (m, 6, 6).
        biases_m2: float64 (m, 3, 3), of the errors that the tracks share with their sensors.
        label_shares: float64 (n, m), how much of each track's evidence is for each label.

    Returns:
        indices of the measurements, ascending, and of their tracks.
    """
    if not scan.measurements or not len(means):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    gap = scan.positions_m[:, None] - means[None, :, :3]
    spread = (scan.noises_m2 + scan.biases_m2)[:, None] + (covariances[:, :3, :3] + biases_m2)[None]
    squared, log_det = _mahalanobis(gap, spread)
    gates = np.full(len(scan.measurements), _GATES[3])
    for index, item in enumerate(scan.measurements):
        if item.radial is not None:
            gates[index] = _GATES[4]
            expected, slope = radial_velocity(means, item.radial)
            # The place's part of the slope is small, so the two are taken as independent.
            variance = np.einsum("ij,ijk,ik->i", slope, covariances, slope)
            variance = variance + item.radial.sigma_mps**2
            squared[index] += (item.radial.speed_mps - expected) ** 2 / variance
    cost = squared + log_det + _OTHER_LABEL * (1.0 - label_shares)
    # At the cost of a new object a pair is as good as none, so none is forced onto another.
    free = (squared > gates[:, None]) | (cost >= _NEW_COST)
    cost[free] = _NEW_COST
    rows, columns = linear_sum_assignment(cost)
    paired = ~free[rows, columns]
    return rows[paired], columns[paired]


def _mahalanobis(
    gap: NDArray[np.float64], spread: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared distances under symmetric (..., 3, 3) matrices, and the logs of their determinants.

    By cofactors: for thousands of small matrices much faster than a solver.
    """
    a, b, c = spread[..., 0, 0], spread[..., 0, 1], spread[..., 0, 2]
    d, e, f = spread[..., 1, 1], spread[..., 1, 2], spread[..., 2, 2]
    x, y, z = gap[..., 0], gap[..., 1], gap[..., 2]
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * aa + b * bb + c * cc
    total = aa * x * x + (a * f - c * c) * y * y + (a * d - b * b) * z * z
    total += 2.0 * (bb * x * y + cc * x * z + (b * c - a * e) * y * z)
    return total / determinant, np.log(determinant)
