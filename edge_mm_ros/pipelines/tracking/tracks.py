"""All tracks at one time, as a value: what a step makes is a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.tracking.evidence import LabelEvidence
from edge_mm_ros.pipelines.tracking.imm import Estimates
from edge_mm_ros.pipelines.tracking.motion import VX, VY
from edge_mm_ros.pipelines.tracking.tracked_objects import TrackedObjects

MeasurementKey: TypeAlias = tuple[int, str, bytes, int]
"""Which measurement of all: the order of its scan, and its place there."""


@dataclass(frozen=True)
class TrackerSettings:
    """How the tracker works.

    Attributes:
        motion: how objects move, and when tracks count.
        coast_s: how long an unseen object is told.
        max_speed_mps: fastest motion, taken as two standard deviations.
        source_s: how long a sensor counts among those that an object rests on.
    """

    motion: TrackingParams = field(default_factory=TrackingParams)
    coast_s: float = 2.5
    max_speed_mps: float = 3.0
    source_s: float = 0.5


@dataclass(frozen=True, eq=False)
class TrackSet:
    """All n tracks at one time.

    Attributes:
        stamp_ns: the time.
        motion: where they are and how they move.
        evidence: what they are.
        biases_m2: float64 (n, 3, 3), covariance of the error of their places that they share with
            their measurements.
        sizes_m: float64 (n, 3).
        born: `MeasurementKey` of each, object (n,): the measurement that it began with.
        latest: `MeasurementKey` of each, object (n,): its last measurement.
        hit_ns: int64 (n,), when it was measured last.
        classed_ns: int64 (n,), when it was measured last with a class, or began.
        chances: int64 (n,), how many pictures could have shown it.
        hits: int64 (n,), the newest of them as bits, the last one lowest: whether they did.
        confirmed: bool (n,).
        announced: bool (n,), which are told before they are confirmed.
        sensors: all sensors that have been heard.
        heard_ns: int64 (n, sensors), when each sensor measured each last; -1: never.
        sources: all combinations of sensors that a measurement has rested on.
        rests: intp (n, sensors), which of these each sensor's last measurement of each rested on;
            -1: never.
        latest_from: intp (n,), which of the sensors measured each last.
        together_ns: int64 (n, n), when one scan last showed both of a pair; -1: never.
    """

    stamp_ns: int
    motion: Estimates
    evidence: LabelEvidence
    biases_m2: NDArray[np.float64]
    sizes_m: NDArray[np.float64]
    born: NDArray[np.object_]
    latest: NDArray[np.object_]
    hit_ns: NDArray[np.int64]
    classed_ns: NDArray[np.int64]
    chances: NDArray[np.int64]
    hits: NDArray[np.int64]
    confirmed: NDArray[np.bool_]
    announced: NDArray[np.bool_]
    sensors: tuple[str, ...]
    heard_ns: NDArray[np.int64]
    sources: tuple[tuple[str, ...], ...]
    rests: NDArray[np.intp]
    latest_from: NDArray[np.intp]
    together_ns: NDArray[np.int64]

    @classmethod
    def empty(cls, stamp_ns: int = 0) -> TrackSet:
        """No tracks."""
        none = np.zeros(0, dtype=np.int64)
        return cls(
            stamp_ns,
            Estimates.empty(),
            LabelEvidence.empty(),
            np.zeros((0, 3, 3)),
            np.zeros((0, 3)),
            np.zeros(0, dtype=object),
            np.zeros(0, dtype=object),
            none,
            none,
            none,
            none,
            np.zeros(0, dtype=np.bool_),
            np.zeros(0, dtype=np.bool_),
            (),
            np.zeros((0, 0), dtype=np.int64),
            (),
            np.zeros((0, 0), dtype=np.intp),
            np.zeros(0, dtype=np.intp),
            np.zeros((0, 0), dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.hit_ns)

    def changed(self, **values: Any) -> TrackSet:
        """With some attributes exchanged; several times as fast as `dataclasses.replace`."""
        other = object.__new__(TrackSet)
        other.__dict__.update(self.__dict__, **values)
        other.__dict__.pop("unseen_s", None)  # is computed anew where it is asked for
        return other

    def take(self, keep: NDArray[np.bool_]) -> TrackSet:
        """Some tracks only."""
        if keep.all():
            return self
        chosen = keep.nonzero()[0]
        return TrackSet(
            self.stamp_ns,
            self.motion.take(chosen),
            self.evidence.take(chosen),
            self.biases_m2[chosen],
            self.sizes_m[chosen],
            self.born[chosen],
            self.latest[chosen],
            self.hit_ns[chosen],
            self.classed_ns[chosen],
            self.chances[chosen],
            self.hits[chosen],
            self.confirmed[chosen],
            self.announced[chosen],
            self.sensors,
            self.heard_ns[chosen],
            self.sources,
            self.rests[chosen],
            self.latest_from[chosen],
            self.together_ns[np.ix_(chosen, chosen)],
        )

    @property
    def classed(self) -> NDArray[np.bool_]:
        """Which have a class, bool (n,)."""
        return self.evidence.classed

    @property
    def once(self) -> NDArray[np.bool_]:
        """Which were measured once only, bool (n,)."""
        if self.confirmed.all():
            return np.zeros(len(self), dtype=np.bool_)
        return np.asarray(self.latest == self.born, dtype=np.bool_)

    @cached_property
    def unseen_s(self) -> NDArray[np.float64]:
        """Since when each was not measured, float64 (n,)."""
        return np.asarray((self.stamp_ns - self.hit_ns) / NS_PER_S)

    def told(self, settings: TrackerSettings) -> NDArray[np.bool_]:
        """Which are told, bool (n,): those that are seen, and confirmed ones for a while after.

        A prediction claims no place longer than it knows it: not beyond
        `TrackerSettings.coast_s`, nor once the standard deviation of its place along any horizontal
        direction exceeds `TrackingParams.predicted_sigma_m`.
        """
        known = self.unseen_s <= settings.source_s
        if not known.all():
            spread = self.motion.place_m2
            x, y, shared = spread[:, 0, 0], spread[:, 1, 1], spread[:, 0, 1]
            widest_m2 = (x + y) / 2.0 + np.hypot((x - y) / 2.0, shared)
            known |= widest_m2 <= settings.motion.predicted_sigma_m**2
        known &= self.stamp_ns - self.hit_ns <= to_ns(settings.coast_s)
        return np.asarray((self.confirmed & known) | (self.announced & (self.hits & 1 == 1)))

    def objects(self, settings: TrackerSettings, ids: Sequence[str]) -> TrackedObjects:
        """What is known of each object now.

        The score of what is not seen fades with the time constant `TrackerSettings.coast_s`.

        Args:
            settings: how the tracker works.
            ids: what each is called.
        """
        mean, covariance = self.motion.overall
        labels, scores = self.evidence.decide(settings.motion.urgent_labels)
        velocities = np.zeros((len(mean), 3))
        velocities[:, :2] = mean[:, VX : VY + 1]
        return TrackedObjects(
            ids,
            labels,
            scores * np.exp(self.unseen_s / -max(settings.coast_s, 1e-9)),
            mean[:, :3],
            self.sizes_m,
            covariance[:, :3, :3] + self.biases_m2,
            self.rest_on(settings.source_s),
            velocities,
        )

    def rest_on(self, source_s: float) -> list[tuple[str, ...]]:
        """The sensors that each rests on of late, each once."""
        lately = self.heard_ns >= max(self.stamp_ns - to_ns(source_s), 0)
        # Most tracks rest on the same few combinations.
        known: dict[tuple[int, ...], tuple[str, ...]] = {}
        found = []
        for parts in map(tuple, np.where(lately, self.rests, -1).tolist()):
            names = known.get(parts)
            if names is None:
                each = chain.from_iterable(self.sources[part] for part in parts if part >= 0)
                names = known[parts] = tuple(dict.fromkeys(each))
            found.append(names)
        return found
