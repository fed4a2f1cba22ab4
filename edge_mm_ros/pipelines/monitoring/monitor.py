"""The safety monitor: measurements in, events and the state out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from edge_mm_ros.datatypes import (
    Detections,
    Health,
    InvalidInput,
    Objects,
    RangeReading,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    Transcript,
)
from edge_mm_ros.params.base import ParameterError
from edge_mm_ros.params.safety_rules import (
    FallenRule,
    KeywordRule,
    MinimumDistanceRule,
    SafetyRules,
    StaleRule,
    ZoneRule,
)
from edge_mm_ros.pipelines.monitoring.condition import RuleConditions, Timing
from edge_mm_ros.pipelines.monitoring.keywords import KeywordListener
from edge_mm_ros.pipelines.monitoring.object_rules import (
    FallenEvidence,
    findings_of_distance,
    findings_of_range,
    findings_of_zone,
)
from edge_mm_ros.pipelines.monitoring.watch import Source, Watch
from edge_mm_ros.pipelines.stamps import NS_PER_S, StampGuard, SteadyTime, to_ns

_OBJECTS = Source("objects")
_SPEECH = Source("speech")
_DIAGNOSTICS = Source("diagnostics")


class SafetyMonitor:
    """Applies rules to what the sensors tell.

    Conditions follow the measurements' stamps, silence follows the clock that the caller passes
    as `now_ns`. What was last known to be dangerous stays dangerous while its sensor is silent.
    Where a sensor's stamps go back, its conditions go on by the clock, as if they had not; where
    they lie ahead of the clock, the measurement is left out and the state is unknown.

    Args:
        rules: zones and rules.
        cameras: topic prefixes of the cameras.
        ultrasonics: topic prefixes of the range sensors.
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
    ) -> None:
        self.rules = rules
        self._sensors = {"detections": tuple(cameras), "range": tuple(ultrasonics)}
        self._on_notice = on_notice
        self._clock = StampGuard()
        self._stamps: dict[Source, StampGuard] = {}
        self._times: dict[Source, SteadyTime] = {}
        self._object_rules: list[tuple[ZoneRule | MinimumDistanceRule, RuleConditions]] = []
        self._range_rules: list[tuple[MinimumDistanceRule, RuleConditions]] = []
        self._fallen_rules: list[tuple[FallenRule, FallenEvidence, RuleConditions]] = []
        self._listeners: list[KeywordListener] = []
        for rule in rules.rules:
            if isinstance(rule, ZoneRule):
                level = rules.zone(rule.zone).level.safety
                self._object_rules.append((rule, _conditions(rule, level, to_ns(rule.dwell_s))))
            elif isinstance(rule, MinimumDistanceRule):
                kept = self._object_rules if rule.input == "objects" else self._range_rules
                kept.append((rule, _conditions(rule, rule.level.safety)))
            elif isinstance(rule, FallenRule):
                conditions = _conditions(rule, rule.level.safety, frames=1)
                self._fallen_rules.append((rule, FallenEvidence(rule), conditions))
            elif isinstance(rule, KeywordRule):
                self._listeners.append(KeywordListener(rule, (_SPEECH.topic,)))
        self._watches = self._make_watches()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Everything that the rules need to hear."""
        heard = [watch.source for watch in self._watches]
        if self._listeners:
            heard.append(_SPEECH)
        return tuple(dict.fromkeys(heard))

    def reset(self) -> None:
        """Begin as if nothing had ever been heard."""
        self._clock.reset()
        self._stamps.clear()
        self._times.clear()
        for conditions in self._all_conditions():
            conditions.reset()
        for _, evidence, _ in self._fallen_rules:
            evidence.forget()
        for listener in self._listeners:
            listener.reset()
        for watch in self._watches:
            watch.reset()

    def hear_objects(self, objects: Objects, now_ns: int) -> list[SafetyEvent]:
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
        events, stamp_ns = self._arrive(_OBJECTS, objects.stamp_ns, now_ns)
        if stamp_ns is None:
            return events
        objects = replace(objects, stamp_ns=stamp_ns)
        names, evidence = self.rules.names, (_OBJECTS.topic,)
        for rule, conditions in self._object_rules:
            if isinstance(rule, ZoneRule):
                zone = self.rules.zone(rule.zone)
                findings = findings_of_zone(rule, zone, objects, conditions.started, names)
            else:
                findings = findings_of_distance(rule, objects, conditions.started, names)
            events += conditions.update(findings, stamp_ns, evidence, complete=True)
        for fallen_rule, fallen, conditions in self._fallen_rules:
            if fallen_rule.input == "objects":
                findings = fallen.of_objects(objects, names)
                events += conditions.update(findings, stamp_ns, evidence, complete=True)
        return events

    def hear_detections(
        self, camera: str, detections: Detections, now_ns: int
    ) -> list[SafetyEvent]:
        """Take one camera's detections."""
        source = Source("detections", camera)
        events, stamp_ns = self._arrive(source, detections.stamp_ns, now_ns)
        if stamp_ns is None:
            return events
        detections = replace(detections, stamp_ns=stamp_ns)
        for rule, fallen, conditions in self._fallen_rules:
            if rule.input == "detections" and camera in (rule.sensors or (camera,)):
                findings = fallen.of_detections(camera, detections, self.rules.names)
                events += conditions.update(findings, stamp_ns, (source.topic,))
        return events

    def hear_range(self, sensor: str, reading: RangeReading, now_ns: int) -> list[SafetyEvent]:
        """Take one range sensor's reading."""
        source = Source("range", sensor)
        events, stamp_ns = self._arrive(source, reading.stamp_ns, now_ns)
        if stamp_ns is None:
            return events
        for rule, conditions in self._range_rules:
            if sensor in (rule.sensors or (sensor,)):
                findings = findings_of_range(rule, sensor, reading, conditions.started)
                events += conditions.update(findings, stamp_ns, (source.topic,))
        return events

    def hear_transcript(self, transcript: Transcript, now_ns: int) -> list[SafetyEvent]:
        """Take a transcript, final or not; a spoken "stop" counts whatever its stamp says."""
        events = self._run_clock(now_ns)
        effect = "what was said counts all the same"
        self._check_stamp(_SPEECH, transcript.start_ns, now_ns, effect, effect)
        # The stamp is the beginning of speech, long ago at its end; its arrival is what counts.
        events += self._note_arrival(_SPEECH, now_ns, now_ns)
        for listener in self._listeners:
            events += listener.hear(transcript, now_ns)
        return events

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
        if counts and not self._tell_ahead(_DIAGNOSTICS, stamp_ns, now_ns, "health is unknown"):
            self._tell_jump(_DIAGNOSTICS, back_s, "health is as old as its stamps")
        return events + self._check_watches(now_ns)

    def tick(self, now_ns: int) -> list[SafetyEvent]:
        """Let time pass: silence is noticed and held keywords end."""
        events = self._run_clock(now_ns)
        for listener in self._listeners:
            events += listener.tick(now_ns)
        return events + self._check_watches(now_ns)

    def stop(self, now_ns: int) -> list[SafetyEvent]:
        """End every condition, as nobody will notice its end; the state is unknown from then."""
        events = self._end_everything(now_ns, "monitoring was stopped")
        for watch in self._watches:
            watch.forget()
        return events

    def status(self, now_ns: int) -> SafetyStatus:
        """The state now, with its reasons, the gravest first.

        Danger outranks unknown, which outranks caution: an unknown may hide a danger.
        """
        reasons: dict[SafetyLevel, list[str]] = {
            SafetyLevel.DANGER: [],
            SafetyLevel.UNKNOWN: [],
            SafetyLevel.CAUTION: [],
        }
        for conditions in self._all_conditions():
            reasons[conditions.level] += conditions.reasons()
        reasons[SafetyLevel.UNKNOWN] += [
            fault for watch in self._watches if (fault := watch.fault(now_ns))
        ]
        level = next((level for level, lines in reasons.items() if lines), SafetyLevel.CLEAR)
        lines = [f"{level.value}: {line}" for level, found in reasons.items() for line in found]
        return SafetyStatus(level, now_ns, tuple(dict.fromkeys(lines)))

    def _all_conditions(self) -> list[RuleConditions]:
        """The conditions of every rule but the watches."""
        return [
            *(conditions for _, conditions in self._object_rules),
            *(conditions for _, conditions in self._range_rules),
            *(conditions for _, _, conditions in self._fallen_rules),
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
        ahead = self._check_stamp(
            source, stamp_ns, now_ns, "conditions go on by the clock", "the measurement is left out"
        )
        events += self._note_arrival(source, stamp_ns, now_ns)
        if ahead:
            return events, None
        return events, self._times.setdefault(source, SteadyTime()).at(stamp_ns, now_ns)

    def _note_arrival(self, source: Source, stamp_ns: int, now_ns: int) -> list[SafetyEvent]:
        for watch in self._watches:
            if watch.source == source:
                watch.hear(stamp_ns, now_ns)
        return self._check_watches(now_ns)

    def _check_stamp(
        self, source: Source, stamp_ns: int, now_ns: int, effect: str, effect_ahead: str
    ) -> bool:
        """Tell of a stamp that jumps back or lies ahead of the clock; returns whether it is ahead.

        One that is ahead is no measure for those that follow.
        """
        if self._tell_ahead(source, stamp_ns, now_ns, effect_ahead):
            return True
        guard = self._stamps.setdefault(source, StampGuard())
        self._tell_jump(source, guard.jumped_back_s(stamp_ns), effect)
        return False

    def _tell_ahead(self, source: Source, stamp_ns: int, now_ns: int, effect: str) -> bool:
        ahead_s = (stamp_ns - now_ns) / NS_PER_S
        ahead = ahead_s > self.rules.clock_tolerance_s
        if ahead:
            line = f"stamps lie {ahead_s:.1f} s ahead of the clock; {effect}; is its clock right?"
            self._on_notice(source.topic, InvalidInput("stamp_ahead", line))
        return ahead

    def _tell_jump(self, source: Source, back_s: float, effect: str) -> None:
        if back_s:
            line = f"stamps jumped back by {back_s:.1f} s; {effect}; was a clock set back?"
            self._on_notice(source.topic, InvalidInput("stamp_jump", line))

    def _run_clock(self, now_ns: int) -> list[SafetyEvent]:
        """Follow the caller's clock; where it jumps back, everything begins anew."""
        before_ns = self._clock.newest_ns
        back_s = self._clock.jumped_back_s(now_ns)
        events: list[SafetyEvent] = []
        if back_s and before_ns is not None:
            line = f"it jumped back by {back_s:.1f} s; everything begins anew"
            self._on_notice("clock", InvalidInput("stamp_jump", line))
            events += self._end_everything(before_ns, "the clock jumped back")
            self._stamps.clear()
            self._times.clear()
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
        for _, fallen, _ in self._fallen_rules:
            fallen.forget()
        return events

    def _check_watches(self, now_ns: int) -> list[SafetyEvent]:
        return [event for watch in self._watches for event in watch.update(now_ns)]

    def _make_watches(self) -> list[Watch]:
        """The stale rules' watches, and one for each further input that a rule uses."""
        watches = []
        tolerance_s = self.rules.clock_tolerance_s
        for rule in self.rules.rules:
            if isinstance(rule, StaleRule):
                for source in self._sources_of(rule):
                    watches.append(
                        Watch(
                            rule.name,
                            source,
                            rule.timeout_s,
                            tolerance_s,
                            rule.component,
                            rule.accept_warnings,
                        )
                    )
        watched = {watch.source for watch in watches}
        for rule in self.rules.rules:
            if isinstance(rule, (StaleRule, KeywordRule)):
                continue
            for source in self._sources_of(rule):
                if source not in watched:
                    watched.add(source)
                    name = f"stale_{source.topic}"
                    watches.append(Watch(name, source, self.rules.input_timeout_s, tolerance_s))
        return watches

    def _sources_of(
        self, rule: ZoneRule | MinimumDistanceRule | FallenRule | StaleRule
    ) -> list[Source]:
        """The sources that a rule listens to."""
        if isinstance(rule, ZoneRule):
            return [_OBJECTS]
        if rule.input not in self._sensors:
            return [Source(rule.input)]
        listed = self._sensors[rule.input]
        strangers = [sensor for sensor in rule.sensors if sensor not in listed]
        if strangers or not listed:
            what = "cameras" if rule.input == "detections" else "ultrasonics"
            wanted = ", ".join(strangers) or f"at least one of the {what}"
            raise ParameterError(
                f"rule '{rule.name}' needs {wanted}; {what} lists {', '.join(listed) or 'none'}"
            )
        return [Source(rule.input, sensor) for sensor in rule.sensors or listed]


def _conditions(
    rule: ZoneRule | MinimumDistanceRule | FallenRule,
    level: SafetyLevel,
    dwell_ns: int = 0,
    frames: int | None = None,
) -> RuleConditions:
    timing = Timing(
        to_ns(rule.enter_after_s),
        rule.enter_after_frames if frames is None else frames,
        dwell_ns,
        to_ns(rule.leave_after_s),
    )
    return RuleConditions(rule.name, rule.kind, level, timing)
