"""Which measurement belongs to which track."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from edge_mm_ros.pipelines.tracking.imm import radial_velocity
from edge_mm_ros.pipelines.tracking.measurement import Scan

_GATE_SHARE = 0.9999  # of true pairs lies within the gate: who falls out is seen twice
_GATES = {rows: float(chi2.ppf(_GATE_SHARE, rows)) for rows in (3, 4)}
_OTHER_LABEL = 1.0  # a fall changes a person's label, so a label may break a tie but not a track
# A pair must be likelier than something new: so many of them appear within a cubic metre, objects
# with a class, and echoes of anything.
_NEW_DENSITY, _NEW_DENSITY_UNKNOWN = 1e-4, 1e-2
_NEW_COST, _NEW_COST_UNKNOWN = (
    -2.0 * math.log(density) - 3.0 * math.log(2.0 * math.pi)
    for density in (_NEW_DENSITY, _NEW_DENSITY_UNKNOWN)
)
# The longer something is unseen, the likelier it is gone (time constants). What has no class lies
# everywhere, so it does not stand for somebody who was lost.
_GONE_AFTER_S, _GONE_AFTER_UNKNOWN_S = 10.0, 2.0
_LONGEST_UNKNOWN_S = 3.0
# Standard deviation of the acceleration of somebody who starts to walk or turns, and how long.
_START_MPS2, _LONGEST_START_S = 0.4, 1.5
# A box may get its distance from what stands before or behind the object: some always do, and where
# that would put it into another object, every other one.
_STRAY_SHARE, _STRAY_SHARE_INSIDE = 0.05, 0.5
STRAY_SIGMA_M = 3.0
_LENT_M = 0.75  # so near to a place, another track may have lent its distance
_INSIDE = 0.4  # where so much of the smaller one lies in the other, two things are in one place
_LEAST_M = 0.2  # nothing that counts is thinner
_HELD_S = 0.5  # a place is held by what was measured there so lately


@dataclass(frozen=True, eq=False)
class Candidates:
    """What association knows of m tracks at the scan's time.

    Attributes:
        means: float64 (m, 6).
        covariances: float64 (m, 6, 6).
        biases_m2: float64 (m, 3, 3), of the errors that they share with their sensors.
        label_shares: float64 (n, m), how much of each track's evidence is for the label of each of
            the n measurements; 1 where either has no class.
        unseen_s: float64 (m,), since when each was not measured.
        sizes_m: float64 (m, 3).
    """

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    biases_m2: NDArray[np.float64]
    label_shares: NDArray[np.float64]
    unseen_s: NDArray[np.float64]
    sizes_m: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """What belongs together.

    Attributes:
        rows: indices of measurements, ascending.
        columns: those of their tracks.
        stray: bool, which pairs agree in direction only: the distance is another object's.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    stray: NDArray[np.bool_]


def assign(scan: Scan, tracks: Candidates) -> Pairs:
    """Pairs of measurements and tracks, chosen as a whole (Hungarian method).

    The cost of a pair is twice its negative log likelihood; a pair outside of the gate, or less
    likely than a new object, is none. A measurement that has the direction of a track, and the
    place of another one or of what lies behind, may still be the track's: its distance is then
    taken for a stray one.
    """
    count, others = len(scan.measurements), len(tracks.means)
    if not count or not others:
        none = np.zeros(0, dtype=np.intp)
        return Pairs(none, none, np.zeros(0, dtype=np.bool_))
    gap = scan.positions_m[:, None] - tracks.means[None, :, :3]
    spread = (scan.noises_m2 + scan.biases_m2)[:, None]
    spread = spread + (tracks.covariances[:, :3, :3] + tracks.biases_m2)[None]
    spread = spread + _unforeseen_m2(tracks.unseen_s)[None]
    fit = _mahalanobis(gap, spread, scan.rays)
    shared = np.zeros((count, others))
    gates = np.full((count, 1), _GATES[3])
    for index, item in enumerate(scan.measurements):
        if item.radial is not None:
            gates[index] = _GATES[4]
            expected, slope = radial_velocity(tracks.means, item.radial)
            # The place's part of the slope is small, so the two are taken as independent.
            variance = np.einsum("ij,ijk,ik->i", slope, tracks.covariances, slope)
            variance = variance + item.radial.sigma_mps**2
            shared[index] = (item.radial.speed_mps - expected) ** 2 / variance
    squared = fit.squared + shared
    added = fit.log_det + _OTHER_LABEL * (1.0 - tracks.label_shares)
    added = added + _fading(tracks, scan.classless)
    cost = np.where(squared > gates, np.inf, squared + added)
    stray = np.zeros(cost.shape, dtype=np.bool_)
    directed = np.any(scan.rays != 0.0, axis=1) & ~scan.classless
    if directed.any():
        by_others, share = _stray_shares(scan, tracks, gap)
        cost -= 2.0 * np.log1p(-share)
        # With a vague distance along the ray, by the lemmas of Woodbury and of the determinant.
        loose = 1.0 + STRAY_SIGMA_M**2 * fit.along
        squared = squared - STRAY_SIGMA_M**2 * fit.across**2 / loose
        stray_cost = squared + np.log(loose) + added - 2.0 * np.log(share)
        # What lies beyond a track may have the distance of what is behind it. What is nearer, and
        # stands on no other track, is something new, and never waved aside.
        beyond = np.einsum("nmi,ni->nm", gap, scan.rays) > 0.0
        stray = (squared <= gates) & (beyond | by_others) & directed[:, None] & (stray_cost < cost)
        cost = np.where(stray, stray_cost, cost)
    # At the cost of a new object a pair is as good as none, so none is forced onto another.
    new_cost = np.where(scan.classless, _NEW_COST_UNKNOWN, _NEW_COST)[:, None]
    free = ~(cost < new_cost)
    cost = np.where(free, new_cost, cost)
    rows, columns = linear_sum_assignment(cost)
    paired = ~free[rows, columns]
    rows, columns = rows[paired], columns[paired]
    return Pairs(rows, columns, stray[rows, columns])


def _unforeseen_m2(unseen_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """What an unseen object's place may err by beyond its filter's belief, float64 (m, 3, 3).

    Whoever stands or walks straight in view soon leaves the filter sure of it; behind something,
    nobody sees them start, stop or turn.
    """
    moved_m = 0.5 * _START_MPS2 * np.minimum(unseen_s, _LONGEST_START_S) ** 2
    return np.asarray(moved_m[:, None, None] ** 2 * np.diag([1.0, 1.0, 0.0]))


def _fading(tracks: Candidates, classless: NDArray[np.bool_]) -> NDArray[np.float64]:
    lasting_s = np.where(classless, _GONE_AFTER_UNKNOWN_S, _GONE_AFTER_S)
    lost = classless[:, None] & (tracks.unseen_s > _LONGEST_UNKNOWN_S)[None]
    return np.asarray(np.where(lost, np.inf, 2.0 * tracks.unseen_s[None] / lasting_s[:, None]))


def _stray_shares(
    scan: Scan, tracks: Candidates, gap: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether another track may lend its distance, and how likely that is at all, (n, m)."""
    held = tracks.unseen_s <= _HELD_S
    near = (np.hypot(gap[..., 0], gap[..., 1]) <= _LENT_M) & held
    inside = within(gap, scan.sizes_m[:, None], tracks.sizes_m[None]) & held
    share = np.where(_others(inside), _STRAY_SHARE_INSIDE, _STRAY_SHARE)
    return _others(near), np.where(scan.classless[:, None], _STRAY_SHARE, share)


def _others(held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a track other than the pair's own is among those that are held, (n, m)."""
    return np.asarray(held.sum(axis=1, keepdims=True) - held > 0)


def within(
    gap_m: NDArray[np.float64], one_m: NDArray[np.float64], other_m: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether two things would be in one place: they share a good part of the ground they take.

    Args:
        gap_m: float64 (..., 2 or more), from the centres of the ones to those of the others.
        one_m: float64 (..., 3), extents of the ones.
        other_m: float64 (..., 3), those of the others.
    """
    one, other = np.maximum(one_m[..., :2], _LEAST_M), np.maximum(other_m[..., :2], _LEAST_M)
    smaller = np.minimum(one, other)
    common = np.clip((one + other) / 2.0 - np.abs(gap_m[..., :2]), 0.0, smaller)
    least = np.minimum(one.prod(axis=-1), other.prod(axis=-1))
    return np.asarray(common.prod(axis=-1) > _INSIDE * least)


@dataclass(frozen=True, eq=False)
class _Fit:
    """Of n measurements and m tracks, with ``S`` the covariances of their gaps and ``u`` the rays.

    Attributes:
        squared: float64 (n, m), squared distances, ``gap' S^-1 gap``.
        log_det: float64 (n, m), logs of the determinants of ``S``.
        along: float64 (n, m), ``u' S^-1 u``.
        across: float64 (n, m), ``u' S^-1 gap``.
    """

    squared: NDArray[np.float64]
    log_det: NDArray[np.float64]
    along: NDArray[np.float64]
    across: NDArray[np.float64]


def _mahalanobis(
    gap: NDArray[np.float64], spread: NDArray[np.float64], rays: NDArray[np.float64]
) -> _Fit:
    """How well measurements fit tracks, under symmetric (n, m, 3, 3) matrices.

    By cofactors: for thousands of small matrices much faster than a solver.
    """
    a, b, c = spread[..., 0, 0], spread[..., 0, 1], spread[..., 0, 2]
    d, e, f = spread[..., 1, 1], spread[..., 1, 2], spread[..., 2, 2]
    x, y, z = gap[..., 0], gap[..., 1], gap[..., 2]
    p, q, r = rays[:, 0, None], rays[:, 1, None], rays[:, 2, None]
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    dd, ee, ff = a * f - c * c, b * c - a * e, a * d - b * b
    determinant = a * aa + b * bb + c * cc
    px, py, pz = aa * x + bb * y + cc * z, bb * x + dd * y + ee * z, cc * x + ee * y + ff * z
    along = aa * p * p + dd * q * q + ff * r * r + 2.0 * (bb * p * q + cc * p * r + ee * q * r)
    return _Fit(
        (x * px + y * py + z * pz) / determinant,
        np.log(determinant),
        along / determinant,
        (p * px + q * py + r * pz) / determinant,
    )
