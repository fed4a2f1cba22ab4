"""Point clouds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Finite points of a LiDAR or depth camera.

    Attributes:
        points_m: float32 (n, 3), x y z in ``frame_id``; all finite.
        stamp_ns: capture time, nanoseconds.
        frame_id: the sensor's frame.
        dropped: points of the message that were not finite and are left out.
        thinned: points that are left out on purpose, because the cloud was too large.
        no_return: points of the message at the origin of its frame, which stand for beams without
            an echo and are left out.
    """

    points_m: NDArray[np.float32]
    stamp_ns: int
    frame_id: str
    dropped: int = 0
    thinned: int = 0
    no_return: int = 0

    def __post_init__(self) -> None:
        if self.points_m.ndim != 2 or self.points_m.shape[1] != 3:
            raise InvalidInput(
                "shape", f"point cloud: expected shape (n, 3), got {self.points_m.shape}"
            )
