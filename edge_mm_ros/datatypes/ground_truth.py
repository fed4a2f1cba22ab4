"""What really is where, known only where a scene is simulated or labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput

WALL_LABEL = "wall"
"""The class of what belongs to the place and need not be told as an object."""


@dataclass(frozen=True, eq=False)
class TrueObject:
    """One object as it really is.

    Attributes:
        name: its name, the same all through a recording.
        label: its class now.
        position_m: float64 (3,), its centre.
        yaw_rad: direction of its length about z.
        size_m: float64 (3,), length, width, height along its own axes.
        velocity_mps: float64 (3,), over the ground, in the axes of the frame.
        seen_by: the sensors whose last measurement holds something of it.
    """

    name: str
    label: str
    position_m: NDArray[np.float64]
    yaw_rad: float
    size_m: NDArray[np.float64]
    velocity_mps: NDArray[np.float64]
    seen_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = (self.position_m, self.size_m, self.velocity_mps)
        if any(value.shape != (3,) for value in values):
            raise InvalidInput(
                "shape",
                f"true object '{self.name}': expected position, size and velocity of 3 numbers, "
                f"got {[value.shape for value in values]}",
            )
        if not all(np.all(np.isfinite(value)) for value in values):
            raise InvalidInput("not_finite", f"true object '{self.name}': it is not finite")


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """All objects at one time.

    Attributes:
        objects: the objects.
        stamp_ns: the time, nanoseconds.
        frame_id: the frame of their places.
    """

    objects: tuple[TrueObject, ...]
    stamp_ns: int
    frame_id: str

    def __len__(self) -> int:
        return len(self.objects)
