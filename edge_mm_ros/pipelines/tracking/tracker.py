"""The tracker: scans in the order in which they come, tracks in the order in which they were."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.tracking.measurement import Scan
from edge_mm_ros.pipelines.tracking.reunion import reunions
from edge_mm_ros.pipelines.tracking.step import step
from edge_mm_ros.pipelines.tracking.tracked_objects import TrackedObjects
from edge_mm_ros.pipelines.tracking.tracks import MeasurementKey, TrackerSettings, TrackSet

_IDS_PER_TRACK = 4  # more are not kept for long


@dataclass(frozen=True, eq=False)
class _Entry:
    scan: Scan
    after: TrackSet


class Tracker:
    """Follows objects through the scans of any number of sensors.

    Each scan counts at its own stamp. One that comes late, but within the horizon, is put in its
    place, and what came after it is applied again; so the tracks do not depend on the order of
    arrival, and a scan that comes twice counts once. An id is given when an object is first shown,
    in the order of the tracks' beginnings, and belongs to that object alone, whatever late scans
    bring, and over a `reset` too.

    Args:
        settings: how it works; a change counts from the next scan on.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Forget all tracks and the counter of late scans; ids go on, for they were told."""
        self.too_late = 0
        self._before = TrackSet.empty()
        self._entries: list[_Entry] = []
        self._ids: dict[MeasurementKey, str] = {}

    @property
    def tracks(self) -> TrackSet:
        """All tracks, at the time of the newest scan."""
        return self._entries[-1].after if self._entries else self._before

    def update(self, scan: Scan) -> TrackedObjects:
        """Take one scan.

        Returns:
            all objects at the time of the newest scan, with their ids, oldest track first.

        Raises:
            InvalidInput: of the kind ``late``: the scan is older than the newest by more than the
                horizon; it is left out and counted in `too_late`.
        """
        late_ns = self.tracks.stamp_ns - scan.stamp_ns
        horizon_ns = to_ns(self.settings.motion.horizon_s)
        if self._entries and late_ns > horizon_ns:
            self.too_late += 1
            raise InvalidInput(
                "late",
                f"the measurements of '{scan.sensor}' lie {late_ns / NS_PER_S:.2f} s before the "
                f"newest ones, more than horizon_s, {horizon_ns / NS_PER_S:g} s; they are left out",
            )
        place = bisect_left(self._entries, scan.order, key=lambda entry: entry.scan.order)
        if place == len(self._entries) or self._entries[place].scan.order != scan.order:
            self._insert(scan, place)
            self._forget(self.tracks.stamp_ns - horizon_ns)
        told = self._told()
        if not all(map(self._ids.__contains__, told.born.tolist())):
            self._reunite()
            told = self._told()
        return told.objects(self.settings, [self._id(born) for born in told.born.tolist()])

    def _told(self) -> TrackSet:
        return self.tracks.take(self.tracks.told(self.settings))

    def exchange(self, scan: Scan) -> None:
        """Put a scan in the place of the kept one with the same order, if there still is one.

        So what was measured can be told better, once more is known of its time.
        """
        place = bisect_left(self._entries, scan.order, key=lambda entry: entry.scan.order)
        if place < len(self._entries) and self._entries[place].scan.order == scan.order:
            self._insert(scan, place, instead=True)

    def _insert(self, scan: Scan, place: int, *, instead: bool = False) -> None:
        """Apply a scan at its place among the kept ones, and those after it again."""
        shown = self.tracks
        pending = [scan, *(entry.scan for entry in self._entries[place + instead :])]
        del self._entries[place:]
        for each in pending:
            self._entries.append(_Entry(each, step(self.tracks, each, self.settings)))
        if len(pending) > 1:
            self._hand_over(shown)

    def _reunite(self) -> None:
        """Give tracks that are told for the first time the ids of lost ones that they go on from.

        Until then nobody knows them, so the decision waits for all that is measured till then. The
        lost ones end, in all kept states, so that no late scan brings them back.
        """
        tracks = self.tracks
        known = np.array([born in self._ids for born in tracks.born.tolist()], dtype=np.bool_)
        begun = np.flatnonzero(tracks.told(self.settings) & ~known)
        unseen = tracks.unseen_s > self.settings.source_s
        lost = np.flatnonzero(known & tracks.confirmed & unseen)
        pairs = reunions(tracks, begun, lost, self.settings.max_speed_mps / 2.0)
        for one, other in pairs:
            self._ids[tracks.born[one]] = self._ids.pop(tracks.born[other])
        if pairs:
            ended = {tracks.born[other] for _, other in pairs}
            self._before = _without(self._before, ended)
            self._entries = [
                replace(entry, after=_without(entry.after, ended)) for entry in self._entries
            ]

    def _id(self, born: MeasurementKey) -> str:
        name = self._ids.get(born)
        if name is None:
            self._count += 1
            name = self._ids[born] = str(self._count)
        return name

    def _hand_over(self, shown: TrackSet) -> None:
        """Let tracks that now begin with another measurement keep the ids that were shown."""
        begun = set(self.tracks.born)
        orphans = {
            latest: self._ids[born]
            for born, latest in zip(shown.born, shown.latest, strict=True)
            if born not in begun and born in self._ids
        }
        for born, latest in zip(self.tracks.born, self.tracks.latest, strict=True):
            if born not in self._ids and latest in orphans:
                self._ids[born] = orphans.pop(latest)

    def _forget(self, oldest_ns: int) -> None:
        """Forget what no scan within the horizon can change any more."""
        settled = 0
        while settled < len(self._entries) - 1 and self._entries[settled].scan.stamp_ns < oldest_ns:
            settled += 1
        if not settled:
            return
        self._before = self._entries[settled - 1].after
        del self._entries[:settled]
        if len(self._ids) > _IDS_PER_TRACK * (1 + len(self.tracks)):
            known = set(self._before.born).union(*(entry.after.born for entry in self._entries))
            self._ids = {born: name for born, name in self._ids.items() if born in known}


def _without(tracks: TrackSet, ended: set[MeasurementKey]) -> TrackSet:
    return tracks.take(np.array([born not in ended for born in tracks.born], dtype=np.bool_))
