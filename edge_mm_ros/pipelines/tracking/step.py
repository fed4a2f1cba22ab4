"""One scan after the other: from tracks before it to tracks after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.tracking.association import assign
from edge_mm_ros.pipelines.tracking.imm import Estimates
from edge_mm_ros.pipelines.tracking.measurement import Scan
from edge_mm_ros.pipelines.tracking.tracks import TrackerSettings, TrackSet

_SIZE_GAIN = 0.3  # share of a new measurement in an object's size


def step(tracks: TrackSet, scan: Scan, settings: TrackerSettings) -> TrackSet:
    """The tracks after one more scan.

    Args:
        tracks: at or before the scan's time.
        scan: one sensor's measurements.
        settings: how the tracker works.
    """
    tracks = _predict(tracks, scan, settings)
    rows, columns = _pairs(tracks, scan, settings)
    tracks = _count_chances(tracks, scan, columns, settings)
    tracks = _update(tracks, scan, rows, columns, settings)
    unpaired = np.ones(len(scan.measurements), dtype=np.bool_)
    unpaired[rows] = False
    # The dead go after the update, so that pairs keep their indices till then.
    return _begin(tracks.take(_alive(tracks, settings)), scan, np.flatnonzero(unpaired), settings)


def _predict(tracks: TrackSet, scan: Scan, settings: TrackerSettings) -> TrackSet:
    """At the scan's time; what has been unseen for too long ends."""
    tracks = tracks.take(scan.stamp_ns - tracks.hit_ns <= to_ns(settings.coast_s))
    elapsed_s = (scan.stamp_ns - tracks.stamp_ns) / NS_PER_S if len(tracks) else 0.0
    motion = tracks.motion.predicted(settings.motion, elapsed_s)
    labels = tuple(item.label for item in scan.measurements)
    tracks = _with_sensor(tracks, scan.sensor)
    return replace(
        tracks, stamp_ns=scan.stamp_ns, motion=motion, evidence=tracks.evidence.knowing(labels)
    )


def _with_sensor(tracks: TrackSet, sensor: str) -> TrackSet:
    if sensor in tracks.sensors:
        return tracks
    rests = np.empty((len(tracks), 1), dtype=object)
    heard_ns = np.full((len(tracks), 1), -1, dtype=np.int64)
    return replace(
        tracks,
        sensors=(*tracks.sensors, sensor),
        heard_ns=np.hstack([tracks.heard_ns, heard_ns]),
        rests=np.hstack([tracks.rests, rests]),
    )


def _pairs(
    tracks: TrackSet, scan: Scan, settings: TrackerSettings
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    means, covariances = tracks.motion.overall
    known = tracks.evidence.labels
    labels = [known.index(item.label) for item in scan.measurements]
    shares = tracks.evidence.shares()[:, labels].T
    return assign(scan, means, covariances, tracks.biases_m2, shares)


def _count_chances(
    tracks: TrackSet, scan: Scan, seen: NDArray[np.intp], settings: TrackerSettings
) -> TrackSet:
    """Note which tracks the scan shows, and which it should have shown: its sensor saw them."""
    hit = np.zeros(len(tracks), dtype=np.bool_)
    hit[seen] = True
    could = hit | (tracks.heard_ns[:, tracks.sensors.index(scan.sensor)] >= 0)
    window = (1 << settings.motion.confirm_of) - 1
    hits = np.where(could, ((tracks.hits << 1) | hit) & window, tracks.hits)
    count = np.array([int(bits).bit_count() for bits in hits], dtype=np.int64)
    return replace(
        tracks,
        hits=hits,
        chances=tracks.chances + could,
        confirmed=tracks.confirmed | (count >= settings.motion.confirm_hits),
    )


def _alive(tracks: TrackSet, settings: TrackerSettings) -> NDArray[np.bool_]:
    """All but the tracks that can no longer be confirmed."""
    motion = settings.motion
    tries = np.minimum(tracks.chances, motion.confirm_of)
    count = np.array([int(bits).bit_count() for bits in tracks.hits], dtype=np.int64)
    missed = tries - count
    return np.asarray(tracks.confirmed | (missed <= motion.confirm_of - motion.confirm_hits))


def _update(
    tracks: TrackSet,
    scan: Scan,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    settings: TrackerSettings,
) -> TrackSet:
    """Correct the tracks that the scan shows."""
    if not len(rows):
        return tracks
    items = [scan.measurements[row] for row in rows]
    noises = scan.noises_m2[rows]
    biases = scan.biases_m2[rows]
    sensor = tracks.sensors.index(scan.sensor)
    # An error that two sensors do not share is new to the track that the other one led.
    strange = np.array(
        [tracks.latest[column][1] != scan.sensor for column in columns], dtype=np.bool_
    ) | np.array(
        [
            tracks.rests[column, sensor] != item.sources
            for column, item in zip(columns, items, strict=True)
        ],
        dtype=np.bool_,
    )
    after = tracks.motion.take(columns).updated(
        scan.positions_m[rows],
        noises + strange[:, None, None] * biases,
        [item.radial for item in items],
    )
    # Of two errors with an unknown correlation, the mean of the covariances bounds that of the
    # mean; the weight is how far the place followed the measurement.
    own_m2 = np.trace(tracks.motion.overall[1][columns, :3, :3], axis1=1, axis2=2)
    weight = own_m2 / (own_m2 + np.trace(noises, axis1=1, axis2=2))
    all_biases, sizes = tracks.biases_m2.copy(), tracks.sizes_m.copy()
    all_biases[columns] += weight[:, None, None] * (biases - all_biases[columns])
    sizes[columns] += _SIZE_GAIN * (np.array([item.size_m for item in items]) - sizes[columns])

    latest, rests = tracks.latest.copy(), tracks.rests.copy()
    hit_ns, heard_ns = tracks.hit_ns.copy(), tracks.heard_ns.copy()
    for row, column, item in zip(rows, columns, items, strict=True):
        latest[column] = (*scan.order, int(row))
        rests[column, sensor] = item.sources
    memories = (scan.stamp_ns - hit_ns[columns]) / NS_PER_S / settings.motion.label_memory_s
    hit_ns[columns] = scan.stamp_ns
    heard_ns[columns, sensor] = scan.stamp_ns
    return replace(
        tracks,
        motion=tracks.motion.replaced(columns, after),
        evidence=tracks.evidence.added(
            columns,
            [item.label for item in items],
            np.array([item.score for item in items]),
            memories,
        ),
        biases_m2=all_biases,
        sizes_m=sizes,
        latest=latest,
        hit_ns=hit_ns,
        heard_ns=heard_ns,
        rests=rests,
    )


def _begin(
    tracks: TrackSet, scan: Scan, new: NDArray[np.intp], settings: TrackerSettings
) -> TrackSet:
    """A track for each measurement that none of the tracks explains."""
    if not len(new):
        return tracks
    items = [scan.measurements[index] for index in new]
    first, count = len(tracks), len(new)
    sensor = tracks.sensors.index(scan.sensor)
    motion = Estimates.begin(items, settings.motion, settings.max_speed_mps)
    keys = np.empty(count, dtype=object)
    rests = np.empty((count, len(tracks.sensors)), dtype=object)
    for place, (index, item) in enumerate(zip(new, items, strict=True)):
        keys[place] = (*scan.order, int(index))
        rests[place, sensor] = item.sources
    heard_ns = np.full(rests.shape, -1, dtype=np.int64)
    heard_ns[:, sensor] = scan.stamp_ns
    ones = np.ones(count, dtype=np.int64)
    evidence = tracks.evidence.with_new(count).added(
        np.arange(first, first + count),
        [item.label for item in items],
        np.array([item.score for item in items]),
        np.zeros(count),
    )
    return replace(
        tracks,
        motion=tracks.motion.joined(motion),
        evidence=evidence,
        biases_m2=np.concatenate([tracks.biases_m2, scan.biases_m2[new]]),
        sizes_m=np.concatenate([tracks.sizes_m, [item.size_m for item in items]]),
        born=np.concatenate([tracks.born, keys]),
        latest=np.concatenate([tracks.latest, keys]),
        hit_ns=np.concatenate([tracks.hit_ns, scan.stamp_ns * ones]),
        chances=np.concatenate([tracks.chances, ones]),
        hits=np.concatenate([tracks.hits, ones]),
        confirmed=np.concatenate([tracks.confirmed, ones * settings.motion.confirm_hits == 1]),
        heard_ns=np.concatenate([tracks.heard_ns, heard_ns]),
        rests=np.concatenate([tracks.rests, rests]),
    )
