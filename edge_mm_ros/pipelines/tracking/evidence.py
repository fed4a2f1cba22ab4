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


@dataclass(frozen=True, eq=False)
class LabelEvidence:
    """Counts of each label for each of n tracks, weighted by score, that fade with time.

    Counts of a Dirichlet distribution with exponential forgetting: the share of a label is its
    expected probability. `UNKNOWN_LABEL` stands for measurements that say nothing of the class:
    they neither outweigh a class nor let one be forgotten.

    Attributes:
        labels: all labels seen so far.
        counts: float64 (n, labels), sums of scores.
        squares: float64 (n, labels), sums of squared scores.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def empty(cls) -> LabelEvidence:
        """Of no tracks."""
        return cls((), np.zeros((0, 0)), np.zeros((0, 0)))

    def knowing(self, labels: tuple[str, ...]) -> LabelEvidence:
        """With further labels, of which no track has any evidence."""
        new = tuple(sorted(set(labels) - set(self.labels)))
        if not new:
            return self
        wider = ((0, 0), (0, len(new)))
        return LabelEvidence(
            self.labels + new, np.pad(self.counts, wider), np.pad(self.squares, wider)
        )

    def take(self, chosen: NDArray[np.intp]) -> LabelEvidence:
        """Of some tracks only."""
        return LabelEvidence(self.labels, self.counts[chosen], self.squares[chosen])

    def with_new(self, count: int) -> LabelEvidence:
        """With further tracks, of which nothing is known."""
        more = ((0, count), (0, 0))
        return LabelEvidence(self.labels, np.pad(self.counts, more), np.pad(self.squares, more))

    def added(
        self,
        tracks: NDArray[np.intp],
        labels: Sequence[str],
        scores: NDArray[np.float64],
        memories: NDArray[np.float64],
    ) -> LabelEvidence:
        """With one more measurement of some tracks.

        Args:
            tracks: which tracks, each once.
            labels: their labels, which must be known.
            scores: 0 to 1.
            memories: time since the last measurement with a class of each, in time constants of
                forgetting; 0 for a measurement without one, by which nothing is forgotten.
        """
        columns = [self.labels.index(label) for label in labels]
        weights = np.maximum(scores, 1e-3)  # a score of 0 still names a label
        counts, squares = self.counts.copy(), self.squares.copy()
        # While nothing is seen nothing is forgotten, or the first picture after an occlusion
        # would decide alone.
        kept = np.exp(-np.minimum(memories, _LONGEST))[:, None]
        counts[tracks] *= kept
        squares[tracks] *= kept
        counts[tracks, columns] += weights
        squares[tracks, columns] += weights * scores
        return LabelEvidence(self.labels, counts, squares)

    @cached_property
    def classes(self) -> NDArray[np.float64]:
        """1 for each label that is a class, 0 for `UNKNOWN_LABEL`; float64 (labels,)."""
        return np.array([float(label != UNKNOWN_LABEL) for label in self.labels])

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """How much of each track's evidence is for each label, float64 (n, labels).

        Of a track with a class, `UNKNOWN_LABEL` has no share; of one without, it has all.
        """
        counts = self.counts * self.classes
        total = counts.sum(axis=1, keepdims=True)
        shares = counts / np.maximum(total, 1e-300)
        return np.where(total > 0.0, shares, 1.0 - self.classes)

    @cached_property
    def classed(self) -> NDArray[np.bool_]:
        """Which tracks have evidence of a class, bool (n,)."""
        return np.asarray(np.any(self.counts * self.classes > 0.0, axis=1))

    def likeness(self, labels: Sequence[str]) -> NDArray[np.float64]:
        """How well each label goes with each track, float64 (labels, n).

        The share of the label; 1 where either has no class, which goes with everything.
        """
        shares = self.shares
        columns = [self.labels.index(label) for label in labels]
        found = np.asarray(shares[:, columns].T)
        found[np.array([label == UNKNOWN_LABEL for label in labels], dtype=np.bool_)] = 1.0
        found[:, ~self.classed] = 1.0
        return found

    def decide(self, urgent: tuple[str, ...]) -> tuple[list[str], NDArray[np.float64]]:
        """Each track's label, and the mean score (weighted by itself) that it was seen with.

        Args:
            urgent: labels for which a third of the evidence is enough.
        """
        shares = self.shares
        weight = np.where([label in urgent for label in self.labels], 1.0, 0.0)
        pressing = np.where(shares * weight >= _URGENT_SHARE, shares, 0.0)
        best = np.where(pressing.any(axis=1), pressing.argmax(axis=1), shares.argmax(axis=1))
        rows = np.arange(len(best))
        scores = self.squares[rows, best] / np.maximum(self.counts[rows, best], 1e-300)
        return [self.labels[column] for column in best], np.clip(scores, 0.0, 1.0)
