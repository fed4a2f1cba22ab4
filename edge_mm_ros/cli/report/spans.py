"""Stretches of time that follow from events and states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel, SafetyStatus

SEVERITY = {
    SafetyLevel.CLEAR: 0,
    SafetyLevel.CAUTION: 1,
    SafetyLevel.UNKNOWN: 2,
    SafetyLevel.DANGER: 3,
}


@dataclass(frozen=True)
class EventSpan:
    """A condition from its start to its end.

    Attributes:
        first: the event that told of it first.
        last: the event that told of it last.
        level: the worst that it meant.
        start_ns: when it began.
        told_ns: when it was told.
        end_ns: when it ended; None where it had not when the recording did.
    """

    first: SafetyEvent
    last: SafetyEvent
    level: SafetyLevel
    start_ns: int
    told_ns: int
    end_ns: int | None


@dataclass(frozen=True)
class StateSpan:
    """A stretch of one state; the reasons are all that were given in it, each once."""

    level: SafetyLevel
    start_ns: int
    end_ns: int
    reasons: tuple[str, ...]


def event_spans(events: Iterable[SafetyEvent]) -> list[EventSpan]:
    """One span per event id, in order of their starts."""
    by_id: dict[str, list[SafetyEvent]] = {}
    for event in events:
        by_id.setdefault(event.event_id, []).append(event)
    spans = []
    for told in by_id.values():
        ended = [event.stamp_ns for event in told if event.phase is EventPhase.ENDED]
        spans.append(
            EventSpan(
                first=told[0],
                last=told[-1],
                level=max((event.level for event in told), key=SEVERITY.__getitem__),
                start_ns=min(event.started_ns for event in told),
                told_ns=told[0].stamp_ns,
                end_ns=ended[-1] if ended else None,
            )
        )
    return sorted(spans, key=lambda span: (span.start_ns, span.told_ns))


def state_spans(states: Iterable[SafetyStatus], end_ns: int) -> list[StateSpan]:
    """Neighbouring states of one level joined, each up to the next one's stamp.

    Args:
        states: in order of time; one whose stamp jumps back ends nothing.
        end_ns: where the last one ends.
    """
    spans: list[StateSpan] = []
    for state in states:
        if spans and spans[-1].level is state.level:
            last = spans[-1]
            reasons = tuple(dict.fromkeys((*last.reasons, *state.reasons)))
            spans[-1] = StateSpan(last.level, last.start_ns, last.end_ns, reasons)
            continue
        if spans:
            last = spans[-1]
            begin = max(state.stamp_ns, last.start_ns)
            spans[-1] = StateSpan(last.level, last.start_ns, begin, last.reasons)
        else:
            begin = state.stamp_ns
        spans.append(StateSpan(state.level, begin, begin, state.reasons))
    if spans:
        last = spans[-1]
        spans[-1] = StateSpan(last.level, last.start_ns, max(end_ns, last.start_ns), last.reasons)
    return [span for span in spans if span.end_ns > span.start_ns]
