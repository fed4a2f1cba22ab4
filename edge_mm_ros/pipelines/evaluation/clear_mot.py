"""The CLEAR MOT measures, and the correspondences that all other measures rest on.

K. Bernardin and R. Stiefelhagen: "Evaluating Multiple Object Tracking Performance: The CLEAR MOT
Metrics", EURASIP Journal on Image and Video Processing, 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_mm_ros.pipelines.evaluation.frames import Frame
from edge_mm_ros.pipelines.evaluation.matching import assign, distances

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ClearMot:
    """Counts over all frames.

    Attributes:
        objects: true objects, summed over the frames.
        matches: of these, how many have a track.
        misses: how many have none.
        false_positives: tracks on nothing.
        switches: how often an object's track got another id than it had last.
        fragmentations: how often an object that was tracked was lost and found again.
        distance_m: summed over the matches.
    """

    objects: int
    matches: int
    misses: int
    false_positives: int
    switches: int
    fragmentations: int
    distance_m: float

    @property
    def mota(self) -> float:
        """Accuracy: 1 minus misses, false positives and switches per object; NaN without any."""
        if not self.objects:
            return float("nan")
        return 1.0 - (self.misses + self.false_positives + self.switches) / self.objects

    @property
    def motp_m(self) -> float:
        """Precision: mean distance of the matches; NaN without any."""
        return self.distance_m / self.matches if self.matches else float("nan")


def correspondences(frames: Sequence[Frame], limit_m: float) -> list[Pairs]:
    """For each frame the pairs of indices of true object and track.

    A pair of the frame before is kept while it is within the limit; the others are assigned as a
    whole, by distance.
    """
    last: dict[str, str] = {}
    found: list[Pairs] = []
    for frame in frames:
        gap = distances(frame.truth.positions_m, frame.tracks.positions_m)
        column = {name: index for index, name in enumerate(frame.tracks.ids)}
        kept = [
            (row, column[last[name]])
            for row, name in enumerate(frame.truth.ids)
            if last.get(name) in column and gap[row, column[last[name]]] <= limit_m
        ]
        rows = [r for r in range(len(frame.truth)) if r not in {row for row, _ in kept}]
        columns = [c for c in range(len(frame.tracks)) if c not in {track for _, track in kept}]
        fresh = assign(gap[rows][:, columns], limit_m)
        pairs = tuple(sorted([*kept, *((rows[r], columns[c]) for r, c in fresh)]))
        last = {frame.truth.ids[row]: frame.tracks.ids[track] for row, track in pairs}
        found.append(pairs)
    return found


def clear_mot(frames: Sequence[Frame], pairs: Sequence[Pairs]) -> ClearMot:
    """Count what the correspondences say."""
    objects = matches = false_positives = switches = fragmentations = 0
    distance = 0.0
    last_id: dict[str, str] = {}
    matched_before: dict[str, bool] = {}
    for frame, found in zip(frames, pairs, strict=True):
        gap = distances(frame.truth.positions_m, frame.tracks.positions_m)
        objects += len(frame.truth)
        matches += len(found)
        false_positives += len(frame.tracks) - len(found)
        track_of = dict(found)
        for row, name in enumerate(frame.truth.ids):
            matched = row in track_of
            if matched:
                track_id = frame.tracks.ids[track_of[row]]
                distance += float(gap[row, track_of[row]])
                switches += last_id.get(name, track_id) != track_id
                fragmentations += name in last_id and not matched_before[name]
                last_id[name] = track_id
            matched_before[name] = matched
    return ClearMot(
        objects,
        matches,
        objects - matches,
        false_positives,
        switches,
        fragmentations,
        distance,
    )
