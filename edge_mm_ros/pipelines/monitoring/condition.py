"""Conditions with hysteresis in time, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel
from edge_mm_ros.params.safety_rules import ObjectRuleBase
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

# An unknown may hide a danger.
GRAVEST_FIRST = (SafetyLevel.DANGER, SafetyLevel.UNKNOWN, SafetyLevel.CAUTION, SafetyLevel.CLEAR)


def graver(one: SafetyLevel, other: SafetyLevel) -> SafetyLevel:
    """The graver one of two levels."""
    return min(one, other, key=GRAVEST_FIRST.index)


@dataclass(frozen=True)
class Timing:
    """When a condition counts.

    Attributes:
        enter_after_ns: how long it must hold before it starts.
        enter_after_frames: for how many measurements it must hold before it starts.
        dwell_ns: when it is told once more; 0: never.
        leave_after_ns: how long it must not hold, or not be seen, before it ends.
    """

    enter_after_ns: int = 0
    enter_after_frames: int = 1
    dwell_ns: int = 0
    leave_after_ns: int = 0


def timing_of(rule: ObjectRuleBase, dwell_s: float = 0.0, frames: int | None = None) -> Timing:
    """When the conditions of a rule count; `frames` stands for its own number of measurements."""
    return Timing(
        to_ns(rule.enter_after_s),
        rule.enter_after_frames if frames is None else frames,
        to_ns(dwell_s),
        to_ns(rule.leave_after_s),
    )


@dataclass(frozen=True)
class Finding:
    """What one measurement says of one subject.

    Attributes:
        held: whether the rule's condition holds.
        reason: clause without measured values, for example ``person 3 is in zone 'bay'``.
        over: clause that says that it is over, for example ``person 3 has left zone 'bay'``.
        details: measured values in words, appended to `reason`.
        values: measured values with their units in the names.
        label, track_id, sensor: the subject.
        supporting: the sensors that it rests on.
        seen: whether it is measured; else it is predicted.
        last_seen: clause for `reason` while it is no longer measured.
    """

    held: bool
    reason: str
    over: str
    details: str = ""
    values: Mapping[str, float | str] = field(default_factory=dict)
    label: str = ""
    track_id: str = ""
    sensor: str = ""
    supporting: tuple[str, ...] = ()
    seen: bool = True
    last_seen: str = ""


class Condition:
    """One rule about one subject, from the first hint to the end."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self.event_id = ""
        self.first_ns: int | None = None
        self.finding: Finding | None = None
        self.evidence: tuple[str, ...] = ()
        self._frames = 0
        self._last_held_ns = 0
        self._dwell_told = False

    @property
    def started(self) -> bool:
        """Whether it has begun and not ended."""
        return bool(self.event_id)

    @property
    def idle(self) -> bool:
        """Whether nothing is left of it."""
        return self.first_ns is None

    def step(self, finding: Finding | None, stamp_ns: int, next_id: str) -> EventPhase | None:
        """Take one measurement.

        Args:
            finding: what it says of the subject; None where the subject is not in it.
            stamp_ns: its stamp, not before the last one.
            next_id: the event's id should it start.

        Returns:
            the phase to tell of, if any. At the end, the caller calls `clear`.
        """
        timing = self._timing
        if finding is not None and finding.held:
            self.finding = finding
            self._frames += 1
            self._last_held_ns = stamp_ns
            if self.first_ns is None:
                self.first_ns = stamp_ns
            held_ns = stamp_ns - self.first_ns
            if not self.started:
                if self._frames < timing.enter_after_frames or held_ns < timing.enter_after_ns:
                    return None
                self.event_id = next_id
                return EventPhase.STARTED
            if timing.dwell_ns and held_ns >= timing.dwell_ns and not self._dwell_told:
                self._dwell_told = True
                return EventPhase.ONGOING
            return None
        if self.idle:
            return None
        gone_ns = stamp_ns - self._last_held_ns
        if not self.started:
            # Seen elsewhere, the hint is refuted; not seen, it may be a gap in the detections.
            if finding is not None or gone_ns >= timing.leave_after_ns:
                self.clear()
            return None
        return EventPhase.ENDED if gone_ns >= timing.leave_after_ns else None

    def clear(self) -> None:
        """Forget everything."""
        self.event_id = ""
        self.first_ns = None
        self.finding = None
        self._frames = 0
        self._dwell_told = False


class RuleConditions:
    """The conditions of one rule, one for each subject.

    Args:
        rule: the rule's name.
        kind: the rule's kind.
        level: what a condition means.
        timing: when it counts.
        id_stem: what event ids begin with; empty: the rule's name.
    """

    def __init__(
        self, rule: str, kind: str, level: SafetyLevel, timing: Timing, id_stem: str = ""
    ) -> None:
        self.rule = rule
        self._id_stem = id_stem or rule
        self.kind = kind
        self.level = level
        self._timing = timing
        self._conditions: dict[str, Condition] = {}
        self._count = 0

    def started(self, subject: str) -> bool:
        """Whether the condition of a subject has begun and not ended."""
        condition = self._conditions.get(subject)
        return condition is not None and condition.started

    def last(self, subject: str) -> Finding:
        """What was found of a subject last, while its condition held; it has started."""
        finding = self._conditions[subject].finding
        assert finding is not None
        return finding

    def reasons(self) -> list[str]:
        """One clause for each condition that has begun and not ended."""
        return [
            condition.finding.reason
            for _, condition in sorted(self._conditions.items())
            if condition.started and condition.finding is not None
        ]

    def update(
        self,
        findings: Mapping[str, Finding],
        stamp_ns: int,
        evidence: tuple[str, ...],
        *,
        complete: bool = False,
    ) -> list[SafetyEvent]:
        """Take one measurement.

        Args:
            findings: what it says, by subject.
            stamp_ns: its stamp.
            evidence: the topics that it rests on.
            complete: whether subjects that it does not name count as not seen.
        """
        events = []
        for subject in sorted({*self._conditions, *findings} if complete else findings):
            condition = self._conditions.setdefault(subject, Condition(self._timing))
            condition.evidence = evidence
            phase = condition.step(
                findings.get(subject), stamp_ns, f"{self._id_stem}-{self._count + 1}"
            )
            if phase is EventPhase.STARTED:
                self._count += 1
            if phase is not None:
                events.append(self._event(condition, phase, stamp_ns))
            if phase is EventPhase.ENDED:
                condition.clear()
            if condition.idle:
                del self._conditions[subject]
        return events

    def end(self, stamp_ns: int, why: str, subject: str | None = None) -> list[SafetyEvent]:
        """End and forget the condition of a subject, or all of them, now.

        Args:
            stamp_ns: the stamp of the end.
            why: clause that says why; empty: it is over by itself.
            subject: the subject; None: all.
        """
        events = []
        for name in sorted(self._conditions):
            if subject is None or name == subject:
                condition = self._conditions.pop(name)
                if condition.started:
                    events.append(self._event(condition, EventPhase.ENDED, stamp_ns, why))
        return events

    def reset(self) -> None:
        """Forget everything, ids included."""
        self._conditions.clear()
        self._count = 0

    def _event(
        self, condition: Condition, phase: EventPhase, stamp_ns: int, why: str = ""
    ) -> SafetyEvent:
        finding = condition.finding
        assert finding is not None and condition.first_ns is not None
        lasted_s = max(stamp_ns - condition.first_ns, 0) / NS_PER_S
        if phase is EventPhase.ENDED:
            text = f"{why or finding.over} after {lasted_s:.1f} s"
        elif phase is EventPhase.ONGOING:
            text = f"{finding.reason}{finding.details}, for {lasted_s:.1f} s now"
        else:
            text = f"{finding.reason}{finding.details}"
        return SafetyEvent(
            event_id=condition.event_id,
            phase=phase,
            level=self.level,
            rule=self.rule,
            kind=self.kind,
            stamp_ns=stamp_ns,
            started_ns=condition.first_ns,
            message=f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('?', '.')) else '.'}",
            label=finding.label,
            track_id=finding.track_id,
            sensor=finding.sensor,
            values={**finding.values, "dwell_s": lasted_s},
            evidence=condition.evidence,
            supporting=finding.supporting,
        )
