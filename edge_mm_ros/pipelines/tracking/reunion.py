"""Who comes back: a track that is about to get an id may go on from one that was lost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from edge_mm_ros.pipelines.tracking.motion import VX, VY, X, Y
from edge_mm_ros.pipelines.tracking.tracks import TrackSet

_AXES = np.ix_([X, Y, VX, VY], [X, Y, VX, VY])
_NEW_DENSITY = 1e-3  # of objects that come newly into view, in a square metre
_GONE_AFTER_S = 10.0  # the longer something is unseen, the likelier it is gone (time constant)


def reunions(
    tracks: TrackSet,
    begun: NDArray[np.intp],
    lost: NDArray[np.intp],
    speed_sigma_mps: float,
) -> list[tuple[int, int]]:
    """Which of the tracks that began lately go on from which of those that were lost.

    Tracklets are joined as a whole by what they say of place and velocity together (as in
    C. Huang, B. Wu and R. Nevatia: Robust Object Tracking by Hierarchical Association of Detection
    Responses, European Conference on Computer Vision, 2008), where that is likelier than that the
    one is new and the other gone. A few measurements tell the direction of motion, which a single
    one does not: so who was hidden for long, and may be anywhere, is still known by the way they
    walk.

    Args:
        tracks: all, at one time.
        begun: indices of those that may go on from another one.
        lost: indices of those that may go on in another one.
        speed_sigma_mps: standard deviation of the velocity of something new, along an axis.

    Returns:
        pairs of indices, of begun and lost ones.
    """
    born_ns = np.array([tracks.born[index][0] for index in begun], dtype=np.int64)
    could = born_ns[:, None] > tracks.hit_ns[lost][None]
    if not could.any():
        return []
    means, covariances = tracks.motion.overall
    gains = np.full(could.shape, -np.inf)
    for row, column in zip(*np.nonzero(could), strict=True):
        one, other = begun[row], lost[column]
        gains[row, column] = _gain(
            means[other][_AXES[1][0]],
            covariances[other][_AXES],
            means[one][_AXES[1][0]],
            covariances[one][_AXES],
            speed_sigma_mps,
        )
    gains -= tracks.unseen_s[lost][None] / _GONE_AFTER_S
    # A pair that is no likelier than none is as good as none.
    rows, columns = linear_sum_assignment(np.maximum(gains, 0.0), maximize=True)
    return [
        (int(begun[row]), int(lost[column]))
        for row, column in zip(rows, columns, strict=True)
        if gains[row, column] > 0.0
    ]


def _gain(
    lost: NDArray[np.float64],
    lost_spread: NDArray[np.float64],
    begun: NDArray[np.float64],
    begun_spread: NDArray[np.float64],
    speed_sigma_mps: float,
) -> float:
    """Log of how much likelier the measurements of a begun track are by a lost one than by none.

    What the begun track believes rests on its measurements and on the prior of its velocity,
    which is taken out again: in information form, their information is the difference.

    Args:
        lost: float64 (4,), expected place and velocity.
        lost_spread: float64 (4, 4).
        begun: float64 (4,).
        begun_spread: float64 (4, 4).
        speed_sigma_mps: of the prior.
    """
    believed = np.linalg.inv(begun_spread)
    told = believed @ begun
    prior = np.diag([0.0, 0.0, *[1.0 / speed_sigma_mps**2] * 2])
    values, vectors = np.linalg.eigh(believed - prior)
    measured = (vectors * np.maximum(values, 0.0)) @ vectors.T
    expected = np.asarray(np.linalg.inv(lost_spread), dtype=np.float64)

    def evidence(
        prior_information: NDArray[np.float64], mean: NDArray[np.float64], log_scale: float
    ) -> float:
        joint = prior_information + measured
        state = prior_information @ mean + told
        return float(
            log_scale
            - 0.5 * mean @ prior_information @ mean
            - 0.5 * np.linalg.slogdet(joint)[1]
            + 0.5 * state @ np.linalg.solve(joint, state)
        )

    new_scale = math.log(_NEW_DENSITY * 2.0 * math.pi / speed_sigma_mps**2)
    as_lost = evidence(expected, lost, 0.5 * float(np.linalg.slogdet(expected)[1]))
    return as_lost - evidence(prior, np.zeros(4), new_scale)
