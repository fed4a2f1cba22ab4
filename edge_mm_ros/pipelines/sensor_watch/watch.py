"""Finds sensors that have stopped, are frozen, have wrong stamps, or disagree with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from edge_mm_ros.datatypes import InvalidInput, SensorFault, SensorState
from edge_mm_ros.params.sensor_watch import SensorWatchParams
from edge_mm_ros.pipelines.sensor_watch.agreement import AgreementWindow, Gaps
from edge_mm_ros.pipelines.sensor_watch.arrivals import WELL, ArrivalWatch, Verdict
from edge_mm_ros.pipelines.stamps import JUMP_NS, to_ns

_WAITING = Verdict(SensorFault.NONE, "waits for its first measurement")
_BLIND_SCANS = 3
_WRONG = (SensorFault.FROZEN, SensorFault.STAMPS, SensorFault.DISAGREES)
_LEFT_OUT = (*_WRONG, SensorFault.SILENT)
_NO_CLOCK = (SensorFault.STAMPS, SensorFault.SILENT)  # their delay says nothing about others


@dataclass(frozen=True)
class WatchedSensor:
    """A sensor to watch.

    Attributes:
        key: what it is known by, unique.
        name: its name in diagnostics.
        kind: ``camera``, ``lidar``, ``radar``, ``laser``, ``ultrasonic``, ``odometry`` or ``imu``.
        timeout_s: longest time without a good measurement.
    """

    key: str
    name: str
    kind: str
    timeout_s: float


@dataclass
class _Sensor:
    """What is known of one sensor."""

    watched: WatchedSensor
    arrivals: ArrivalWatch = field(default_factory=ArrivalWatch)
    window: AgreementWindow = field(default_factory=AgreementWindow)
    disagreement: str = ""
    blind_scans: int = 0
    blind_since_ns: int = 0
    viewed_ns: int = 0
    blind_until_ns: int | None = None
    fault: Verdict = _WAITING
    since_ns: int = 0
    well_since_ns: int | None = None
    was_well: bool = False

    @property
    def state(self) -> SensorState:
        return SensorState(
            self.watched.name,
            self.watched.kind,
            self.fault.fault,
            self.since_ns,
            self.fault.line,
            self.arrivals.rate_hz,
        )


class SensorWatch:
    """Watches all sensors; time is what callers pass in, so a replay tells the same.

    A fault is told as soon as it is found, and lasts until the sensor was well for `recover_s`
    without a break. A sensor that was never heard is well with its first good measurement.

    Args:
        sensors: the sensors; their keys are unique.
        params: limits; may be replaced at any time.
        clock_tolerance_s: how far stamps may lie ahead of the clock.
        on_change: told each state that changes.
    """

    def __init__(
        self,
        sensors: Iterable[WatchedSensor],
        params: SensorWatchParams | None = None,
        clock_tolerance_s: float = 0.5,
        on_change: Callable[[SensorState], None] = lambda state: None,
    ) -> None:
        self._watched = tuple(sensors)
        self.set_timeouts({item.key: item.timeout_s for item in self._watched})
        self.params = params or SensorWatchParams()
        self.clock_tolerance_s = clock_tolerance_s
        self._on_change = on_change
        self.reset()

    def reset(self) -> None:
        """Forget all; silence counts from the next call on."""
        self._sensors = {item.key: _Sensor(item) for item in self._watched}
        self._now_ns: int | None = None

    def set_timeouts(self, timeouts_s: Mapping[str, float]) -> None:
        """Use other timeouts from now on, by the sensors' keys."""
        self._timeouts_s = dict(timeouts_s)

    def arrive(
        self,
        sensor: str,
        stamp_ns: int,
        now_ns: int,
        content: int | None,
        *,
        late: bool = False,
    ) -> None:
        """A measurement came.

        Args:
            sensor: the sensor's key.
            stamp_ns: the measurement's stamp.
            now_ns: the clock.
            content: a digest of its data (`content_of`); None where equal data may come again.
            late: whether it is too late to correct the objects by; it is not good then.

        Raises:
            InvalidInput: it must be left out: its stamp is impossible (``stamp_zero``,
                ``stamp_ahead``), or its sensor is at fault (``sensor_frozen``, ``sensor_stamps``).
        """
        self._advance(now_ns)
        watched = self._sensors[sensor]
        try:
            good = watched.arrivals.arrive(
                stamp_ns,
                now_ns,
                content if self.params.frozen else None,
                tolerance_ns=to_ns(self.clock_tolerance_s),
                lag_limit_ns=self._lag_limit_ns(watched),
                late=late,
            )
        except InvalidInput:
            self._note(watched, False, now_ns)
            raise
        self._note(watched, good, now_ns)
        if watched.fault.fault in (SensorFault.FROZEN, SensorFault.STAMPS):
            raise InvalidInput(
                f"sensor_{watched.fault.fault.value}",
                f"{watched.fault.line}; it is left out until it was well for "
                f"{self.params.recover_s:g} s",
            )

    def note_refused(self, sensor: str, now_ns: int, why: str) -> None:
        """A measurement came that could not even be read or placed; says why."""
        self._advance(now_ns)
        self._sensors[sensor].arrivals.note_refused(now_ns, why)
        self._judge(self._sensors[sensor], now_ns)

    def tick(self, now_ns: int) -> None:
        """Find who is silent; to be called a few times within the shortest timeout."""
        self._advance(now_ns)
        for watched in self._sensors.values():
            self._judge(watched, now_ns)

    def note_agreement(self, sensor: str, stamp_ns: int, now_ns: int, gaps: Gaps) -> None:
        """How far its measurements lie from objects that at least two others see."""
        watched, params = self._sensors[sensor], self.params
        watched.window.note(stamp_ns, gaps, params.agreement_window_s)
        if watched.window.tells(params.agreement_window_s):
            watched.disagreement = watched.window.offset(
                params.disagreement_m, params.disagreement_sigmas
            )
        self._judge(watched, now_ns)

    def note_view(self, sensor: str, now_ns: int, found: int, expected: int) -> None:
        """How much a sensor finds, and how many objects at least others see in its view."""
        watched = self._sensors[sensor]
        if found:
            watched.blind_scans, watched.blind_until_ns = 0, None
        elif expected:
            if watched.blind_scans == 0:  # it may be blind since its last picture
                recent = now_ns - watched.viewed_ns <= self._timeout_ns(watched)
                watched.blind_since_ns = watched.viewed_ns if recent else now_ns
            watched.blind_scans += 1
            lasted_ns = now_ns - watched.blind_since_ns
            blind = lasted_ns >= self._timeout_ns(watched)
            if watched.blind_scans >= _BLIND_SCANS and blind:
                watched.blind_until_ns = now_ns + to_ns(self.params.blind_memory_s)
        else:
            watched.blind_scans = 0
        watched.viewed_ns = now_ns
        self._judge(watched, now_ns)

    def usable(self, sensor: str) -> bool:
        """Whether a sensor has been heard and is well."""
        watched = self._sensors[sensor]
        return watched.arrivals.heard and watched.state.usable

    def trusted(self, sensor: str) -> bool:
        """Whether what it measured may be used; what came before a silence may."""
        return self._sensors[sensor].fault.fault not in _WRONG

    def heard(self, sensor: str) -> bool:
        """Whether it has ever been heard."""
        return self._sensors[sensor].arrivals.heard

    def states(self) -> tuple[SensorState, ...]:
        """How all sensors are."""
        return tuple(watched.state for watched in self._sensors.values())

    # Judgement -----------------------------------------------------------------------------------

    def _advance(self, now_ns: int) -> None:
        """Begin anew where the clock itself was set back, as when a recording begins again."""
        if self._now_ns is not None and self._now_ns - now_ns > JUMP_NS:
            self.reset()
        self._now_ns = now_ns

    def _lag_limit_ns(self, watched: _Sensor) -> int | None:
        """How far stamps may lie behind the clock: the timeout more than the best of the others.

        All stamps of a recording that is played without its clock lie far behind, and yet agree.
        """
        lags = [
            other.arrivals.lag_ns
            for other in self._sensors.values()
            if other is not watched and other.arrivals.heard and other.fault.fault not in _NO_CLOCK
        ]
        if not lags:
            return None
        return min(lags) + self._timeout_ns(watched) + to_ns(self.clock_tolerance_s)

    def _timeout_ns(self, watched: _Sensor) -> int:
        return to_ns(self._timeouts_s[watched.watched.key])

    def _note(self, watched: _Sensor, good: bool, now_ns: int) -> None:
        if not good:
            watched.well_since_ns = None
        elif watched.well_since_ns is None:
            watched.well_since_ns = now_ns
        self._judge(watched, now_ns)

    def _judge(self, watched: _Sensor, now_ns: int) -> None:
        verdict = self._verdict(watched, now_ns)
        before = watched.fault
        if verdict.fault in _LEFT_OUT:
            watched.well_since_ns = None
            if verdict.fault is not SensorFault.DISAGREES:
                watched.window.clear()
                watched.disagreement = ""
        elif before.fault in (SensorFault.NONE, verdict.fault) or self._recovered(watched, now_ns):
            watched.was_well = watched.arrivals.heard
            if verdict.fault is SensorFault.NONE:
                verdict = WELL if watched.was_well else _WAITING
        else:
            return
        watched.fault = verdict
        if verdict.fault is not before.fault:
            watched.since_ns = now_ns
        # The figures of a disagreement change with every scan; they are told with the next beat.
        if verdict.fault is not before.fault or (verdict is WELL and before is _WAITING):
            self._on_change(watched.state)

    def _verdict(self, watched: _Sensor, now_ns: int) -> Verdict:
        found = watched.arrivals.verdict(now_ns, self._timeout_ns(watched))
        if found.fault is not SensorFault.NONE:
            return found
        if watched.blind_until_ns is not None and now_ns < watched.blind_until_ns:
            return Verdict(
                SensorFault.DISAGREES,
                "finds nothing where others see objects in its view; is it covered, dirty, or, as "
                "a camera, in the dark?",
            )
        if watched.disagreement:
            line = f"disagrees with the others: {watched.disagreement}"
            return Verdict(SensorFault.DISAGREES, line)
        return watched.arrivals.rate_verdict(self.params.rate_factor)

    def _recovered(self, watched: _Sensor, now_ns: int) -> bool:
        if watched.fault.fault is SensorFault.SILENT and not watched.was_well:
            return True
        if watched.well_since_ns is None:  # a fault that ends without a new measurement
            watched.well_since_ns = now_ns
        return now_ns - watched.well_since_ns >= to_ns(self.params.recover_s)
