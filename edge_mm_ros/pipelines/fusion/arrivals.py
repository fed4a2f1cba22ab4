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
_ALONE_NS = to_ns(3.0)  # slow sensors pause for less
_STEP_NS = JUMP_NS // 2  # most of one gap between stamps that counts as time


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


@dataclass(frozen=True)
class _Behind:
    """Of a sensor whose last stamp lies grossly before the newest measurement of all.

    Attributes:
        newest_ns: time of that measurement.
        stamp_ns: its last stamp.
        lasted_ns: how long it has gone on while that one stayed the newest.
        jumped: whether its stamps have jumped back to there.
    """

    newest_ns: int
    stamp_ns: int
    lasted_ns: int
    jumped: bool


class ArrivalDesk:
    """Takes clock offsets away, and notices stamps that jump back.

    Time begins anew where more than half of the sensors that are heard have jumped back, as in a
    recording that begins again; and where one goes on far behind a newest measurement that nothing
    follows. A sensor that is near the newest again, as after one wrong stamp, has not jumped.

    Args:
        params: the sensors.
        on_notice: told a topic and why its stamps do not go on.
        on_arrival: told of every measurement before it is used; may raise InvalidInput, and it is
            left out.
        newest_ns: asked for the time of the newest measurement of all.
        on_anew: told, before that arrival, that time begins anew.
    """

    def __init__(
        self,
        params: SensorFusionParams,
        on_notice: Callable[[str, InvalidInput], None],
        on_arrival: Callable[[Arrival], None],
        newest_ns: Callable[[], int],
        on_anew: Callable[[], None],
    ) -> None:
        self.params = params
        self._on_notice = on_notice
        self._on_arrival = on_arrival
        self._newest_ns = newest_ns
        self._on_anew = on_anew
        self.reset()

    def reset(self) -> None:
        """Forget all stamps."""
        self._guards: dict[str, StampGuard] = {}
        self._behind: dict[str, _Behind] = {}
        self._untold_s: dict[str, float] = {}

    def take(
        self, kind: str, sensor: str, content: _Content, place: RigidTransform | None
    ) -> tuple[Arrival, _Content]:
        """Let a measurement in.

        Returns:
            the arrival, and its content.

        Raises:
            InvalidInput: of whoever watches the sensors: it is left out.
        """
        unset = content.stamp_ns == 0
        timing = self.params.sensor_timing.get(sensor)
        if timing is not None and timing.time_offset_s:
            late_ns = to_ns(timing.time_offset_s)
            content = replace(content, stamp_ns=content.stamp_ns - late_ns)
        arrival = Arrival(kind, sensor, content.stamp_ns, content, place)
        # Before it may be refused: a sensor that is at fault because all are late would stay so.
        if kind in TOPICS and not unset:
            self._follow(arrival)
        self._on_arrival(arrival)
        return arrival, content

    def tell_jump(self, arrival: Arrival, effect: str) -> bool:
        """Tell where its sensor's stamps have jumped back, and whether they have."""
        back_s = self._untold_s.pop(arrival.source, 0.0)
        if back_s:
            notice = InvalidInput("stamp_jump", f"stamps jumped back by {back_s:.1f} s; {effect}")
            self._on_notice(topic_of(arrival.kind, arrival.sensor), notice)
        return bool(back_s)

    def _follow(self, arrival: Arrival) -> None:
        """Follow a sensor's stamps, and let time begin anew where they and others' show it."""
        source, stamp_ns, newest_ns = arrival.source, arrival.stamp_ns, self._newest_ns()
        back_s = self._guards.setdefault(source, StampGuard()).jumped_back_s(stamp_ns)
        if back_s:
            self._untold_s[source] = back_s
        if newest_ns - stamp_ns < JUMP_NS:  # as the one after a single wrong stamp
            self._behind.pop(source, None)
            return
        last = self._behind.get(source)
        lasted_ns = 0
        if last is not None and last.newest_ns == newest_ns and not back_s:
            # Of a gap only a part counts: one more wrong stamp is no time that passes.
            lasted_ns = last.lasted_ns + min(max(stamp_ns - last.stamp_ns, 0), _STEP_NS)
        jumped = bool(back_s) or (last is not None and last.jumped)
        self._behind[source] = _Behind(newest_ns, stamp_ns, lasted_ns, jumped)
        if lasted_ns >= _ALONE_NS or (back_s and self._most_have_jumped(newest_ns)):
            self._behind.clear()
            self._on_anew()

    def _most_have_jumped(self, newest_ns: int) -> bool:
        """Whether more than half of the sensors heard in the last second have: not one clock."""
        jumped = [
            one.jumped and newest_ns - one.newest_ns < JUMP_NS for one in self._behind.values()
        ]
        going_on = [
            abs(newest_ns - guard.newest_ns) < JUMP_NS
            for guard in self._guards.values()
            if guard.newest_ns is not None
        ]
        return sum(jumped) > sum(going_on)
