"""Objects placed in space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput

_SHAPES = ((3,), (3,), (3, 3))


@dataclass(frozen=True, eq=False)
class Object3D:
    """One object in the robot's frame.

    Attributes:
        track_id: stays the same while the object is followed; empty before it is tracked.
        label: class name.
        score: 0 to 1.
        position_m: float64 (3,), the centre of the object.
        size_m: float64 (3,), extent along x, y, z of the robot's frame.
        covariance_m2: float64 (3, 3), of the position.
        sources: the sensors that it rests on, for example ``("camera", "lidar")``; empty where it
            is not seen now, but predicted.
        velocity_mps: float64 (3,), in the axes of its frame; None where it is not known.
    """

    track_id: str
    label: str
    score: float
    position_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    sources: tuple[str, ...]
    velocity_mps: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        shapes = (self.position_m.shape, self.size_m.shape, self.covariance_m2.shape)
        if shapes != _SHAPES:
            raise InvalidInput(
                "shape",
                f"object: expected position (3,), size (3,), covariance (3, 3), got {shapes}",
            )
        numbers = self.position_m.tolist() + self.covariance_m2.ravel().tolist()
        if not all(map(math.isfinite, numbers)):
            raise InvalidInput("not_finite", f"object '{self.label}': its place is not finite")
        if self.velocity_mps is not None and not (
            self.velocity_mps.shape == (3,) and all(map(math.isfinite, self.velocity_mps.tolist()))
        ):
            raise InvalidInput(
                "not_finite", f"object '{self.label}': its velocity is not three finite numbers"
            )

    @classmethod
    def many(
        cls,
        track_ids: Iterable[str],
        labels: Sequence[str],
        scores: Sequence[float],
        positions_m: NDArray[np.float64],
        sizes_m: NDArray[np.float64],
        covariances_m2: NDArray[np.float64],
        sources: Sequence[tuple[str, ...]],
        velocities_mps: NDArray[np.float64],
    ) -> tuple[Object3D, ...]:
        """N objects, checked together, which is several times as fast as one by one.

        Raises:
            InvalidInput: as for one object.
        """
        rows = zip(
            track_ids,
            labels,
            scores,
            positions_m,
            sizes_m,
            covariances_m2,
            sources,
            velocities_mps,
            strict=True,
        )
        shapes = (positions_m.shape[1:], sizes_m.shape[1:], covariances_m2.shape[1:])
        numbers = (positions_m, covariances_m2, velocities_mps)
        if (
            shapes != _SHAPES
            or velocities_mps.shape[1:] != (3,)
            or not all(np.isfinite(values).all() for values in numbers)
        ):
            return tuple(cls(*row) for row in rows)  # one of them says what is wrong with it
        made = []
        for track_id, label, score, position, size, covariance, rests, velocity in rows:
            one = object.__new__(cls)
            own = one.__dict__
            own["track_id"], own["label"], own["score"] = track_id, label, score
            own["position_m"], own["size_m"], own["covariance_m2"] = position, size, covariance
            own["sources"], own["velocity_mps"] = rests, velocity
            made.append(one)
        return tuple(made)

    @property
    def distance_m(self) -> float:
        """Horizontal distance from the robot's origin."""
        return math.hypot(float(self.position_m[0]), float(self.position_m[1]))

    @property
    def bearing_rad(self) -> float:
        """Angle from the robot's x axis, positive to the left (REP-103)."""
        return math.atan2(float(self.position_m[1]), float(self.position_m[0]))


@dataclass(frozen=True, eq=False)
class Objects:
    """All objects at one time.

    Attributes:
        objects: the objects, in no particular order.
        stamp_ns: capture time of the measurement that brought this update, nanoseconds.
        frame_id: the robot's frame (REP-105), for example ``base_link``.
    """

    objects: tuple[Object3D, ...]
    stamp_ns: int
    frame_id: str

    def __len__(self) -> int:
        return len(self.objects)
