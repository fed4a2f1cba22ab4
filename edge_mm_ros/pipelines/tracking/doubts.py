"""What measurements err by beyond what they say themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.tracking.association import STRAY_SIGMA_M, Pairs
from edge_mm_ros.pipelines.tracking.measurement import Scan
from edge_mm_ros.pipelines.tracking.near_side import Completion
from edge_mm_ros.pipelines.tracking.tracks import TrackSet

_EDGE_M = 0.1  # so far beside a cluster's points, an object may have its middle
_LATELY_S = 0.5  # what was measured so lately is still there


def add_doubts(
    noises_m2: NDArray[np.float64],
    tracks: TrackSet,
    scan: Scan,
    pairs: Pairs,
    hidden: Completion | None,
) -> None:
    """Add what the measurements of n pairs err by beyond their own covariances.

    A stray distance says nothing. What is smaller than the object is the part of it that is not
    hidden, and its middle lies aside by up to half of what is missing. What has no class and is
    larger holds more than the object: its middle may lie anywhere within half of the difference
    (variance of a uniform distribution).

    Args:
        noises_m2: float64 (n, 3, 3), contiguous, the covariances; changed in place.
        tracks: at the scan's time.
        scan: what was measured.
        pairs: which measurement belongs to which track.
        hidden: what the measurements lack, where that is known.
    """
    rows, columns = pairs.rows, pairs.columns
    if pairs.stray.any():
        rays = scan.rays[rows] * (pairs.stray * STRAY_SIGMA_M)[:, None]
        noises_m2 += rays[:, :, None] * rays[:, None]
    along_axes = noises_m2.reshape(-1, 9)[:, :5:4]  # a view of what errs along x and along y
    missing = (tracks.sizes_m[columns, :2] - scan.sizes_m[rows, :2]) / 2.0
    vague, sized = scan.classless[rows] & tracks.classed[columns], scan.sized[rows]
    usual = vague | sized
    if hidden is not None:
        usual &= ~hidden.told[rows, columns]
    along_axes += np.maximum(missing, 0.0) ** 2 * usual[:, None]
    if vague.any():
        along_axes += np.minimum(missing, 0.0) ** 2 / 3.0 * (vague & sized)[:, None]
        along_axes += (vague * _holds_others_m(tracks, scan, pairs) ** 2)[:, None]


def _holds_others_m(tracks: TrackSet, scan: Scan, pairs: Pairs) -> NDArray[np.float64]:
    """How far the tracks of pairs lie from the furthest other one in the same cluster, (n,).

    Points of people who stand close fall into one cluster, whose middle is that of none of them.
    """
    places = tracks.motion.mean[:, :2]
    offset = np.abs(scan.positions_m[pairs.rows, None, :2] - places[None])
    holds = np.all(offset <= scan.sizes_m[pairs.rows, None, :2] / 2.0 + _EDGE_M, axis=2)
    holds &= (tracks.unseen_s <= _LATELY_S) & scan.sized[pairs.rows, None]
    apart = places[pairs.columns, None] - places[None]
    return np.asarray(np.where(holds, np.hypot(apart[..., 0], apart[..., 1]), 0.0).max(axis=1))
