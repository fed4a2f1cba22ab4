"""What the tracker tells: all objects at one time, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Object3D, RigidTransform


@dataclass(frozen=True, eq=False)
class TrackedObjects(Sequence[Object3D]):
    """N objects in the frame in which they are followed; as a sequence, `Object3D` of each.

    Attributes:
        ids: of their tracks.
        labels: class names.
        scores: float64 (n,), 0 to 1.
        positions_m: float64 (n, 3), their centres.
        sizes_m: float64 (n, 3), extents along x, y, z.
        covariances_m2: float64 (n, 3, 3), of the positions.
        sources: the sensors that each rests on.
        velocities_mps: float64 (n, 3).
    """

    ids: Sequence[str]
    labels: Sequence[str]
    scores: NDArray[np.float64]
    positions_m: NDArray[np.float64]
    sizes_m: NDArray[np.float64]
    covariances_m2: NDArray[np.float64]
    sources: Sequence[tuple[str, ...]]
    velocities_mps: NDArray[np.float64]

    def seen_from(self, fixed_from_robot: RigidTransform | None) -> tuple[Object3D, ...]:
        """The objects in the robot's frame.

        Args:
            fixed_from_robot: the frame in which they are followed, from the robot's; None where it
                is the robot's.
        """
        positions_m, covariances_m2 = self.positions_m, self.covariances_m2
        velocities_mps = self.velocities_mps
        if fixed_from_robot is not None:
            turn = fixed_from_robot.rotation  # by rows: ``v @ turn`` is ``turn.T @ v``
            positions_m = (positions_m - fixed_from_robot.translation_m) @ turn
            covariances_m2 = turn.T @ covariances_m2 @ turn
            velocities_mps = velocities_mps @ turn
        return Object3D.many(
            self.ids,
            self.labels,
            self.scores.tolist(),
            positions_m,
            self.sizes_m,
            covariances_m2,
            self.sources,
            velocities_mps,
        )

    @cached_property
    def _objects(self) -> tuple[Object3D, ...]:
        return self.seen_from(None)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Object3D: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Object3D, ...]: ...

    def __getitem__(self, index: int | slice) -> Object3D | tuple[Object3D, ...]:
        return self._objects[index]

    def __iter__(self) -> Iterator[Object3D]:
        return iter(self._objects)
