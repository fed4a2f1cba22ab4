"""What happened and what was said: events merged from begin to end, and transcripts."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel, Transcript
from edge_mm_ros.pipelines.summarization.plain_text import named, plain
from edge_mm_ros.pipelines.summarization.statements import Statement, begun, statement_of

_MAX_SENSORS = 32
_WORST_FIRST = (
    SafetyLevel.DANGER,
    SafetyLevel.UNKNOWN,
    SafetyLevel.CAUTION,
    SafetyLevel.CLEAR,
)


def severity(level: SafetyLevel) -> int:
    """0 for the worst level."""
    return _WORST_FIRST.index(level)


@dataclass(frozen=True)
class Incident:
    """A condition from its start to its end; its texts are plain lines.

    Attributes:
        event_id: id of its events.
        rule: the rule's name.
        kind: the rule's kind.
        level: the worst that it meant.
        started_ns: when it began.
        last_ns: its newest event.
        ended_ns: when it ended; None while it goes on.
        message: the sentence of its first event, without the final stop.
        statement: what the message states, without measured values; None where it is no clause
            with a known verb.
        label: class of the object concerned.
        track_id: track of the object concerned.
        sensor: sensor concerned.
        word: the spoken keyword; empty where it is about something else.
        nearest_m: the smallest distance that was measured; None where none was.
        confidence: the highest that was given, 0 to 1; None where none was.
        supporting: sensors that confirm it.
        silent: sensors that should confirm it and do not.
    """

    event_id: str
    rule: str
    kind: str
    level: SafetyLevel
    started_ns: int
    last_ns: int
    ended_ns: int | None
    message: str
    label: str
    track_id: str
    sensor: str
    word: str
    nearest_m: float | None
    confidence: float | None = None
    supporting: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    statement: Statement | None = None

    @property
    def sensors(self) -> tuple[str, ...]:
        """Who saw it, or whom it concerns; without those that its message names."""
        found = self.supporting or tuple(part for part in self.sensor.split(",") if part)
        return tuple(sensor for sensor in found if named(sensor) not in self.message)

    @classmethod
    def from_event(cls, event: SafetyEvent) -> Incident:
        """What one event alone tells."""
        word = event.values.get("word", "")
        message = plain(event.message).rstrip(" .")
        if event.phase is EventPhase.ENDED:  # it tells of the end, not of what has ended
            message = begun(message)
        return cls(
            event_id=event.event_id,
            rule=plain(event.rule),
            kind=plain(event.kind),
            level=event.level,
            started_ns=event.started_ns,
            last_ns=event.stamp_ns,
            ended_ns=event.stamp_ns if event.phase is EventPhase.ENDED else None,
            message=message,
            label=plain(event.label),
            track_id=plain(event.track_id),
            sensor=plain(event.sensor),
            word=plain(word) if isinstance(word, str) else "",
            nearest_m=_number(event, "distance_m"),
            confidence=_number(event, "confidence"),
            supporting=_names(getattr(event, "supporting", ())),
            silent=_names(getattr(event, "silent", ())),
            statement=statement_of(message, plain(event.label)),
        )

    def merged(self, later: Incident) -> Incident:
        """Together with what a later event of the same condition tells."""
        distances = [d for d in (self.nearest_m, later.nearest_m) if d is not None]
        confidences = [c for c in (self.confidence, later.confidence) if c is not None]
        # Events may come in any order: the message is that of the earliest that has one.
        first = min((i for i in (self, later) if i.message), key=_stamp, default=self)
        return replace(
            self,
            level=min(self.level, later.level, key=severity),
            last_ns=max(self.last_ns, later.last_ns),
            ended_ns=later.ended_ns if later.ended_ns is not None else self.ended_ns,
            message=first.message,
            sensor=_joined(self.sensor, later.sensor),
            statement=first.statement,
            nearest_m=min(distances, default=None),
            confidence=max(confidences, default=None),
            supporting=tuple(dict.fromkeys((*self.supporting, *later.supporting))),
            silent=tuple(dict.fromkeys((*self.silent, *later.silent))),
        )


@dataclass(frozen=True)
class EventWindow:
    """What a report tells of.

    Attributes:
        start_ns: begin, nanoseconds.
        end_ns: end, nanoseconds.
        incidents: by their begin.
        transcripts: by their begin.
    """

    start_ns: int
    end_ns: int
    incidents: tuple[Incident, ...] = ()
    transcripts: tuple[Transcript, ...] = ()


class EventRecord:
    """Keeps the newest incidents and transcripts.

    Args:
        capacity: incidents, and transcripts, that are kept.

    Attributes:
        forgotten: how many were too many to be kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._incidents: OrderedDict[tuple[str, int], Incident] = OrderedDict()
        self._transcripts: deque[Transcript] = deque(maxlen=capacity)
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._incidents) + len(self._transcripts)

    def add_event(self, event: SafetyEvent) -> Incident:
        """Add an event; returns all that is known of its condition by now."""
        incident = Incident.from_event(event)
        known = self._incidents.get((incident.event_id, incident.started_ns))
        incident = incident if known is None else known.merged(incident)
        self.add_incident(incident)
        return incident

    def add_incident(self, incident: Incident) -> None:
        """Add an incident, or replace what was known of it."""
        key = (incident.event_id, incident.started_ns)
        self._incidents[key] = incident
        self._incidents.move_to_end(key)
        if len(self._incidents) > self._capacity:
            self._incidents.popitem(last=False)
            self.forgotten += 1

    def add_transcript(self, transcript: Transcript) -> None:
        """Add what was said."""
        self.forgotten += len(self._transcripts) == self._capacity
        self._transcripts.append(transcript)

    def clear(self) -> None:
        """Forget everything."""
        self._incidents.clear()
        self._transcripts.clear()

    def window(self, start_ns: int, end_ns: int) -> EventWindow:
        """Everything that is kept, as a window of that time."""
        return EventWindow(
            start_ns,
            end_ns,
            tuple(sorted(self._incidents.values(), key=lambda i: (i.started_ns, i.event_id))),
            tuple(sorted(self._transcripts, key=lambda t: (t.start_ns, t.text))),
        )


def _joined(one: str, other: str) -> str:
    """Two lists of sensors as one, each sensor once."""
    if not other or one == other:
        return one
    parts = [part for part in (*one.split(","), *other.split(",")) if part]
    return ",".join(list(dict.fromkeys(parts))[:_MAX_SENSORS])


def _stamp(incident: Incident) -> int:
    return incident.last_ns


def _number(event: SafetyEvent, key: str) -> float | None:
    value = event.values.get(key)
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None


def _names(found: Iterable[str]) -> tuple[str, ...]:
    """Names of sensors as one line each."""
    return tuple(name for each in found if (name := plain(each)))
