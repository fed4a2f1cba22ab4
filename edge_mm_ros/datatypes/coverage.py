"""What the sensors see of the ground around the robot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True)
class ZoneCoverage:
    """How much of one safety zone is seen now.

    Attributes:
        zone: its name.
        seen_share: share of its area that is seen now, free or occupied; 0 to 1.
        occupied_share: share of its area in which something stands; 0 to 1.
        sensors: share of its area that each sensor sees, by the sensor's name; those that see
            nothing of it are not named.
        since_ns: time from which on `covered` is as it is, nanoseconds.
        covered: whether so much of it is seen that the absence of objects means something.
        missing: names of the sensors that give no view now, and saw a part of it before or have
            not been heard at all.
    """

    zone: str
    seen_share: float
    occupied_share: float
    sensors: Mapping[str, float]
    since_ns: int
    covered: bool
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shares = (self.seen_share, self.occupied_share, *self.sensors.values())
        if not all(math.isfinite(share) and 0.0 <= share <= 1.0 for share in shares):
            raise InvalidInput(
                "coverage", f"coverage of zone '{self.zone}': a share is not within 0 to 1"
            )
        object.__setattr__(self, "sensors", MappingProxyType(dict(self.sensors)))


@dataclass(frozen=True)
class Coverage:
    """How much of each safety zone is seen at one time.

    Attributes:
        zones: one entry for each zone.
        stamp_ns: the time, nanoseconds.
        frame_id: the robot's frame, in which the zones lie.
    """

    zones: tuple[ZoneCoverage, ...]
    stamp_ns: int
    frame_id: str

    def of(self, zone: str) -> ZoneCoverage | None:
        """The coverage of a zone; None where it is not told, which means that it is not seen."""
        return next((entry for entry in self.zones if entry.zone == zone), None)


FREE, OCCUPIED, UNSEEN = 0, 100, -1
"""Values of a cell of `FreeSpace`, as in ``nav_msgs/OccupancyGrid``."""


@dataclass(frozen=True, eq=False)
class FreeSpace:
    """What is free, occupied and unseen on the ground around the robot.

    Attributes:
        cells: int8 (rows, columns); rows along y, columns along x, `FREE`, `OCCUPIED` or `UNSEEN`.
        cell_m: length of a cell's side.
        origin_m: x and y of the outer corner of the cell at row 0, column 0.
        stamp_ns: the time, nanoseconds.
        frame_id: the robot's frame.
    """

    cells: NDArray[np.int8]
    cell_m: float
    origin_m: tuple[float, float]
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        if self.cells.ndim != 2:
            raise InvalidInput(
                "shape", f"free space: expected shape (rows, columns), got {self.cells.shape}"
            )
