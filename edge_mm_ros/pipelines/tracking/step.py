"""One scan after the other: from tracks before it to tracks after it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.tracking.association import (
    Candidates,
    Pairs,
    assign,
    within,
)
from edge_mm_ros.pipelines.tracking.doubts import add_doubts
from edge_mm_ros.pipelines.tracking.imm import Estimates
from edge_mm_ros.pipelines.tracking.measurement import Scan
from edge_mm_ros.pipelines.tracking.motion import VX, VY
from edge_mm_ros.pipelines.tracking.near_side import completion
from edge_mm_ros.pipelines.tracking.rough import worthless_m2
from edge_mm_ros.pipelines.tracking.tracks import TrackerSettings, TrackSet

_SPACE = [0, 1, 2]
_GROW_GAIN, _SHRINK_GAIN = 0.3, 0.05  # share of a new measurement in an object's size
_BESIDE_M = 0.3
_FRESH_S = 0.5  # what was measured so lately is still there
_ALIKE_MPS = 0.7  # two velocities of one object
_TOGETHER_S = 3.0  # whom one scan showed apart so lately are two


def step(tracks: TrackSet, scan: Scan, settings: TrackerSettings) -> TrackSet:
    """The tracks after one more scan.

    Args:
        tracks: at or before the scan's time.
        scan: one sensor's measurements.
        settings: how the tracker works.
    """
    tracks = _predict(tracks, scan, settings)
    labels = tracks.evidence.columns(scan.labels)[scan.label]
    pairs = _pairs(tracks, scan, labels, settings)
    hit = np.zeros(len(tracks), dtype=np.bool_)
    hit[pairs.columns] = True
    tracks = _count_chances(tracks, scan, hit, settings)
    if len(pairs.rows):
        tracks = _update(tracks, scan, pairs, labels, hit, settings)
    new = scan.may_begin.copy()
    new[pairs.rows] = False
    if new.any():
        new &= ~_parts_of_known(tracks, scan, pairs)
        new &= ~_in_the_place_of_others(scan, pairs)
    # The dead go after the update, so that pairs keep their indices till then.
    tracks = tracks.take(_alive(tracks, settings) & ~_doubled(tracks, scan))
    return _begin(tracks, scan, labels, new.nonzero()[0], settings)


def _predict(tracks: TrackSet, scan: Scan, settings: TrackerSettings) -> TrackSet:
    """At the scan's time; what has been unseen for too long ends."""
    unseen_ns = scan.stamp_ns - tracks.hit_ns
    coast_ns = to_ns(settings.coast_s)
    if unseen_ns.max(initial=0) > coast_ns:
        remembered = tracks.confirmed & (unseen_ns <= to_ns(settings.motion.remember_s))
        tracks = tracks.take(remembered | (unseen_ns <= coast_ns))
    elapsed_s = (scan.stamp_ns - tracks.stamp_ns) / NS_PER_S if len(tracks) else 0.0
    return tracks.changed(
        stamp_ns=scan.stamp_ns,
        motion=tracks.motion.predicted(settings.motion, elapsed_s),
        evidence=tracks.evidence.knowing(scan.labels),
        **_acquainted(tracks, scan),
    )


def _acquainted(tracks: TrackSet, scan: Scan) -> dict[str, Any]:
    """What changes of tracks, so that they know a scan's sensor and sources."""
    changes: dict[str, Any] = {}
    if scan.sensor not in tracks.sensors:
        column = np.full((len(tracks), 1), -1)
        changes["sensors"] = (*tracks.sensors, scan.sensor)
        changes["heard_ns"] = np.hstack([tracks.heard_ns, column.astype(np.int64)])
        changes["rests"] = np.hstack([tracks.rests, column.astype(np.intp)])
    strange = [each for each in scan.sources if each not in tracks.sources]
    if strange:
        changes["sources"] = (*tracks.sources, *strange)
    return changes


def _sources(tracks: TrackSet, scan: Scan) -> NDArray[np.intp]:
    """Which of the known sources each measurement rests on, intp (n,)."""
    known = [tracks.sources.index(each) for each in scan.sources]
    return np.array(known, dtype=np.intp)[scan.source]


def _pairs(
    tracks: TrackSet, scan: Scan, labels: NDArray[np.intp], settings: TrackerSettings
) -> Pairs:
    return assign(
        scan,
        Candidates(
            tracks.motion,
            tracks.biases_m2,
            tracks.evidence.likeness,
            labels,
            tracks.unseen_s,
            tracks.sizes_m,
            tracks.classed,
            tracks.once,
            settings.max_speed_mps / 2.0,
        ),
    )


def _parts_of_known(tracks: TrackSet, scan: Scan, pairs: Pairs) -> NDArray[np.bool_]:
    """Which measurements lie on an object that is known already, bool (n,).

    Only those without a class, or which are no objects at once, are asked. Points of one object may
    fall into several clusters, and those of neighbours into one; a second object would be told
    where the first one is. What this scan itself shows of a known object reaches no further than
    its size: what the scan shows beside it stands there.
    """
    asked = scan.classless | ~scan.at_once
    if not len(tracks) or not asked.any():
        return np.zeros(len(scan.measurements), dtype=np.bool_)
    gap = np.abs(scan.positions_m[:, None, :2] - tracks.motion.mean[None, :, :2])
    reach = (scan.sizes_m[:, None, :2] + tracks.sizes_m[None, :, :2]) / 2.0
    measured = scan.errors_m2
    known = tracks.motion.place_m2 + tracks.biases_m2
    axes = [0, 1]
    # What is known badly, as where a car ends, must not hide what stands beside it.
    slack = np.minimum(2.0 * np.sqrt(known[:, axes, axes]), _BESIDE_M)
    slack[pairs.columns[scan.sized[pairs.rows]]] = 0.0
    within = np.all(
        gap <= reach + slack[None] + 2.0 * np.sqrt(measured[:, axes, axes])[:, None], axis=2
    )
    return np.asarray(asked & np.any(within & (tracks.unseen_s <= _FRESH_S), axis=1))


def _in_the_place_of_others(scan: Scan, pairs: Pairs) -> NDArray[np.bool_]:
    """Which measurements lie where another one of the same scan has found something, bool (n,).

    No two things stand in one place, so its distance is the other one's. Of two new ones the
    surer stays; what is paired comes first.
    """
    gap = scan.positions_m[:, None, :2] - scan.positions_m[None, :, :2]
    same = within(gap, scan.sizes_m[:, None], scan.sizes_m[None])
    ranks = scan.scores.copy()
    ranks[pairs.rows] += 2.0
    ranks -= 1e-6 * np.arange(len(ranks))  # so that none is level with another
    return np.asarray(np.any(same & (ranks[None] > ranks[:, None]), axis=1))


def _doubled(tracks: TrackSet, scan: Scan) -> NDArray[np.bool_]:
    """Which tracks stand for what an older track stands for too, bool (n,).

    Both were measured lately, are in one place, and move alike; this scan shows one of them only,
    and for a while no scan has shown both. Else two sensors might keep two tracks of one object
    alive, each one its own.
    """
    hit = tracks.hit_ns == scan.stamp_ns
    if hit.all() or not hit.any():
        return np.zeros(len(tracks), dtype=np.bool_)
    means = tracks.motion.mean
    fresh = tracks.unseen_s <= _FRESH_S
    gap = means[:, None] - means[None]
    close = within(gap, tracks.sizes_m[:, None], tracks.sizes_m[None])
    alike = np.hypot(gap[..., VX], gap[..., VY]) <= _ALIKE_MPS
    one_seen = hit[:, None] != hit[None]
    # Tracks lie in the order of their beginnings.
    older = np.tri(len(tracks), k=-1, dtype=np.bool_)
    doubtful = close & alike & one_seen & older & fresh[:, None] & fresh[None]
    apart = tracks.together_ns >= scan.stamp_ns - to_ns(_TOGETHER_S)
    return np.asarray(np.any(doubtful & ~apart, axis=1))


def _count_chances(
    tracks: TrackSet, scan: Scan, hit: NDArray[np.bool_], settings: TrackerSettings
) -> TrackSet:
    """Note which tracks the scan shows, and which it should have shown: its sensor saw them."""
    could = hit | (tracks.heard_ns[:, tracks.sensors.index(scan.sensor)] >= 0)
    window = (1 << settings.motion.confirm_of) - 1
    hits = np.where(could, ((tracks.hits << 1) | hit) & window, tracks.hits)
    confirmed = tracks.confirmed
    if not confirmed.all():
        confirmed = confirmed | (_ones(hits, settings) >= settings.motion.confirm_hits)
    return tracks.changed(hits=hits, chances=tracks.chances + could, confirmed=confirmed)


def _ones(hits: NDArray[np.int64], settings: TrackerSettings) -> NDArray[np.int64]:
    """How many of the newest pictures were hits, int64 (n,)."""
    return np.asarray((hits[:, None] >> np.arange(settings.motion.confirm_of) & 1).sum(axis=1))


def _alive(tracks: TrackSet, settings: TrackerSettings) -> NDArray[np.bool_]:
    """All but the tracks that can no longer be confirmed."""
    if tracks.confirmed.all():
        return np.ones(len(tracks), dtype=np.bool_)
    motion = settings.motion
    tries = np.minimum(tracks.chances, motion.confirm_of)
    count = _ones(tracks.hits, settings)
    missed = tries - count
    return np.asarray(tracks.confirmed | (missed <= motion.confirm_of - motion.confirm_hits))


def _update(
    tracks: TrackSet,
    scan: Scan,
    pairs: Pairs,
    labels: NDArray[np.intp],
    hit: NDArray[np.bool_],
    settings: TrackerSettings,
) -> TrackSet:
    """Correct the tracks that the scan shows.

    Args:
        tracks: n of them, at the scan's time.
        scan: m measurements.
        pairs: which of them belong to which track.
        labels: intp (m,), which of the labels of the evidence each measurement has.
        hit: bool (n,), which tracks are in a pair.
        settings: how the tracker works.
    """
    # Where all tracks are seen, they are taken as they lie: slices of arrays cost no copies.
    chosen: NDArray[np.intp] | slice = pairs.columns
    if len(pairs.columns) == len(tracks):
        pairs, chosen = pairs.by_track(), slice(None)
    rows, columns = pairs.rows, pairs.columns
    now_ns, sensor = scan.stamp_ns, tracks.sensors.index(scan.sensor)
    before, classless = tracks.motion.take(chosen), scan.classless[rows]
    sizes_m = tracks.sizes_m[chosen]
    biases_m2, place_m2 = tracks.biases_m2[chosen], tracks.motion.place_m2[chosen]
    hidden = None
    if scan.incomplete:
        hidden = completion(scan, *tracks.motion.overall, tracks.sizes_m, tracks.classed)
    noises = scan.noises_m2[rows]
    add_doubts(noises, tracks, scan, pairs, hidden)
    worthless = worthless_m2(tracks, scan, pairs)
    if worthless is not None:
        noises += worthless
    biases, positions = scan.biases_m2[rows], scan.positions_m[rows]
    if hidden is not None:
        positions += hidden.shift_m[rows, columns]
        biases[hidden.instead[rows, columns]] = 0.0
        biases[:, _SPACE, _SPACE] += hidden.spread_m2[rows, columns]
        noises[:, _SPACE, _SPACE] += hidden.fresh_m2[rows, columns]
    # An error that two sensors do not share is new to the track that the other one led.
    sources = _sources(tracks, scan)[rows]
    strange = tracks.latest_from[chosen] != sensor
    strange |= tracks.rests[chosen, sensor] != sources
    seen_noises = noises + biases * strange[:, None, None] if strange.any() else noises
    radial = [scan.measurements[row].radial for row in rows.tolist()]
    after = before.updated(positions, seen_noises, radial)
    # Of two errors with an unknown correlation, the mean of the covariances bounds that of the
    # mean; the weight is how far the place followed the measurement.
    own_m2 = np.einsum("nii->n", place_m2)
    weight = own_m2 / (own_m2 + np.einsum("nii->n", noises))
    # A box at a stray distance has a wrong size; and what has no class shows a part of an object.
    sized = scan.sized[rows] & ~(pairs.stray | (classless & tracks.classed[chosen]))
    more = scan.sizes_m[rows] - sizes_m
    # What hides a part of an object makes it look smaller; nothing makes it look larger for long.
    more *= np.where(more > 0.0, _GROW_GAIN, _SHRINK_GAIN) * sized[:, None]
    memories = (now_ns - tracks.classed_ns[chosen]) / (NS_PER_S * settings.motion.label_memory_s)
    memories[classless] = 0.0

    def instead(whole: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        if isinstance(chosen, slice):
            return values
        whole = whole.copy()
        whole[chosen] = values
        return whole

    rests, heard_ns = tracks.rests.copy(), tracks.heard_ns.copy()
    rests[chosen, sensor], heard_ns[chosen, sensor] = sources, now_ns
    classed = hit.copy()
    classed[columns[classless]] = False
    return tracks.changed(
        together_ns=np.where(hit[:, None] & hit, now_ns, tracks.together_ns),
        motion=tracks.motion.replaced(chosen, after),
        evidence=tracks.evidence.added(columns, labels[rows], scan.scores[rows], memories),
        biases_m2=instead(
            tracks.biases_m2, biases_m2 + weight[:, None, None] * (biases - biases_m2)
        ),
        announced=instead(tracks.announced, tracks.announced[chosen] | scan.at_once[rows]),
        sizes_m=instead(tracks.sizes_m, sizes_m + more),
        latest=instead(tracks.latest, scan.keys[rows]),
        latest_from=np.where(hit, sensor, tracks.latest_from),
        hit_ns=np.where(hit, now_ns, tracks.hit_ns),
        classed_ns=np.where(classed, now_ns, tracks.classed_ns),
        heard_ns=heard_ns,
        rests=rests,
    )


def _begin(
    tracks: TrackSet,
    scan: Scan,
    labels: NDArray[np.intp],
    new: NDArray[np.intp],
    settings: TrackerSettings,
) -> TrackSet:
    """A track for each measurement that none of the tracks explains."""
    if not len(new):
        return tracks
    items = [scan.measurements[index] for index in new]
    first, count = len(tracks), len(new)
    sensor = tracks.sensors.index(scan.sensor)
    motion = Estimates.begin(items, settings.motion, settings.max_speed_mps)
    keys = scan.keys[new]
    rests = np.full((count, len(tracks.sensors)), -1, dtype=np.intp)
    rests[:, sensor] = _sources(tracks, scan)[new]
    heard_ns = np.full(rests.shape, -1, dtype=np.int64)
    heard_ns[:, sensor] = scan.stamp_ns
    ones = np.ones(count, dtype=np.int64)
    together_ns = np.pad(tracks.together_ns, (0, count), constant_values=-1)
    shown = np.flatnonzero(np.pad(tracks.hit_ns == scan.stamp_ns, (0, count), constant_values=True))
    together_ns[np.ix_(shown, shown)] = scan.stamp_ns
    evidence = tracks.evidence.with_new(count).added(
        np.arange(first, first + count),
        labels[new],
        scan.scores[new],
        np.zeros(count),
    )
    return tracks.changed(
        motion=tracks.motion.joined(motion),
        evidence=evidence,
        biases_m2=np.concatenate([tracks.biases_m2, scan.biases_m2[new]]),
        sizes_m=np.concatenate([tracks.sizes_m, scan.sizes_m[new]]),
        born=np.concatenate([tracks.born, keys]),
        latest=np.concatenate([tracks.latest, keys]),
        hit_ns=np.concatenate([tracks.hit_ns, scan.stamp_ns * ones]),
        classed_ns=np.concatenate([tracks.classed_ns, scan.stamp_ns * ones]),
        chances=np.concatenate([tracks.chances, ones]),
        hits=np.concatenate([tracks.hits, ones]),
        confirmed=np.concatenate([tracks.confirmed, ones * settings.motion.confirm_hits == 1]),
        announced=np.concatenate([tracks.announced, scan.at_once[new]]),
        heard_ns=np.concatenate([tracks.heard_ns, heard_ns]),
        rests=np.concatenate([tracks.rests, rests]),
        latest_from=np.concatenate([tracks.latest_from, np.full(count, sensor, dtype=np.intp)]),
        together_ns=together_ns,
    )
