"""Scans of a planar laser scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class LaserScan:
    """Distances in one plane (``sensor_msgs/LaserScan``, REP-117).

    Attributes:
        ranges_m: float32 (n,); ``inf`` where nothing was hit, NaN where nothing was measured.
        angle_min_rad: direction of the first, about z from x (REP-103).
        angle_step_rad: from one to the next, not zero.
        min_range_m: nearest that it can tell.
        max_range_m: furthest that it can tell.
        stamp_ns: capture time of the first, nanoseconds.
        frame_id: the sensor's frame, the plane is z = 0.
    """

    ranges_m: NDArray[np.float32]
    angle_min_rad: float
    angle_step_rad: float
    min_range_m: float
    max_range_m: float
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        where = f"laser scan of '{self.frame_id}'"
        if self.ranges_m.ndim != 1:
            raise InvalidInput("shape", f"{where}: expected shape (n,), got {self.ranges_m.shape}")
        numbers = (self.angle_min_rad, self.angle_step_rad, self.min_range_m, self.max_range_m)
        if not np.all(np.isfinite(numbers)) or self.angle_step_rad == 0.0:
            raise InvalidInput(
                "angles",
                f"{where}: angles and limits must be finite and the step not zero, got {numbers}",
            )
        if not 0.0 <= self.min_range_m <= self.max_range_m:
            raise InvalidInput(
                "range_limits",
                f"{where}: limits must be 0 <= min <= max, got {self.min_range_m:g} and "
                f"{self.max_range_m:g} m",
            )

    def __len__(self) -> int:
        return int(self.ranges_m.shape[0])
