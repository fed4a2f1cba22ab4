"""How the sensors themselves are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class SensorFault(Enum):
    """What is wrong with a sensor.

    ``SILENT``: no measurement for longer than its timeout, or none ever. ``FROZEN``: the same data
    again and again. ``STAMPS``: stamps that jump, run ahead or fall behind. ``RATE``: measurements
    far more or less often than is its own way, each of them good. ``DISAGREES``: what it measures
    is at odds with what other sensors measure of the same objects.
    """

    NONE = "none"
    SILENT = "silent"
    FROZEN = "frozen"
    STAMPS = "stamps"
    RATE = "rate"
    DISAGREES = "disagrees"


@dataclass(frozen=True)
class SensorState:
    """How one sensor is at one time.

    Attributes:
        sensor: its name, for example ``lidar`` or ``ultrasonic/front_left``.
        kind: ``camera``, ``lidar``, ``radar``, ``laser``, ``ultrasonic``, ``odometry`` or ``imu``.
        fault: what is wrong with it.
        since_ns: time from which on this fault, or its absence, holds, nanoseconds.
        message: one line: what is wrong, and the mend.
        rate_hz: how often it measures, over its last measurements; 0 where that is not known.
    """

    sensor: str
    kind: str
    fault: SensorFault
    since_ns: int
    message: str
    rate_hz: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether it is relied on; a wrong rate alone is a warning."""
        return self.fault in (SensorFault.NONE, SensorFault.RATE)
