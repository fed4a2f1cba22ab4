"""What a simulated sensor gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    LaserScan,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
)
from edge_mm_ros.pipelines.simulation.scene import Snapshot

SensorValue = (
    CameraCalibration | Detections | LaserScan | Odometry | PointCloud | RadarScan | RangeReading
)
MINIMUM_ECHOES = 3  # of which an object may be told from noise


@dataclass(frozen=True, eq=False)
class Measurement:
    """One measurement of one sensor.

    Attributes:
        outputs: topics and values, in the order of their messages.
        seen: names of the actors of which it holds something.
    """

    outputs: tuple[tuple[str, SensorValue], ...]
    seen: tuple[str, ...] = ()


class SensorModel(Protocol):
    """A simulated sensor."""

    def measure(
        self, snapshot: Snapshot, stamp_ns: int, rng: np.random.Generator, *, blind: bool
    ) -> Measurement:
        """Measure once.

        Args:
            snapshot: the scene at the instant.
            stamp_ns: the stamp of the measurement.
            rng: source of the noise.
            blind: whether it gives a measurement that holds nothing.
        """
        ...
