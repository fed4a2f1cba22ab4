"""Safety events that were told against those that should have been."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel, SafetyStatus
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_EARLY_S = 0.5  # what is told so much too early is noise at the border, not a false event


@dataclass(frozen=True)
class EventOutcome:
    """What became of one expected event.

    Attributes:
        rule: its rule.
        who: the object or sensor.
        start_ns: when it began to hold.
        delay_s: until it was told, at least 0; NaN where it never was.
        late: told, but later than it should have been.
    """

    rule: str
    who: str
    start_ns: int
    delay_s: float
    late: bool

    @property
    def missed(self) -> bool:
        """Whether it was never told."""
        return self.delay_s != self.delay_s


@dataclass(frozen=True)
class EventScore:
    """All expected events, and what was told beyond them.

    Attributes:
        outcomes: one for each expected event.
        false_events: events of rules with expectations that stand for none.
        clear_in_danger_s: how long the state was clear while an expected event had been due.
    """

    outcomes: tuple[EventOutcome, ...]
    false_events: int
    clear_in_danger_s: float

    @property
    def missed(self) -> int:
        """How many were never told."""
        return sum(outcome.missed for outcome in self.outcomes)

    @property
    def late(self) -> int:
        """How many were told too late."""
        return sum(outcome.late for outcome in self.outcomes)


@dataclass(frozen=True)
class _Span:
    rule: str
    who: str
    start_ns: int
    end_ns: int
    within_ns: int


def score_events(
    expected: Sequence[SafetyEvent],
    told: Sequence[SafetyEvent],
    states: Sequence[SafetyStatus],
    end_ns: int,
) -> EventScore:
    """Compare by rule and time; of several at once, each told event stands for one.

    Args:
        expected: begins and ends, with ``within_s`` among their values.
        told: begins and ends as the monitor told them.
        states: the states of safety, in order.
        end_ns: when the recording ends; what has not ended by then ends there.
    """
    wanted = _spans(expected, end_ns)
    # After the end every sensor is silent, which is nobody's fault.
    free = [span for span in _spans(told, end_ns) if span.start_ns <= end_ns]
    excused = set()
    outcomes = []
    for span in wanted:
        # An event that is told while it holds, or until it is too late to matter.
        fitting = [
            one
            for one in free
            if one.rule == span.rule
            and one.end_ns >= span.start_ns - to_ns(_EARLY_S)
            and one.start_ns <= span.end_ns + span.within_ns
        ]
        excused.update(fitting)
        best = min(fitting, key=lambda one: abs(one.start_ns - span.start_ns), default=None)
        if best is None:
            outcomes.append(
                EventOutcome(span.rule, span.who, span.start_ns, float("nan"), late=False)
            )
            continue
        free.remove(best)
        delay_ns = max(0, best.start_ns - span.start_ns)
        outcomes.append(
            EventOutcome(
                span.rule,
                span.who,
                span.start_ns,
                delay_ns / NS_PER_S,
                late=delay_ns > span.within_ns,
            )
        )
    rules = {span.rule for span in wanted} | {event.rule for event in expected}
    false_events = sum(one.rule in rules and one not in excused for one in free)
    return EventScore(tuple(outcomes), false_events, _clear_in_danger_s(wanted, states, end_ns))


def _spans(events: Sequence[SafetyEvent], end_ns: int) -> list[_Span]:
    """From begin to end of each event, by its id."""
    begun: dict[str, SafetyEvent] = {}
    spans: dict[str, _Span] = {}
    for event in events:
        if event.phase is EventPhase.STARTED:
            begun[event.event_id] = event
        first = begun.get(event.event_id)
        if first is None:
            continue
        over = event.phase is EventPhase.ENDED
        within_s = float(first.values.get("within_s", 0.0))
        spans[event.event_id] = _Span(
            first.rule,
            first.track_id or first.sensor,
            first.stamp_ns,
            event.stamp_ns if over else max(end_ns, first.stamp_ns),
            to_ns(within_s),
        )
    return sorted(spans.values(), key=lambda span: span.start_ns)


def _clear_in_danger_s(
    wanted: Sequence[_Span], states: Sequence[SafetyStatus], end_ns: int
) -> float:
    """Time in which the state is clear although something should have been told."""
    edges = sorted(
        {span.start_ns + span.within_ns for span in wanted if span.end_ns > span.start_ns}
        | {span.end_ns for span in wanted}
        | {state.stamp_ns for state in states}
        | {end_ns}
    )
    total = 0
    for begin, end in itertools.pairwise(edges):
        due = any(span.start_ns + span.within_ns <= begin < span.end_ns for span in wanted)
        known = [state for state in states if state.stamp_ns <= begin]
        if due and known and known[-1].level is SafetyLevel.CLEAR:
            total += end - begin
    return total / NS_PER_S
