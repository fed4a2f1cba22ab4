"""Which measurement belongs to which track."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from edge_mm_ros.pipelines.tracking.imm import Estimates, radial_velocity
from edge_mm_ros.pipelines.tracking.likelihood import agreement, near_pairs, on_the_plan
from edge_mm_ros.pipelines.tracking.measurement import Scan
from edge_mm_ros.pipelines.tracking.near_side import Completion, completion

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
# As long as any speed is as good, and speeds may be high, a second place of something new is hardly
# likelier than another new thing. But much of what is new stands or walks.
_SLOW_SHARE, _SLOW_SIGMA_MPS = 0.5, 1.0
# A box may get its distance from what stands before or behind the object: some always do, and where
# that would put it into another object, every other one.
_STRAY_SHARE, _STRAY_SHARE_INSIDE = 0.05, 0.5
STRAY_SIGMA_M = 3.0
_LENT_M = 0.75  # so near to a place, another track may have lent its distance
_INSIDE = 0.4  # where so much of the smaller one lies in the other, two things are in one place
_LEAST_M = 0.2  # nothing that counts is thinner
# Heights that a box and a track should agree in: how much one errs (as a share of it), and
# how often it says nothing: where it is less, as feet are hidden easily, and where it is more.
_HEIGHT_SIGMA = 0.04
_HIDDEN_SHARE, _ODD_SHARE = 0.5, 0.05
_HELD_S = 0.5  # a place is held by what was measured there so lately


@dataclass(frozen=True, eq=False)
class Candidates:
    """What association knows of m tracks at the scan's time.

    Attributes:
        motion: where they are and how they move.
        biases_m2: float64 (m, 3, 3), of the errors that they share with their sensors.
        label_shares: float64 (labels, m), how much of each track's evidence is for each label; 1
            where either has no class.
        labels: intp (n,), which of these labels each of the n measurements has.
        unseen_s: float64 (m,), since when each was not measured.
        sizes_m: float64 (m, 3).
        classed: bool (m,), which have a class.
        once: bool (m,), which were measured once only.
        new_sigma_mps: standard deviation of the velocity of something new, along an axis.
    """

    motion: Estimates
    biases_m2: NDArray[np.float64]
    label_shares: NDArray[np.float64]
    labels: NDArray[np.intp]
    unseen_s: NDArray[np.float64]
    sizes_m: NDArray[np.float64]
    classed: NDArray[np.bool_]
    once: NDArray[np.bool_]
    new_sigma_mps: float


@dataclass(frozen=True, eq=False)
class Pairs:
    """What belongs together.

    Attributes:
        rows: indices of measurements.
        columns: those of their tracks.
        stray: bool, which pairs agree in direction only: the distance is another object's.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    stray: NDArray[np.bool_]

    def by_track(self) -> Pairs:
        """The same, ordered by their tracks."""
        order = self.columns.argsort()
        return Pairs(self.rows[order], self.columns[order], self.stray[order])


def assign(scan: Scan, tracks: Candidates) -> Pairs:
    """Pairs of measurements and tracks, chosen as a whole (Hungarian method).

    The cost of a pair is twice its negative log likelihood; a pair outside of the gate, or less
    likely than a new object, is none. A measurement that has the direction of a track, and the
    place of another one or of what lies behind, may still be the track's: its distance is then
    taken for a stray one.
    """
    others = len(tracks.unseen_s)
    if not scan.measurements or not others:
        none = np.zeros(0, dtype=np.intp)
        return Pairs(none, none, np.zeros(0, dtype=np.bool_))
    hidden = None
    if scan.incomplete:
        hidden = completion(scan, *tracks.motion.overall, tracks.sizes_m, tracks.classed)
    known = tracks.motion.place_m2 + tracks.biases_m2
    on_the_plan(known)[...] += _unforeseen_m2(tracks.unseen_s)[:, None]
    means = np.ascontiguousarray(tracks.motion.mean[:, :3])
    near = near_pairs(
        scan,
        means,
        known,
        hidden,
        gate=_GATES[4],
        stray_sigma_m=STRAY_SIGMA_M,
    )
    rows, columns, squared = near.rows, near.columns, near.squared
    gates: float | NDArray[np.float64] = _GATES[3]
    if scan.radial.any():
        gates = np.where(scan.radial, _GATES[4], _GATES[3])[rows]
        squared = squared + _radial_misfits(scan, tracks, rows, columns)
    added = _OTHER_LABEL * (1.0 - tracks.label_shares[tracks.labels[rows], columns])
    added += near.log_det
    added += _fading(tracks.unseen_s[columns], scan.classless[rows])
    cost = np.where(squared > gates, np.inf, squared + added)
    new = (scan.classless[rows] & tracks.once[columns]).nonzero()[0]
    if len(new):
        slow = _if_slow(tracks, known)
        apart, log_det = agreement(scan, means, slow, hidden, rows[new], columns[new])
        slow_cost = apart + (added - near.log_det)[new] + log_det - 2.0 * math.log(_SLOW_SHARE)
        cost[new] = np.minimum(cost[new], np.where(apart <= _GATES[3], slow_cost, np.inf))
    stray = np.zeros(len(rows), dtype=np.bool_)
    if scan.from_afar and scan.directed.any():
        differing = _height_costs(scan, tracks, rows, columns)
        added, cost = added + differing, cost + differing
        by_others, share = _stray_shares(scan, tracks, hidden, rows, columns)
        cost -= 2.0 * np.log1p(-share)
        # With a vague distance along the ray, by the lemmas of Woodbury and of the determinant.
        loose = 1.0 + STRAY_SIGMA_M**2 * near.ray_squared
        squared = squared - STRAY_SIGMA_M**2 * near.ray_product**2 / loose
        stray_cost = squared + np.log(loose) + added - 2.0 * np.log(share)
        # What lies beyond a track may have the distance of what is behind it. What is nearer, and
        # stands on no other track, is something new, and never waved aside.
        beyond = near.beyond_m > 0.0
        stray = (squared <= gates) & (beyond | by_others) & scan.directed[rows]
        stray &= stray_cost < cost
        cost = np.where(stray, stray_cost, cost)
    # At the cost of a new object a pair is as good as none, so none is forced onto another.
    new_cost = np.where(scan.classless, _NEW_COST_UNKNOWN, _NEW_COST)
    likely = np.flatnonzero(cost < new_cost[rows])
    rows, columns, stray = rows[likely], columns[likely], stray[likely]
    chosen = cheapest(rows, columns, cost[likely], new_cost)
    return Pairs(rows[chosen], columns[chosen], stray[chosen])


def cheapest(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    cost: NDArray[np.float64],
    new_cost: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which of k pairs belong to the assignment that costs least as a whole, bool (k,).

    Args:
        rows: indices of the pairs' measurements.
        columns: those of their tracks.
        cost: float64 (k,), below that of a new object.
        new_cost: float64 (n,), what each measurement costs that has no track.
    """
    # Most pairs have no rival, and are chosen whatever becomes of the others.
    contested = (np.bincount(rows)[rows] > 1) | (np.bincount(columns)[columns] > 1)
    chosen = ~contested
    open_pairs = np.flatnonzero(contested)
    if not len(open_pairs):
        return chosen
    some, row = np.unique(rows[open_pairs], return_inverse=True)
    others, column = np.unique(columns[open_pairs], return_inverse=True)
    # What is spared by a pair: whoever gets none, as there are too few tracks, spares nothing.
    spared = np.zeros((len(some), len(others)))
    spared[row, column] = cost[open_pairs] - new_cost[rows[open_pairs]]
    pair = np.full(spared.shape, -1, dtype=np.intp)
    pair[row, column] = open_pairs
    best = pair[linear_sum_assignment(spared)]
    chosen[best[best >= 0]] = True
    return chosen


def _radial_misfits(
    scan: Scan, tracks: Candidates, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Squared distances of radial velocities, float64 (k,); 0 of measurements without one."""
    misfits = np.zeros(len(rows))
    for index in np.flatnonzero(scan.radial):
        item = scan.measurements[index].radial
        assert item is not None
        here = rows == index
        states, covariances = (part[columns[here]] for part in tracks.motion.overall)
        expected, slope = radial_velocity(states, item)
        # The place's part of the slope is small, so the two are taken as independent.
        variance = np.einsum("ij,ijk,ik->i", slope, covariances, slope) + item.sigma_mps**2
        misfits[here] = (item.speed_mps - expected) ** 2 / variance
    return misfits


def _unforeseen_m2(unseen_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """What an unseen object's place may err by beyond its filter's belief, along x and y, (m,).

    Whoever stands or walks straight in view soon leaves the filter sure of it; behind something,
    nobody sees them start, stop or turn.
    """
    moved_m = 0.5 * _START_MPS2 * np.minimum(unseen_s, _LONGEST_START_S) ** 2
    return np.asarray(moved_m**2)


def _if_slow(tracks: Candidates, known_m2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariances of the tracks' places, were those measured once no faster than a walker.

    Nothing is known of the velocity of such a track but the prior, so its part can be taken out.
    """
    excess = max(tracks.new_sigma_mps**2 - _SLOW_SIGMA_MPS**2, 0.0)
    slow = known_m2.copy()
    on_the_plan(slow)[...] -= (tracks.once * excess * tracks.unseen_s**2)[:, None]
    return slow


def _fading(unseen_s: NDArray[np.float64], classless: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What it counts that tracks were not seen for so long, of k pairs."""
    if not classless.any():
        return np.asarray(2.0 / _GONE_AFTER_S * unseen_s)
    lasting_s = np.where(classless, _GONE_AFTER_UNKNOWN_S, _GONE_AFTER_S)
    lost = classless & (unseen_s > _LONGEST_UNKNOWN_S)
    return np.asarray(np.where(lost, np.inf, 2.0 * unseen_s / lasting_s))


def _height_costs(
    scan: Scan, tracks: Candidates, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float64]:
    """What differing heights count against k pairs of a box and a track with a class.

    People who meet walk on with their own heights. But feet may be hidden, and somebody may fall:
    so a difference is a mixture of an error and of no evidence, and never rules a pair out.
    """
    boxed = (scan.directed & scan.sized)[rows] & tracks.classed[columns]
    known = np.maximum(tracks.sizes_m[columns, 2], _LEAST_M)
    more = scan.sizes_m[rows, 2] / known - 1.0
    sigmas = np.hypot(_HEIGHT_SIGMA, scan.distance_shares)[rows]
    silent = np.where(more < 0.0, _HIDDEN_SHARE, _ODD_SHARE)
    agreed = np.exp(-0.5 * (more / sigmas) ** 2)
    return np.asarray(np.where(boxed, -2.0 * np.log((1.0 - silent) * agreed + silent), 0.0))


def _stray_shares(
    scan: Scan,
    tracks: Candidates,
    hidden: Completion | None,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Of k pairs, whether another track may lend its distance, and how likely that is at all.

    Args:
        scan: n measurements.
        tracks: m tracks.
        hidden: what the measurements lack.
        rows: indices of the pairs' measurements.
        columns: those of their tracks.
    """
    offset = scan.positions_m[:, :2].T[:, :, None] - tracks.motion.mean[:, :2].T[:, None]
    if hidden is not None:
        offset += np.moveaxis(hidden.shift_m[..., :2], 2, 0)
    held = (tracks.unseen_s <= _HELD_S)[None]
    near = (offset[0] ** 2 + offset[1] ** 2 <= _LENT_M**2) & held
    inside = np.zeros(near.shape, dtype=np.bool_)
    reach = (scan.sizes_m[:, :2].T[:, :, None] + tracks.sizes_m[:, :2].T[:, None]) / 2.0 + _LEAST_M
    touching = np.abs(offset) <= reach
    one, other = np.nonzero(touching[0] & touching[1] & held)
    apart = offset[:, one, other].T
    inside[one, other] = within(apart, scan.sizes_m[one], tracks.sizes_m[other])
    by_others = near.sum(axis=1)[rows] - near[rows, columns] > 0
    in_others = inside.sum(axis=1)[rows] - inside[rows, columns] > 0
    share = np.where(in_others & ~scan.classless[rows], _STRAY_SHARE_INSIDE, _STRAY_SHARE)
    return np.asarray(by_others), share


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
    common = np.maximum((one + other) / 2.0 - np.abs(gap_m[..., :2]), 0.0)
    common = np.minimum(common, smaller)
    least = np.minimum(one.prod(axis=-1), other.prod(axis=-1))
    return np.asarray(common.prod(axis=-1) > _INSIDE * least)
