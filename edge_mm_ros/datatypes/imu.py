"""Readings of an inertial measurement unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput
from edge_mm_ros.datatypes.odometry import MAX_TURN_RATE_RADPS


@dataclass(frozen=True, eq=False)
class ImuReading:
    """One reading of the turn rate (``sensor_msgs/Imu``, REP-145).

    Attributes:
        turn_rate_radps: float64 (3,), about the axes of ``frame_id``, at most
            `MAX_TURN_RATE_RADPS`.
        stamp_ns: capture time, nanoseconds.
        frame_id: the sensor's frame.
    """

    turn_rate_radps: NDArray[np.float64]
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        where = f"IMU reading of '{self.frame_id}'"
        if self.turn_rate_radps.shape != (3,):
            raise InvalidInput(
                "shape", f"{where}: expected turn rate (3,), got {self.turn_rate_radps.shape}"
            )
        if not np.all(np.isfinite(self.turn_rate_radps)):
            raise InvalidInput("not_finite", f"{where}: its turn rate is not finite")
        rate_radps = math.hypot(*self.turn_rate_radps.tolist())
        if rate_radps > MAX_TURN_RATE_RADPS:
            raise InvalidInput(
                "too_fast",
                f"{where}: its turn rate is {rate_radps:g} rad/s, more than "
                f"{MAX_TURN_RATE_RADPS:g} rad/s; it is left out, its publisher or its units are to "
                "be checked",
            )
