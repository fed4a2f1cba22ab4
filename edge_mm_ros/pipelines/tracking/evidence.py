"""What an object is, from what many measurements said it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.tracking.measurement import UNKNOWN_LABEL

_URGENT_SHARE = 1.0 / 3.0
_LONGEST = 1.0  # in time constants
_MANY_LABELS = 100  # only beyond, faded ones are dropped
_FADED = 1e-3  # what has less than this part of a track's most likely label decides nothing


@dataclass(frozen=True, eq=False)
class LabelEvidence:
    """Counts of each label for each of n tracks, weighted by score, that fade with time.

    Counts of a Dirichlet distribution with exponential forgetting: the share of a label is its
    expected probability. `UNKNOWN_LABEL` stands for measurements that say nothing of the class:
    they neither outweigh a class nor let one be forgotten.

    Attributes:
        labels: all labels seen so far; of many, those that any track has evidence of.
        sums: float64 (2, n, labels), of scores, and of squared scores.
    """

    labels: tuple[str, ...]
    sums: NDArray[np.float64]

    @classmethod
    def empty(cls) -> LabelEvidence:
        """Of no tracks."""
        return cls((), np.zeros((2, 0, 0)))

    def knowing(self, labels: tuple[str, ...]) -> LabelEvidence:
        """With further labels, of which no track has any evidence.

        Where they become many, as those of a detector with an open vocabulary, the labels go of
        which no track has evidence any more.
        """
        if all(label in self.labels for label in labels):
            return self
        many = len(self.labels) + len(labels) > _MANY_LABELS
        known = self._without_faded() if many else self
        new = tuple(sorted(set(labels) - set(known.labels)))
        sums = np.pad(known.sums, ((0, 0), (0, 0), (0, len(new))))
        return LabelEvidence(known.labels + new, sums)

    def _without_faded(self) -> LabelEvidence:
        most = self.shares.max(axis=1, keepdims=True, initial=0.0)
        kept = np.flatnonzero(np.any(self.shares > _FADED * most, axis=0))
        return LabelEvidence(tuple(self.labels[each] for each in kept), self.sums[:, :, kept])

    def take(self, chosen: NDArray[np.intp]) -> LabelEvidence:
        """Of some tracks only."""
        return LabelEvidence(self.labels, self.sums[:, chosen])

    def with_new(self, count: int) -> LabelEvidence:
        """With further tracks, of which nothing is known."""
        return LabelEvidence(self.labels, np.pad(self.sums, ((0, 0), (0, count), (0, 0))))

    def added(
        self,
        tracks: NDArray[np.intp],
        columns: NDArray[np.intp],
        scores: NDArray[np.float64],
        memories: NDArray[np.float64],
    ) -> LabelEvidence:
        """With one more measurement of some tracks.

        Args:
            tracks: which tracks, each once.
            columns: where their labels stand among `labels`.
            scores: 0 to 1.
            memories: time since the last measurement with a class of each, in time constants of
                forgetting; 0 for a measurement without one, by which nothing is forgotten.
        """
        weights = np.maximum(scores, 1e-3)  # a score of 0 still names a label
        # While nothing is seen nothing is forgotten, or the first picture after an occlusion
        # would decide alone.
        kept = np.exp(-np.minimum(memories, _LONGEST))
        sums = self.sums.copy()
        sums[:, tracks] *= kept[:, None]
        sums[:, tracks, columns] += np.array([weights, weights * scores])
        return LabelEvidence(self.labels, sums)

    def columns(self, labels: Sequence[str]) -> NDArray[np.intp]:
        """Where known labels stand among `labels`, intp (n,)."""
        return np.array([self.labels.index(label) for label in labels], dtype=np.intp)

    @cached_property
    def classes(self) -> NDArray[np.float64]:
        """1 for each label that is a class, 0 for `UNKNOWN_LABEL`; float64 (labels,)."""
        return np.array([float(label != UNKNOWN_LABEL) for label in self.labels])

    @cached_property
    def _of_classes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Counts of what is a class, float64 (n, labels), and their sums, float64 (n, 1)."""
        counts = self.sums[0] * self.classes
        return counts, counts.sum(axis=1, keepdims=True)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """How much of each track's evidence is for each label, float64 (n, labels).

        Of a track with a class, `UNKNOWN_LABEL` has no share; of one without, it has all.
        """
        counts, total = self._of_classes
        return np.where(total > 0.0, counts / np.maximum(total, 1e-300), 1.0 - self.classes)

    @cached_property
    def classed(self) -> NDArray[np.bool_]:
        """Which tracks have evidence of a class, bool (n,)."""
        return np.asarray(self._of_classes[1][:, 0] > 0.0)

    @cached_property
    def likeness(self) -> NDArray[np.float64]:
        """How well each label goes with each track, float64 (labels, n).

        The share of the label; 1 where either has no class, which goes with everything.
        """
        found = np.where(self.classed, self.shares.T, 1.0)
        found[self.classes == 0.0] = 1.0
        return found

    def decide(self, urgent: tuple[str, ...]) -> tuple[list[str], NDArray[np.float64]]:
        """Each track's label, and the mean score (weighted by itself) that it was seen with.

        Args:
            urgent: labels for which a third of the evidence is enough.
        """
        if not self.labels:
            return [], np.zeros(0)
        best = self.shares.argmax(axis=1)
        columns = [column for column, label in enumerate(self.labels) if label in urgent]
        if columns:
            shares = self.shares[:, columns]
            most = shares.max(axis=1)
            pressing = np.array(columns, dtype=np.intp)[shares.argmax(axis=1)]
            best = np.where(most >= _URGENT_SHARE, pressing, best)
        rows = np.arange(len(best))
        counts, squares = self.sums[:, rows, best]
        scores = squares / np.maximum(counts, 1e-300)
        return [self.labels[column] for column in best.tolist()], np.minimum(scores, 1.0)
