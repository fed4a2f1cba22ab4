"""Track ids for objects, from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from edge_mm_ros.datatypes import Object3D
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_GATE = 9.21  # chi square, 2 degrees of freedom, 99 %
_OTHER_LABEL = 1.0  # a fall changes a person's label, so a label may break a tie but not a track
_FORBIDDEN = 1e6


@dataclass(frozen=True, eq=False)
class _Track:
    track_id: str
    label: str
    position_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    stamp_ns: int


class Tracker:
    """Gives the objects of successive frames the ids ``"1"``, ``"2"`` and so on.

    Objects and tracks are assigned as a whole (Hungarian method), by their horizontal Mahalanobis
    distance under both covariances and the motion that the time between allows. A track that is
    not seen coasts, then ends; its id is never used again before `reset`.

    Args:
        coast_s: how long an unseen track lives.
        max_speed_mps: fastest motion, taken as two standard deviations.
    """

    def __init__(self, coast_s: float = 1.0, max_speed_mps: float = 3.0) -> None:
        self.coast_s = coast_s
        self.max_speed_mps = max_speed_mps
        self._tracks: list[_Track] = []
        self._count = 0

    def reset(self) -> None:
        """Forget all tracks and begin with id 1 again."""
        self._tracks = []
        self._count = 0

    def update(self, objects: Sequence[Object3D], stamp_ns: int) -> tuple[Object3D, ...]:
        """The same objects with their track ids, in the same order.

        Args:
            objects: all objects of one frame.
            stamp_ns: the frame's stamp; frames may overtake each other a little.
        """
        coast_ns = to_ns(self.coast_s)
        alive = [track for track in self._tracks if stamp_ns - track.stamp_ns <= coast_ns]
        pairs = self._assign(objects, alive, stamp_ns)
        tracks, tracked = [], []
        for index, item in enumerate(objects):
            if index in pairs:
                track_id = alive[pairs[index]].track_id
            else:
                self._count += 1
                track_id = str(self._count)
            tracks.append(
                _Track(track_id, item.label, item.position_m, item.covariance_m2, stamp_ns)
            )
            tracked.append(replace(item, track_id=track_id))
        seen = set(pairs.values())
        self._tracks = tracks + [track for i, track in enumerate(alive) if i not in seen]
        return tuple(tracked)

    def _assign(
        self, objects: Sequence[Object3D], tracks: Sequence[_Track], stamp_ns: int
    ) -> dict[int, int]:
        """Index of the track of each object that has one."""
        if not objects or not tracks:
            return {}
        elapsed_s = np.array([max(stamp_ns - track.stamp_ns, 0) / NS_PER_S for track in tracks])
        moved_m2 = (0.5 * self.max_speed_mps * elapsed_s) ** 2 + 1e-4
        (here, here_spread), (there, there_spread) = _plan(objects), _plan(tracks)
        spread = here_spread[:, None] + there_spread[None]
        spread = spread + moved_m2[None, :, None, None] * np.eye(2)
        gap = here[:, None] - there[None]
        squared = np.einsum("ijk,ijk->ij", gap, np.linalg.solve(spread, gap[..., None])[..., 0])
        differ = np.array([[item.label != track.label for track in tracks] for item in objects])
        # The spread's own term keeps a vague pair from winning over a close one.
        cost = squared + np.log(np.linalg.det(spread)) + _OTHER_LABEL * differ
        cost[squared > _GATE] = _FORBIDDEN
        rows, columns = linear_sum_assignment(cost)
        return {
            int(row): int(column)
            for row, column in zip(rows, columns, strict=True)
            if cost[row, column] < _FORBIDDEN
        }


def _plan(
    items: Sequence[Object3D] | Sequence[_Track],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (n, 2) and covariances (n, 2, 2) on the ground's plan."""
    positions = np.stack([item.position_m[:2] for item in items])
    return positions, np.stack([item.covariance_m2[:2, :2] for item in items])
