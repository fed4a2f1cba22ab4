"""The safety monitor: measurements in, events and the state out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from edge_mm_ros.datatypes import (
    Coverage,
    Detections,
    Health,
    InvalidInput,
    Objects,
    ObjectSources,
    Odometry,
    RangeReading,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    SensorState,
    Transcript,
    ZoneStatus,
)
from edge_mm_ros.params.safety_rules import KeywordRule, SafetyRules
from edge_mm_ros.pipelines.monitoring.condition import GRAVEST_FIRST, RuleConditions, graver
from edge_mm_ros.pipelines.monitoring.coverage import CoverageWatch
from edge_mm_ros.pipelines.monitoring.joining import Arrived, ObjectJoin, SourcesTold
from edge_mm_ros.pipelines.monitoring.keywords import KeywordListener
from edge_mm_ros.pipelines.monitoring.motion import OwnMotion
from edge_mm_ros.pipelines.monitoring.object_rules import ObjectRules
from edge_mm_ros.pipelines.monitoring.sensor_rules import SensorRules
from edge_mm_ros.pipelines.monitoring.sensors import SensorRegister
from edge_mm_ros.pipelines.monitoring.stamp_check import StampCheck
from edge_mm_ros.pipelines.monitoring.watch import Source
from edge_mm_ros.pipelines.monitoring.watches import (
    COVERAGE,
    OBJECT_SOURCES,
    OBJECTS,
    make_watches,
)
from edge_mm_ros.pipelines.stamps import StampGuard, to_ns

_SPEECH = Source("speech")
_DIAGNOSTICS = Source("diagnostics")


class SafetyMonitor:
    """Applies rules to what the sensors tell.

    Conditions follow the measurements' stamps, silence follows the clock that the caller passes
    as `now_ns`. What was last known to be dangerous stays dangerous while its sensor is silent.
    Where a sensor's stamps go back, its conditions go on by the clock, as if they had not; where
    they lie ahead of the clock, the measurement is left out and the state is unknown.

    Every event names the sensors that support it, and those that are silent at its time.

    Args:
        rules: zones and rules.
        cameras: topic prefixes of the cameras.
        ultrasonics: topic prefixes of the range sensors.
        odometry: topic of the robot's own motion; empty: none, and objects' velocities are those
            that the robot sees.
        on_notice: told a topic (or ``clock``) and what is wrong with its stamps: they jump back
            (``stamp_jump``) or lie ahead of the clock (``stamp_ahead``).

    Raises:
        ParameterError: a rule names a sensor that is not listed, or needs one where none is.
    """

    def __init__(
        self,
        rules: SafetyRules,
        cameras: Sequence[str] = (),
        ultrasonics: Sequence[str] = (),
        on_notice: Callable[[str, InvalidInput], None] = lambda topic, fault: None,
        *,
        odometry: str = "",
    ) -> None:
        self.rules = rules
        self._odometry = Source("odometry", odometry)
        self._on_notice = on_notice
        self._clock = StampGuard()
        self._stamps = StampCheck(rules.clock_tolerance_s, on_notice)
        self._objects = ObjectRules(rules)
        self._join = ObjectJoin()
        self._own = None if odometry else OwnMotion()
        self._coverage = CoverageWatch(rules.zones_to_cover(), to_ns(rules.input_timeout_s))
        self._register = SensorRegister()
        self._sensor_rules = SensorRules(rules)
        self._listeners = [
            KeywordListener(rule, (_SPEECH.topic,))
            for rule in rules.rules
            if isinstance(rule, KeywordRule)
        ]
        sensors = {"detections": cameras, "range": ultrasonics}
        self._watches = make_watches(
            rules, {**sensors, "odometry": (odometry,) if odometry else ()}
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Everything that the rules need to hear, and what events about objects tell besides."""
        heard = [watch.source for watch in self._watches]
        if OBJECTS in heard:
            heard.append(OBJECT_SOURCES)
        if self._listeners:
            heard.append(_SPEECH)
        return tuple(dict.fromkeys(heard))

    def reset(self) -> None:
        """Begin as if nothing had ever been heard."""
        self._clock.reset()
        self._forget()
        for conditions in self._all_conditions():
            conditions.reset()
        for listener in self._listeners:
            listener.reset()
        for watch in self._watches:
            watch.reset()

    def hear_objects(
        self, objects: Objects, now_ns: int, sources: SourcesTold = SourcesTold.INSIDE
    ) -> list[SafetyEvent]:
        """Take all objects at one time.

        Raises:
            InvalidInput: they are in another frame than the rules.
        """
        if objects.frame_id != self.rules.robot_frame:
            raise InvalidInput(
                "frame",
                f"objects are in frame '{objects.frame_id}', the rules in "
                f"'{self.rules.robot_frame}'",
            )
        events, stamp_ns = self._arrive(OBJECTS, objects.stamp_ns, now_ns)
        if stamp_ns is not None:
            if sources is SourcesTold.INSIDE:
                events += self._note_arrival(OBJECT_SOURCES, objects.stamp_ns, now_ns)
                ready = [Arrived(objects, stamp_ns, sources_known=True)]
            else:
                wait = sources is SourcesTold.APART
                ready = self._join.take_objects(objects, stamp_ns, wait)
            events += self._judge(ready)
        return self._signed(events, now_ns)

    def hear_sources(self, sources: ObjectSources, now_ns: int) -> list[SafetyEvent]:
        """Take the sensors and velocities of objects that have come, or will."""
        events, stamp_ns = self._arrive(OBJECT_SOURCES, sources.stamp_ns, now_ns)
        if stamp_ns is not None:
            events += self._judge(self._join.take_sources(sources))
        return self._signed(events, now_ns)

    def hear_odometry(self, odometry: Odometry, now_ns: int) -> list[SafetyEvent]:
        """Take the robot's own motion; the newest counts.

        Raises:
            InvalidInput: it is the motion of another frame than that of the rules.
        """
        if odometry.child_frame_id != self.rules.robot_frame:
            raise InvalidInput(
                "frame",
                f"odometry is of frame '{odometry.child_frame_id}', the rules are of "
                f"'{self.rules.robot_frame}'",
            )
        events, stamp_ns = self._arrive(self._odometry, odometry.stamp_ns, now_ns)
        if stamp_ns is not None:
            self._own = OwnMotion.of(odometry)
        return self._signed(events, now_ns)

    def hear_coverage(self, coverage: Coverage, now_ns: int) -> list[SafetyEvent]:
        """Take which zones the sensors see."""
        events, stamp_ns = self._arrive(COVERAGE, coverage.stamp_ns, now_ns)
        if stamp_ns is not None:
            forward_mps = None if self._own is None else self._own.forward_mps
            needed = self.rules.zones_to_cover(forward_mps)
            events += self._coverage.hear(coverage, stamp_ns, needed)
        return self._signed(events, now_ns)

    def hear_sensor(self, state: SensorState) -> None:
        """Take the state of one sensor, which later events name where it is faulty."""
        self._register.hear(state)

    def hear_detections(
        self, camera: str, detections: Detections, now_ns: int
    ) -> list[SafetyEvent]:
        """Take one camera's detections."""
        source = Source("detections", camera)
        events, stamp_ns = self._arrive(source, detections.stamp_ns, now_ns)
        if stamp_ns is None:
            return events
        detections = replace(detections, stamp_ns=stamp_ns)
        events += self._sensor_rules.hear_detections(camera, detections, source.topic)
        return self._signed(events, now_ns)

    def hear_range(self, sensor: str, reading: RangeReading, now_ns: int) -> list[SafetyEvent]:
        """Take one range sensor's reading."""
        source = Source("range", sensor)
        events, stamp_ns = self._arrive(source, reading.stamp_ns, now_ns)
        if stamp_ns is None:
            return events
        events += self._sensor_rules.hear_range(sensor, reading, stamp_ns, source.topic)
        return self._signed(events, now_ns)

    def hear_transcript(self, transcript: Transcript, now_ns: int) -> list[SafetyEvent]:
        """Take a transcript, final or not; a spoken "stop" counts whatever its stamp says."""
        events = self._run_clock(now_ns)
        effect = "what was said counts all the same"
        self._stamps.is_ahead(_SPEECH, transcript.start_ns, now_ns, effect, effect)
        # The stamp is the beginning of speech, long ago at its end; its arrival is what counts.
        events += self._note_arrival(_SPEECH, now_ns, now_ns)
        for listener in self._listeners:
            events += listener.hear(transcript, now_ns)
        return self._signed(events, now_ns)

    def hear_health(
        self, entries: Iterable[Health], stamp_ns: int, now_ns: int
    ) -> list[SafetyEvent]:
        """Take diagnostic entries, named ``<node>: <part>``."""
        events = self._run_clock(now_ns)
        back_s, counts = 0.0, False
        for entry in entries:
            for watch in self._watches:
                if watch.source == _DIAGNOSTICS and watch.concerns(entry):
                    counts = True
                    back_s = max(back_s, watch.hear_health(entry, stamp_ns, now_ns))
        if counts and not self._stamps.tell_ahead(
            _DIAGNOSTICS, stamp_ns, now_ns, "health is unknown"
        ):
            self._stamps.tell_jump(_DIAGNOSTICS, back_s, "health is as old as its stamps")
        return self._signed(events + self._check_watches(now_ns), now_ns)

    def tick(self, now_ns: int) -> list[SafetyEvent]:
        """Let time pass: silence is noticed and held keywords end."""
        events = self._run_clock(now_ns) + self._judge(self._join.release())
        for listener in self._listeners:
            events += listener.tick(now_ns)
        return self._signed(events + self._check_watches(now_ns), now_ns)

    def stop(self, now_ns: int) -> list[SafetyEvent]:
        """End every condition, as nobody will notice its end; the state is unknown from then."""
        events = self._end_everything(now_ns, "monitoring was stopped")
        self._coverage.forget()
        for watch in self._watches:
            watch.forget()
        return self._signed(events, now_ns)

    def status(self, now_ns: int) -> SafetyStatus:
        """The state now, with its reasons, the gravest first.

        Danger outranks unknown, which outranks caution: an unknown may hide a danger.
        """
        reasons: dict[SafetyLevel, list[str]] = {level: [] for level in GRAVEST_FIRST}
        for conditions in self._all_conditions():
            reasons[conditions.level] += conditions.reasons()
        reasons[SafetyLevel.UNKNOWN] += [
            *self._coverage.reasons(),
            *(fault for watch in self._watches for fault in watch.faults(now_ns)),
        ]
        level = next((level for level, lines in reasons.items() if lines), SafetyLevel.CLEAR)
        lines = [f"{level.value}: {line}" for level, found in reasons.items() for line in found]
        return SafetyStatus(level, now_ns, tuple(dict.fromkeys(lines)))

    def zones(self, now_ns: int) -> tuple[ZoneStatus, ...]:
        """How each zone is now; a braking zone only while the robot's motion is known.

        What nobody sees is unknown, and so is every zone that would be clear while what tells of
        objects, of coverage or of the robot's motion is silent. Coverage is not told of braking
        zones: they are unknown where any zone is.
        """
        needed = (OBJECTS, OBJECT_SOURCES, COVERAGE, self._odometry)
        unknown = set(self._coverage.uncovered)
        if unknown:
            unknown |= {zone.name for zone in self.rules.braking_zones}
        if any(watch.faults(now_ns) for watch in self._watches if watch.source in needed):
            unknown |= {zone.name for zone in self.rules.all_zones}
        return tuple(
            replace(zone, level=graver(zone.level, SafetyLevel.UNKNOWN))
            if zone.name in unknown
            else zone
            for zone in self._objects.zones(self._own)
        )

    def _all_conditions(self) -> list[RuleConditions]:
        """The conditions of every rule but the watches."""
        return [
            *self._objects.conditions,
            *self._coverage.conditions,
            *self._sensor_rules.conditions,
            *(listener.conditions for listener in self._listeners),
        ]

    def _arrive(
        self, source: Source, stamp_ns: int, now_ns: int
    ) -> tuple[list[SafetyEvent], int | None]:
        """Note a measurement's arrival.

        Returns:
            events of it, and the time that its conditions go by, which never goes back; None
            where the stamp lies ahead of the clock and the measurement is left out.
        """
        events = self._run_clock(now_ns)
        ahead = self._stamps.is_ahead(
            source, stamp_ns, now_ns, "conditions go on by the clock", "the measurement is left out"
        )
        events += self._note_arrival(source, stamp_ns, now_ns)
        if ahead:
            return events, None
        return events, self._stamps.steady_ns(source, stamp_ns, now_ns)

    def _note_arrival(self, source: Source, stamp_ns: int, now_ns: int) -> list[SafetyEvent]:
        for watch in self._watches:
            if watch.source == source:
                watch.hear(stamp_ns, now_ns)
        return self._check_watches(now_ns)

    def _run_clock(self, now_ns: int) -> list[SafetyEvent]:
        """Follow the caller's clock; where it jumps back, everything begins anew."""
        before_ns = self._clock.newest_ns
        back_s = self._clock.jumped_back_s(now_ns)
        events: list[SafetyEvent] = []
        if back_s and before_ns is not None:
            line = f"it jumped back by {back_s:.1f} s; everything begins anew"
            self._on_notice("clock", InvalidInput("stamp_jump", line))
            events += self._end_everything(before_ns, "the clock jumped back")
            self._forget()
            for watch in self._watches:
                watch.restart(now_ns)
        for watch in self._watches:
            watch.begin(now_ns)
        return events

    def _end_everything(self, stamp_ns: int, why: str) -> list[SafetyEvent]:
        events = []
        for listener in self._listeners:
            events += listener.end(stamp_ns, why)
        for conditions in self._all_conditions():
            events += conditions.end(stamp_ns, why)
        for watch in self._watches:
            events += watch.conditions.end(stamp_ns, why)
        self._objects.forget()
        self._sensor_rules.forget()
        return events

    def _forget(self) -> None:
        """Forget stamps, and what is kept of measurements beside conditions."""
        self._stamps.reset()
        self._join.reset()
        self._register.reset()
        self._coverage.forget()
        self._own = None if self._odometry.sensor else OwnMotion()
        self._objects.forget()
        self._sensor_rules.forget()

    def _judge(self, ready: Iterable[Arrived]) -> list[SafetyEvent]:
        """What the rules say of objects."""
        return [
            event
            for arrived in ready
            for event in self._objects.update(
                replace(arrived.objects, stamp_ns=arrived.steady_ns),
                self._own,
                sources_known=arrived.sources_known,
            )
        ]

    def _signed(self, events: list[SafetyEvent], now_ns: int) -> list[SafetyEvent]:
        """The events with the sensors that are silent now."""
        if not events:
            return events
        silent = self._register.silent(self._watches, now_ns)
        return [replace(event, silent=silent) for event in events]

    def _check_watches(self, now_ns: int) -> list[SafetyEvent]:
        return [event for watch in self._watches for event in watch.update(now_ns)]
