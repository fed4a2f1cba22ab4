"""All tracks at one time, as a value: what a step makes is a new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Object3D
from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.tracking.evidence import LabelEvidence
from edge_mm_ros.pipelines.tracking.imm import Estimates
from edge_mm_ros.pipelines.tracking.motion import VX, VY

MeasurementKey: TypeAlias = tuple[int, str, bytes, int]
"""Which measurement of all: the order of its scan, and its place there."""


@dataclass(frozen=True)
class TrackerSettings:
    """How the tracker works.

    Attributes:
        motion: how objects move, and when tracks count.
        coast_s: how long a track lives unseen.
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
        chances: int64 (n,), how many pictures could have shown it.
        hits: int64 (n,), the newest of them as bits, the last one lowest: whether they did.
        confirmed: bool (n,).
        sensors: all sensors that have been heard.
        heard_ns: int64 (n, sensors), when each sensor measured each last; -1: never.
        rests: object (n, sensors), the sources of that measurement, ``tuple[str, ...]``.
    """

    stamp_ns: int
    motion: Estimates
    evidence: LabelEvidence
    biases_m2: NDArray[np.float64]
    sizes_m: NDArray[np.float64]
    born: NDArray[np.object_]
    latest: NDArray[np.object_]
    hit_ns: NDArray[np.int64]
    chances: NDArray[np.int64]
    hits: NDArray[np.int64]
    confirmed: NDArray[np.bool_]
    sensors: tuple[str, ...]
    heard_ns: NDArray[np.int64]
    rests: NDArray[np.object_]

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
            np.zeros(0, dtype=np.bool_),
            (),
            np.zeros((0, 0), dtype=np.int64),
            np.zeros((0, 0), dtype=object),
        )

    def __len__(self) -> int:
        return len(self.hit_ns)

    def take(self, keep: NDArray[np.bool_]) -> TrackSet:
        """Some tracks only."""
        if keep.all():
            return self
        chosen = np.flatnonzero(keep)
        return TrackSet(
            self.stamp_ns,
            self.motion.take(chosen),
            self.evidence.take(chosen),
            self.biases_m2[chosen],
            self.sizes_m[chosen],
            self.born[chosen],
            self.latest[chosen],
            self.hit_ns[chosen],
            self.chances[chosen],
            self.hits[chosen],
            self.confirmed[chosen],
            self.sensors,
            self.heard_ns[chosen],
            self.rests[chosen],
        )

    def objects(
        self, settings: TrackerSettings, track_id: Callable[[MeasurementKey], str]
    ) -> tuple[Object3D, ...]:
        """What is known of each object now.

        A track that is not confirmed is left out while it is not seen. The score of what is not
        seen fades with the time constant `TrackerSettings.coast_s`.

        Args:
            settings: how the tracker works.
            track_id: gives the id of the track that began with a measurement.
        """
        if not len(self):
            return ()
        means, covariances = self.motion.overall
        labels, scores = self.evidence.decide(settings.motion.urgent_labels)
        unseen_s = (self.stamp_ns - self.hit_ns) / NS_PER_S
        scores = scores * np.exp(-unseen_s / max(settings.coast_s, 1e-9))
        places = covariances[:, :3, :3] + self.biases_m2
        velocities = np.zeros((len(self), 3))
        velocities[:, :2] = means[:, [VX, VY]]
        sources = self._sources(settings.source_s)
        return tuple(
            Object3D(
                track_id(self.born[index]),
                labels[index],
                float(scores[index]),
                means[index, :3],
                self.sizes_m[index].copy(),
                places[index],
                sources[index],
                velocity_mps=velocities[index],
            )
            for index in np.flatnonzero(self.confirmed | (self.hits & 1).astype(bool)).tolist()
        )

    def _sources(self, source_s: float) -> list[tuple[str, ...]]:
        oldest_ns = max(self.stamp_ns - to_ns(source_s), 0)
        return [
            tuple(
                dict.fromkeys(
                    source
                    for when_ns, sources in zip(heard_ns, rests, strict=True)
                    if when_ns >= oldest_ns
                    for source in sources
                )
            )
            for heard_ns, rests in zip(self.heard_ns.tolist(), self.rests.tolist(), strict=True)
        ]
