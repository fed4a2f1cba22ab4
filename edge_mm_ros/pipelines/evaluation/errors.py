"""Errors of places and velocities, honesty of covariances, delays, false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.evaluation.clear_mot import Pairs
from edge_mm_ros.pipelines.evaluation.frames import Frame
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

# Chi square with 2 degrees of freedom, 95 %.
ELLIPSE_95 = 5.991464547107979
_PAUSE = 3.0  # periods without a frame of an object, in which it was not asked for


@dataclass(frozen=True)
class Consistency:
    """Whether covariances tell the truth.

    Attributes:
        count: matches that were looked at.
        inside_share: share of them with the truth inside of the 95 % ellipse; NaN without any.
        mean_nees: mean of the squared error normalised by the covariance, 2 where it is honest;
            of those whose covariance can be inverted.
        not_positive: matches whose covariance cannot be inverted; they count as outside.
    """

    count: int
    inside_share: float
    mean_nees: float
    not_positive: int


@dataclass(frozen=True)
class ObjectScore:
    """How one true object fared.

    Attributes:
        name: its name.
        label: its class at first.
        asked_s: how long it was asked for.
        found_share: share of the frames in which it had a track.
        right_label_share: share of these with its class.
        delay_s: from when it was first asked for to its first track; NaN where there was none.
        longest_gap_s: longest time without a track after the first, while it was asked for.
        track_ids: ids in the order of their first use.
        position_rms_m: NaN without a track.
        velocity_rms_mps: of settled tracks; NaN where none tells a velocity.
    """

    name: str
    label: str
    asked_s: float
    found_share: float
    right_label_share: float
    delay_s: float
    longest_gap_s: float
    track_ids: tuple[str, ...]
    position_rms_m: float
    velocity_rms_mps: float


@dataclass(frozen=True, eq=False)
class _Match:
    """One object with its track in one frame; position and velocity are truth minus track."""

    name: str
    track_id: str
    right_label: bool
    position_m: NDArray[np.float64]
    velocity_mps: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    age_s: float

    def tells_velocity(self, settle_s: float) -> bool:
        """Whether the track is old enough and has a velocity."""
        return self.age_s >= settle_s and bool(np.isfinite(self.velocity_mps).all())


@dataclass
class _History:
    label: str
    stamps: list[int] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    right_label: list[bool] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    position_m: list[float] = field(default_factory=list)
    velocity_mps: list[float] = field(default_factory=list)


def score_objects(
    frames: Sequence[Frame], pairs: Sequence[Pairs], settle_s: float
) -> tuple[ObjectScore, ...]:
    """How each object fared, in the order of their first frames.

    Args:
        frames: truth and tracks.
        pairs: their correspondences.
        settle_s: age of a track, since its id first appeared, from which on its velocity counts.
    """
    period_s = period_of(frames)
    histories: dict[str, _History] = {}
    for frame, found in zip(frames, pairs, strict=True):
        matched = {row for row, _ in found}
        for row, name in enumerate(frame.truth.ids):
            history = histories.setdefault(name, _History(frame.truth.labels[row]))
            history.stamps.append(frame.stamp_ns)
            history.found.append(row in matched)
    for match in _matches(frames, pairs):
        history = histories[match.name]
        history.ids.append(match.track_id)
        history.right_label.append(match.right_label)
        history.position_m.append(float(np.hypot(*match.position_m)))
        if match.tells_velocity(settle_s):
            history.velocity_mps.append(float(np.hypot(*match.velocity_mps)))
    return tuple(_object_score(name, one, period_s) for name, one in histories.items())


def rms(values: Sequence[float]) -> float:
    """Root of the mean square; NaN without values."""
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def position_errors_m(frames: Sequence[Frame], pairs: Sequence[Pairs]) -> list[float]:
    """Distances of all matches."""
    return [float(np.hypot(*match.position_m)) for match in _matches(frames, pairs)]


def velocity_errors_mps(
    frames: Sequence[Frame], pairs: Sequence[Pairs], settle_s: float
) -> list[float]:
    """Errors of the velocities of settled tracks that tell one."""
    return [
        float(np.hypot(*match.velocity_mps))
        for match in _matches(frames, pairs)
        if match.tells_velocity(settle_s)
    ]


def consistency(frames: Sequence[Frame], pairs: Sequence[Pairs]) -> Consistency:
    """Compare the errors of all matches with the covariances that were published."""
    nees = []
    not_positive = 0
    for match in _matches(frames, pairs):
        gap, covariance = match.position_m, match.covariance_m2
        if np.linalg.eigvalsh((covariance + covariance.T) / 2.0)[0] <= 0.0:
            not_positive += 1
        else:
            nees.append(float(gap @ np.linalg.solve(covariance, gap)))
    count = len(nees) + not_positive
    inside = sum(value <= ELLIPSE_95 for value in nees)
    return Consistency(
        count,
        inside / count if count else float("nan"),
        float(np.mean(nees)) if nees else float("nan"),
        not_positive,
    )


def false_alarms(frames: Sequence[Frame], pairs: Sequence[Pairs]) -> int:
    """How often a track began to stand for nothing: runs of frames, not frames."""
    count = 0
    running: set[str] = set()
    for frame, found in zip(frames, pairs, strict=True):
        right = {track for _, track in found}
        wrong = {name for index, name in enumerate(frame.tracks.ids) if index not in right}
        count += len(wrong - running)
        running = wrong
    return count


def period_of(frames: Sequence[Frame]) -> float:
    """Median time from one frame to the next, seconds; 0 of less than two."""
    stamps = [frame.stamp_ns for frame in frames]
    return float(np.median(np.diff(stamps))) / NS_PER_S if len(stamps) > 1 else 0.0


def _matches(frames: Sequence[Frame], pairs: Sequence[Pairs]) -> Iterator[_Match]:
    born: dict[str, int] = {}
    for frame, found in zip(frames, pairs, strict=True):
        truth, tracks = frame.truth, frame.tracks
        for track_id in tracks.ids:
            born.setdefault(track_id, frame.stamp_ns)
        for row, track in found:
            yield _Match(
                truth.ids[row],
                tracks.ids[track],
                truth.labels[row] == tracks.labels[track],
                truth.positions_m[row] - tracks.positions_m[track],
                truth.velocities_mps[row] - tracks.velocities_mps[track],
                tracks.covariances_m2[track],
                (frame.stamp_ns - born[tracks.ids[track]]) / NS_PER_S,
            )


def _object_score(name: str, history: _History, period_s: float) -> ObjectScore:
    found = np.array(history.found)
    hits = np.flatnonzero(found)
    stamps = np.array(history.stamps, dtype=np.int64)
    longest = 0.0
    if len(hits):
        last, before = stamps[hits[0]], stamps[hits[0]]
        for stamp, hit in zip(stamps[hits[0] :], found[hits[0] :], strict=True):
            # Who is not asked for between two frames is not lost meanwhile.
            if hit or stamp - before > to_ns(_PAUSE * period_s):
                last = stamp
            before = stamp
            longest = max(longest, float(stamp - last) / NS_PER_S)
    return ObjectScore(
        name,
        history.label,
        len(found) * period_s,
        float(found.mean()),
        float(np.mean(history.right_label)) if history.right_label else float("nan"),
        float(stamps[hits[0]] - stamps[0]) / NS_PER_S if len(hits) else float("nan"),
        longest,
        tuple(dict.fromkeys(history.ids)),
        rms(history.position_m),
        rms(history.velocity_mps),
    )
