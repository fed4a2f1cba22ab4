"""Objects placed in space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput


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
        if shapes != ((3,), (3,), (3, 3)):
            raise InvalidInput(
                "shape",
                f"object: expected position (3,), size (3,), covariance (3, 3), got {shapes}",
            )
        if not (_is_finite(self.position_m) and _is_finite(self.covariance_m2)):
            raise InvalidInput("not_finite", f"object '{self.label}': its place is not finite")
        if self.velocity_mps is not None and not (
            self.velocity_mps.shape == (3,) and _is_finite(self.velocity_mps)
        ):
            raise InvalidInput(
                "not_finite", f"object '{self.label}': its velocity is not three finite numbers"
            )

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


def _is_finite(values: NDArray[np.float64]) -> bool:
    """Whether a few numbers are all finite; for so few, faster without numpy."""
    return all(map(math.isfinite, values.ravel().tolist()))
