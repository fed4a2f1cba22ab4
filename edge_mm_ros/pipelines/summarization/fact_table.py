"""The facts of a window, each with an id: what a language model may tell, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_mm_ros.datatypes import SafetyLevel
from edge_mm_ros.pipelines.summarization.facts import (
    Group,
    confidence_of,
    grouped,
    sensors_of,
    worst,
)
from edge_mm_ros.pipelines.summarization.plain_text import listed, named
from edge_mm_ros.pipelines.summarization.record import EventWindow, Incident, severity
from edge_mm_ros.pipelines.summarization.statements import plural_of
from edge_mm_ros.pipelines.summarization.times import Times, duration

OVERVIEW = "f0"
ENOUGH_FACTS = 5
_MAX_SUBJECTS = 3
_TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times",
          7: "seven times", 8: "eight times", 9: "nine times", 10: "ten times"}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """One kind of event, once or several times; times and figures as they are told.

    Attributes:
        fact_id: ``f1``, ``f2`` and so on, in the order of their begin.
        subject: who or what, for example ``person 3`` or ``person 3 and person 7``.
        predicate: verb and what follows, for example ``was in zone 'bay'``.
        critical: whether it must be told.
        subjects: how many different ones the subject stands for.
        count: how many times.
        begin_ns: when the first began.
        begin: the same as text, for example ``1.0 s``.
        last: when the last began; empty where that is told as the first, or there is one only.
        since_before: whether it began before the window; `begin` then is the window's.
        end: when the last one ended; empty where one goes on.
        lasted: how long, for example ``3.5 s``; empty where one goes on or there are several.
        going_on: how many of them go on at the end.
        nearest: the smallest distance in metres; empty where none was measured.
        level: the worst.
        rule: the rule's name.
        sensors: who saw it, for example ``sensors 'camera' and 'lidar'``; empty where that is not
            known, or too many to tell.
        confidence: the highest, for example ``0.87``; empty where none was given.
        event_ids: the events.
    """

    fact_id: str
    subject: str
    predicate: str
    critical: bool
    subjects: int
    count: int
    begin_ns: int
    begin: str
    last: str
    since_before: bool
    end: str
    lasted: str
    going_on: int
    nearest: str
    level: str
    rule: str
    sensors: str
    confidence: str
    event_ids: tuple[str, ...]

    @property
    def clause(self) -> str:
        """What happened, without when."""
        return f"{self.subject} {self.predicate}"

    @property
    def figures(self) -> str:
        """All its times and figures."""
        counts = (str(self.count), str(self.going_on)) if self.count > 1 else ()
        figures = (self.begin, self.last, self.end, self.lasted, self.nearest, self.confidence)
        return " ".join((*figures, *counts))

    @property
    def each_once(self) -> bool:
        """Whether it happened once to each of several."""
        return self.count > 1 and self.subjects == self.count

    @property
    def counted(self) -> str:
        """How often, for example ``twice``; empty for a single time."""
        if self.count == 1:
            return ""
        if self.each_once:
            return "once each"
        times = _TIMES.get(self.count, f"{self.count} times")
        return f"{times} in all" if self.subjects > 1 else times

    @property
    def until(self) -> str:
        """The end of the span from its begin; empty where it goes on, or was but a moment."""
        end = self.last if self.momentary else self.end
        return "" if end == self.begin and not self.since_before else end

    @property
    def momentary(self) -> bool:
        """Whether it is a word that was said, which neither lasts nor goes on."""
        return self.predicate == "was said"


@dataclass(frozen=True)
class FactTable:
    """What is to be told of a window.

    Attributes:
        facts: every critical one and the worst of the others, in the order of their begin.
        total: how many events there were.
        dangers: how many of them at level danger.
        begin, end: of the window, as text.
        left_out: how many events are in none of the facts.
    """

    facts: tuple[Fact, ...]
    total: int
    dangers: int
    begin: str
    end: str
    left_out: int

    def fact(self, fact_id: str) -> Fact | None:
        """The fact of an id."""
        return next((fact for fact in self.facts if fact.fact_id == fact_id), None)


def fact_table(window: EventWindow, times: Times, enough: int = ENOUGH_FACTS) -> FactTable:
    """The facts of a window.

    A spoken keyword is left to the quotation of all speech, where that has it.

    Args:
        window: the events.
        times: how times are told.
        enough: how many facts it has at most, unless more are critical.
    """
    heard = " ".join(transcript.text for transcript in window.transcripts).casefold()
    groups = [
        group
        for group in grouped(window.incidents)
        if not group[0].word or group[0].word.casefold() not in heard
    ]
    by_weight = sorted(groups, key=lambda group: severity(worst(group)))
    dangers = sum(worst(group) is SafetyLevel.DANGER for group in groups)
    chosen = {id(group) for group in by_weight[: max(dangers, enough)]}
    told = [group for group in groups if id(group) in chosen]
    return FactTable(
        facts=tuple(fact_of(f"f{i}", group, window, times) for i, group in enumerate(told, 1)),
        total=len(window.incidents),
        dangers=sum(incident.level is SafetyLevel.DANGER for incident in window.incidents),
        begin=times.point(window.start_ns),
        end=times.point(window.end_ns),
        left_out=sum(len(group) for group in groups if id(group) not in chosen),
    )


def fact_of(fact_id: str, group: Group, window: EventWindow, times: Times) -> Fact:
    """The fact that a group of events is."""
    first, last = group[0], group[-1]
    since_before = first.started_ns < window.start_ns
    begin = times.point(max(first.started_ns, window.start_ns))
    begin_of_last = times.point(last.started_ns)
    ends = [incident.ended_ns for incident in group if incident.ended_ns is not None]
    going_on = len(group) - len(ends)
    distances = [i.nearest_m for i in group if i.nearest_m is not None]
    subject, predicate, subjects = _statement(group)
    single_end_ns = ends[0] if len(group) == 1 and ends else None
    return Fact(
        fact_id=fact_id,
        subject=subject,
        predicate=predicate,
        critical=worst(group) is SafetyLevel.DANGER,
        subjects=subjects,
        count=len(group),
        begin_ns=first.started_ns,
        begin=begin,
        last="" if len(group) == 1 or begin_of_last == begin else begin_of_last,
        since_before=since_before,
        end="" if going_on else times.point(max(ends)),
        lasted="" if single_end_ns is None else duration(single_end_ns - first.started_ns),
        going_on=going_on,
        nearest=f"{min(distances):.1f}" if distances else "",
        level=worst(group).value,
        rule=first.rule,
        sensors=_sensors(sensors_of(group)),
        confidence=confidence_of(group),
        event_ids=tuple(incident.event_id for incident in group),
    )


def _statement(group: Group) -> tuple[str, str, int]:
    """Subject and predicate of a group, whose statements differ in their subjects at most.

    And how many different subjects there are.
    """
    first = group[0]
    if first.word:
        return f'"{first.word}"', "was said", 1
    if first.statement is None:
        return _event_about(group), "was recorded" if len(group) == 1 else "were recorded", 1
    subjects = list(dict.fromkeys(i.statement.subject for i in group if i.statement is not None))
    verb, rest = first.statement.verb, first.statement.rest
    if len(subjects) == 1:
        return subjects[0], f"{verb} {rest}", 1
    return _together(subjects), f"{plural_of(verb)} {rest}", len(subjects)


def _sensors(names: Sequence[str]) -> str:
    if not 0 < len(names) <= _MAX_SUBJECTS:
        return ""
    return f"sensor{'s' if len(names) > 1 else ''} {listed([named(name) for name in names])}"


def _together(subjects: Sequence[str]) -> str:
    if len(subjects) > _MAX_SUBJECTS:
        others = len(subjects) - 1
        return f"{subjects[0]} and {others} others"
    return listed(list(subjects))


def _event_about(group: Group) -> str:
    """A noun for events whose message is no clause that can be rephrased."""
    first: Incident = group[0]
    noun = "an event" if len(group) == 1 else "events"
    if first.message:
        return f"{noun} '{first.message}'"
    kind = f" of kind {named(first.kind)}" if first.kind else ""
    rule = f" of rule {named(first.rule)}" if first.rule else ""
    return f"{noun}{kind}{rule}"
