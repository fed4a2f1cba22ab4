"""Estimates and truth side by side, frame by frame, ready for the measures."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import (
    WALL_LABEL,
    EdgeMmError,
    GroundTruth,
    Objects,
    Odometry,
    RigidTransform,
    TrueObject,
)
from edge_mm_ros.pipelines.evaluation.matching import assign, distances
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_WALL_MARGIN_M = 0.5
Rows = Sequence[Sequence[float]] | Sequence[NDArray[np.float64]] | NDArray[np.float64]


class EvaluationError(EdgeMmError):
    """A recording that cannot be scored."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What counts.

    Attributes:
        match_distance_m: furthest that a track may lie from what it stands for; also the cut-off
            of GOSPA and the distance at which the similarity of HOTA is zero.
        max_distance_m: objects further from the robot are not asked for.
        memory_s: an object is asked for until so long after a sensor saw it last.
        silence_s: where no objects come for longer, empty frames are counted.
        settle_s: age of a track from which on its velocity counts.
        sensors: only what one of these sensors sees is asked for; empty means any sensor.
    """

    match_distance_m: float = 2.0
    max_distance_m: float = 40.0
    memory_s: float = 0.5
    silence_s: float = 0.5
    settle_s: float = 1.0
    sensors: tuple[str, ...] = ()

    def saw(self, item: TrueObject) -> bool:
        """Whether a sensor that counts sees an object now."""
        return bool(set(item.seen_by) & set(self.sensors) if self.sensors else item.seen_by)


@dataclass(frozen=True, eq=False)
class Estimate:
    """The objects of one message.

    Attributes:
        objects: the objects.
        velocities_mps: float64 (3,) by track id, over the ground, in the axes of their frame.
    """

    objects: Objects
    velocities_mps: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Items:
    """True objects or tracks at one time, on the ground plane.

    Attributes:
        ids: n names.
        labels: n classes.
        positions_m: float64 (n, 2).
        velocities_mps: float64 (n, 2), NaN where not told.
        covariances_m2: float64 (n, 2, 2), of the positions.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    positions_m: NDArray[np.float64]
    velocities_mps: NDArray[np.float64]
    covariances_m2: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, chosen: Sequence[int]) -> Items:
        """The items of some indices."""
        index = np.asarray(chosen, dtype=np.intp)
        return Items(
            tuple(self.ids[i] for i in chosen),
            tuple(self.labels[i] for i in chosen),
            self.positions_m[index],
            self.velocities_mps[index],
            self.covariances_m2[index],
        )

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        positions_m: Rows,
        *,
        labels: Sequence[str] = (),
        velocities_mps: Rows | None = None,
        covariances_m2: Sequence[NDArray[np.float64]] | None = None,
    ) -> Items:
        """From plain values; what is left out is empty, NaN or zero."""
        n = len(ids)
        velocity = np.full((n, 2), np.nan) if velocities_mps is None else velocities_mps
        covariance = np.zeros((n, 2, 2)) if covariances_m2 is None else covariances_m2
        return cls(
            tuple(ids),
            tuple(labels) or ("",) * n,
            np.asarray(positions_m, dtype=np.float64).reshape(n, 2),
            np.asarray(velocity, dtype=np.float64).reshape(n, 2),
            np.asarray(covariance, dtype=np.float64).reshape(n, 2, 2),
        )


@dataclass(frozen=True, eq=False)
class Frame:
    """One time.

    Attributes:
        stamp_ns: the time.
        truth: the objects that are asked for.
        tracks: the tracks that count, right or wrong.
    """

    stamp_ns: int
    truth: Items
    tracks: Items


def frames_of(
    truths: Sequence[GroundTruth],
    estimates: Sequence[Estimate],
    settings: EvaluationSettings,
    odometry: Sequence[Odometry] = (),
) -> list[Frame]:
    """Bring estimates and truth together.

    The truth is interpolated to the stamps of the estimates, and estimates of the odometry frame
    are brought into the robot's by the odometry itself, so that its drift is no error. Objects
    that no sensor has seen for a while, or that are too far, are not asked for: a track on one of
    them is neither right nor wrong, and neither is one on a wall. A silence gives empty frames.

    Raises:
        EvaluationError: there is no truth or no estimate, they do not overlap in time, or the
            estimates' frame is neither the truth's nor that of the odometry.
    """
    if not truths:
        raise EvaluationError("there is no ground truth to compare with")
    if not estimates:
        raise EvaluationError("there are no objects to score")
    course = _Course(truths, settings)
    poses = _Poses(odometry)
    newest = {estimate.objects.stamp_ns: estimate for estimate in estimates}
    frames = []
    for stamp_ns in _with_silences(sorted(newest), course, settings):
        estimate = newest.get(stamp_ns)
        tracks = Items.of((), ())
        if estimate is not None:
            tracks = _tracks(estimate, truths[0].frame_id, poses)
        frames.append(_reduced(stamp_ns, course.at(stamp_ns), tracks, settings))
    if not frames:
        raise EvaluationError(
            "the objects and the ground truth do not overlap in time: objects from "
            f"{min(newest) / NS_PER_S:.3f} to {max(newest) / NS_PER_S:.3f} s, truth from "
            f"{course.begin_ns / NS_PER_S:.3f} to {course.end_ns / NS_PER_S:.3f} s; is --truth the "
            "recording from which they were made?"
        )
    return frames


class _Course:
    """The truth at any time of its span."""

    def __init__(self, truths: Sequence[GroundTruth], settings: EvaluationSettings) -> None:
        self._truths = sorted(truths, key=lambda truth: truth.stamp_ns)
        self._stamps = [truth.stamp_ns for truth in self._truths]
        self._settings = settings
        self.begin_ns, self.end_ns = self._stamps[0], self._stamps[-1]
        self._asked: list[set[str]] = []
        last_seen: dict[str, int] = {}
        for truth in self._truths:
            last_seen.update(
                {item.name: truth.stamp_ns for item in truth.objects if settings.saw(item)}
            )
            self._asked.append(
                {
                    item.name
                    for item in truth.objects
                    if item.label != WALL_LABEL
                    and truth.stamp_ns - last_seen.get(item.name, -(2**62))
                    <= to_ns(settings.memory_s)
                    and np.hypot(*item.position_m[:2]) <= settings.max_distance_m
                }
            )

    def at(self, stamp_ns: int) -> tuple[tuple[TrueObject, ...], set[str]]:
        """All objects at a time, and the names of those that are asked for."""
        index = max(bisect_right(self._stamps, stamp_ns) - 1, 0)
        before = self._truths[index]
        after = self._truths[min(index + 1, len(self._truths) - 1)]
        span = after.stamp_ns - before.stamp_ns
        share = (stamp_ns - before.stamp_ns) / span if span else 0.0
        later = {item.name: item for item in after.objects}
        objects = []
        for item in before.objects:
            if other := later.get(item.name):
                position = item.position_m + share * (other.position_m - item.position_m)
                velocity = item.velocity_mps + share * (other.velocity_mps - item.velocity_mps)
                item = replace(item, position_m=position, velocity_mps=velocity)
            objects.append(item)
        return tuple(objects), self._asked[index]


class _Poses:
    """The odometry frame from the robot's frame at any time."""

    def __init__(self, odometry: Sequence[Odometry]) -> None:
        self._all = sorted(odometry, key=lambda one: one.stamp_ns)
        self._stamps = [one.stamp_ns for one in self._all]
        self.frame_id = self._all[0].frame_id if self._all else ""

    def robot_from_frame(self, stamp_ns: int) -> RigidTransform:
        """At a time, extrapolated by the speeds from the estimate before it."""
        one = self._all[max(bisect_right(self._stamps, stamp_ns) - 1, 0)]
        step = (stamp_ns - one.stamp_ns) / NS_PER_S
        moved = RigidTransform.from_xyz_rpy(
            (one.velocity_mps * step).tolist(), (0.0, 0.0, float(one.turn_rate_radps[2]) * step)
        )
        return (one.pose @ moved).inverse()


def _with_silences(
    stamps: list[int], course: _Course, settings: EvaluationSettings
) -> Iterator[int]:
    """The stamps within the truth's span, and further ones where they are silent for too long."""
    inside = [stamp for stamp in stamps if course.begin_ns <= stamp <= course.end_ns]
    if not inside:
        return
    period = int(np.median(np.diff(inside))) if len(inside) > 1 else to_ns(0.1)
    limit = max(to_ns(settings.silence_s), 2 * period)
    last = course.begin_ns
    for stamp in inside:
        if stamp - last > limit:
            yield from range(last + period, stamp - period // 2, period)
        yield stamp
        last = stamp
    if course.end_ns - last > limit:
        yield from range(last + period, course.end_ns + 1, period)


def _tracks(estimate: Estimate, robot_frame: str, poses: _Poses) -> Items:
    objects = estimate.objects
    if objects.frame_id == robot_frame:
        place = RigidTransform.identity()
    elif poses.frame_id and objects.frame_id == poses.frame_id:
        place = poses.robot_from_frame(objects.stamp_ns)
    else:
        known = ", ".join(name for name in (robot_frame, poses.frame_id) if name)
        raise EvaluationError(
            f"the objects are in the frame '{objects.frame_id}', which is neither the truth's nor "
            f"that of recorded odometry ({known}); set the fusion's frame to one of them"
        )
    missing = np.full(3, np.nan)
    return Items.of(
        _distinct([item.track_id for item in objects.objects]),
        [place.apply(item.position_m)[:2] for item in objects.objects],
        labels=[item.label for item in objects.objects],
        velocities_mps=[
            (place.rotation @ estimate.velocities_mps.get(item.track_id, missing))[:2]
            for item in objects.objects
        ],
        covariances_m2=[
            (place.rotation @ item.covariance_m2 @ place.rotation.T)[:2, :2]
            for item in objects.objects
        ],
    )


def _distinct(ids: Sequence[str]) -> list[str]:
    """The ids, those that come again in a frame (or are empty) told apart by their number."""
    counted: Counter[str] = Counter()
    found = []
    for name in ids:
        counted[name] += 1
        found.append(name if name and counted[name] == 1 else f"{name}#{counted[name]}")
    return found


def _reduced(
    stamp_ns: int,
    course: tuple[tuple[TrueObject, ...], set[str]],
    tracks: Items,
    settings: EvaluationSettings,
) -> Frame:
    """What is asked for, and the tracks without those on what is not asked for."""
    objects, asked = course
    wanted = _truth_items([item for item in objects if item.name in asked])
    others = _truth_items([o for o in objects if o.name not in asked and o.label != WALL_LABEL])
    walls = [item for item in objects if item.label == WALL_LABEL]
    gap = distances(wanted.positions_m, tracks.positions_m)
    taken = {track for _, track in assign(gap, settings.match_distance_m)}
    free = [index for index in range(len(tracks)) if index not in taken]
    gap = distances(others.positions_m, tracks.positions_m[free])
    excused = {free[track] for _, track in assign(gap, settings.match_distance_m)}
    for index in free:
        x, y = tracks.positions_m[index]
        far = np.hypot(x, y) > settings.max_distance_m
        if far or any(_on_wall(wall, float(x), float(y)) for wall in walls):
            excused.add(index)
    kept = [index for index in range(len(tracks)) if index not in excused]
    return Frame(stamp_ns, wanted, tracks.only(kept))


def _truth_items(objects: Sequence[TrueObject]) -> Items:
    return Items.of(
        [item.name for item in objects],
        [item.position_m[:2] for item in objects],
        labels=[item.label for item in objects],
        velocities_mps=[item.velocity_mps[:2] for item in objects],
    )


def _on_wall(wall: TrueObject, x: float, y: float) -> bool:
    dx, dy = x - wall.position_m[0], y - wall.position_m[1]
    cosine, sine = np.cos(wall.yaw_rad), np.sin(wall.yaw_rad)
    along, aside = cosine * dx + sine * dy, cosine * dy - sine * dx
    return bool(
        abs(along) <= wall.size_m[0] / 2.0 + _WALL_MARGIN_M
        and abs(aside) <= wall.size_m[1] / 2.0 + _WALL_MARGIN_M
    )
