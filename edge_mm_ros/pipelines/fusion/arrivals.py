"""The one place where every measurement of every sensor arrives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from edge_mm_ros.datatypes import (
    Detections,
    ImuReading,
    InvalidInput,
    LaserScan,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
    RigidTransform,
)
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.stamps import JUMP_NS, StampGuard, to_ns
from edge_mm_ros.pipelines.tracking import Scan, TrackSet

Content: TypeAlias = (
    Detections | PointCloud | LaserScan | RadarScan | RangeReading | Odometry | ImuReading
)
_Content = TypeVar(
    "_Content",
    Detections,
    PointCloud,
    LaserScan,
    RadarScan,
    RangeReading,
    Odometry,
    ImuReading,
)

TOPICS = {
    "camera": "detections",
    "lidar": "points",
    "radar": "scan",
    "laser": "scan",
    "ultrasonic": "range",
}
"""By kind of sensor, the last part of its topic."""


def topic_of(kind: str, sensor: str) -> str:
    """The topic of a sensor's measurements."""
    return f"{sensor}/{TOPICS[kind]}" if kind in TOPICS else sensor


@dataclass(frozen=True, eq=False)
class Arrival:
    """One measurement as it arrives.

    Attributes:
        kind: camera, lidar, radar, laser, ultrasonic, odometry or imu.
        sensor: the sensor's topic prefix; of odometry and IMU the topic.
        stamp_ns: capture time, the offset of the sensor's clock taken away.
        content: what was measured, with that stamp.
        place: the robot's frame from the measurement's; None for odometry.
    """

    kind: str
    sensor: str
    stamp_ns: int
    content: Content
    place: RigidTransform | None

    @property
    def source(self) -> str:
        """The sensor as objects name it, for example ``lidar:top``."""
        return f"{self.kind}:{self.sensor}"


@dataclass(frozen=True, eq=False)
class Measured:
    """What a measurement says of objects, before the tracks are corrected by it.

    Attributes:
        arrival: the measurement.
        scan: what it says, in the frame in which objects are followed.
        tracks: the newest tracks so far.
        fixed_from_robot: that frame from the robot's at the measurement's time; None where the
            robot's own motion is not followed.
    """

    arrival: Arrival
    scan: Scan
    tracks: TrackSet
    fixed_from_robot: RigidTransform | None


class ArrivalDesk:
    """Takes clock offsets away, and notices stamps that jump back.

    Args:
        params: the sensors.
        on_notice: told a topic and why its stamps do not go on.
        on_arrival: told of every measurement before it is used; may raise InvalidInput, and it is
            left out.
    """

    def __init__(
        self,
        params: SensorFusionParams,
        on_notice: Callable[[str, InvalidInput], None],
        on_arrival: Callable[[Arrival], None],
    ) -> None:
        self.params = params
        self._on_notice = on_notice
        self._on_arrival = on_arrival
        self._guards: dict[str, StampGuard] = {}
        self._jumped: set[str] = set()

    def reset(self) -> None:
        """Forget all stamps."""
        self._guards.clear()
        self._jumped.clear()

    def take(
        self, kind: str, sensor: str, content: _Content, place: RigidTransform | None
    ) -> tuple[Arrival, _Content]:
        """Let a measurement in.

        Returns:
            the arrival, and its content.

        Raises:
            InvalidInput: of whoever watches the sensors: it is left out.
        """
        timing = self.params.sensor_timing.get(sensor)
        if timing is not None and timing.time_offset_s:
            late_ns = to_ns(timing.time_offset_s)
            content = replace(content, stamp_ns=content.stamp_ns - late_ns)
        arrival = Arrival(kind, sensor, content.stamp_ns, content, place)
        self._on_arrival(arrival)
        return arrival, content

    def jumped_back(self, arrival: Arrival, effect: str) -> bool:
        """Whether an arrival's stamp lies grossly before its sensor's last; then it is told."""
        guard = self._guards.setdefault(arrival.source, StampGuard())
        back_s = guard.jumped_back_s(arrival.stamp_ns)
        if not back_s:
            return False
        self._jumped.add(arrival.source)
        line = f"stamps jumped back by {back_s:.1f} s; {effect}"
        self._on_notice(topic_of(arrival.kind, arrival.sensor), InvalidInput("stamp_jump", line))
        return True

    def time_begins_anew(self, newest_ns: int) -> bool:
        """Whether half of the sensors that are heard have jumped back: then not one clock is wrong.

        A recording that is played again is such a case. After a True the sensors start afresh.

        Args:
            newest_ns: time of the newest measurement of all.
        """
        heard = {
            source
            for source, guard in self._guards.items()
            if guard.newest_ns is not None and newest_ns - guard.newest_ns < JUMP_NS
        }
        anew = 2 * len(self._jumped) >= len(self._jumped | heard)
        if anew:
            self._jumped.clear()
        return anew
