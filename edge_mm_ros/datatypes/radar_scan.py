"""Returns of a radar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class RadarScan:
    """One scan in polar coordinates of the sensor's frame (``radar_msgs/RadarScan``).

    Attributes:
        range_m: float64 (n,), distances, not negative.
        azimuth_rad: float64 (n,), about z, positive to the left (REP-103).
        elevation_rad: float64 (n,), positive upwards.
        doppler_mps: float64 (n,), change of the distance: positive where it grows.
        amplitude_db: float64 (n,).
        stamp_ns: capture time, nanoseconds.
        frame_id: the sensor's frame, x along its axis.
    """

    range_m: NDArray[np.float64]
    azimuth_rad: NDArray[np.float64]
    elevation_rad: NDArray[np.float64]
    doppler_mps: NDArray[np.float64]
    amplitude_db: NDArray[np.float64]
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        columns = {
            "range": self.range_m,
            "azimuth": self.azimuth_rad,
            "elevation": self.elevation_rad,
            "doppler velocity": self.doppler_mps,
            "amplitude": self.amplitude_db,
        }
        where = f"radar scan of '{self.frame_id}'"
        for name, column in columns.items():
            if column.shape != (len(self),):
                raise InvalidInput(
                    "shape", f"{where}: expected {len(self)} values of {name}, got {column.shape}"
                )
            if not np.all(np.isfinite(column)):
                raise InvalidInput("not_finite", f"{where}: a {name} is not finite")
        if np.any(self.range_m < 0.0):
            raise InvalidInput(
                "negative_range", f"{where}: a range is {float(self.range_m.min()):g} m"
            )

    def __len__(self) -> int:
        return int(self.range_m.shape[0])
