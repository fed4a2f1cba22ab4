"""The facts of a window as plain English sentences, the same for the same window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from edge_mm_ros.datatypes import SafetyLevel, Transcript
from edge_mm_ros.pipelines.summarization.plain_text import (
    capitalized,
    listed,
    named,
    numbers,
    plain,
)
from edge_mm_ros.pipelines.summarization.record import EventWindow, Incident, severity
from edge_mm_ros.pipelines.summarization.statements import lowered
from edge_mm_ros.pipelines.summarization.times import Times, duration

MAX_LESSER_GROUPS = 8
MAX_DANGER_GROUPS = 40
MAX_RULES_NAMED = 40
MAX_QUOTES = 8
QUOTE_CHARS = 300
_MAX_TRACKS = 8
_MAX_SENSORS = 4

NO_EVENT = "No safety event was recorded."

Group = tuple[Incident, ...]


def grouped(incidents: Sequence[Incident]) -> list[Group]:
    """Incidents of one rule that state the same of objects of one class, by their begin."""
    groups = [tuple(group) for _, group in groupby(sorted(incidents, key=_key), _key)]
    ordered = [tuple(sorted(group, key=lambda i: (i.started_ns, i.event_id))) for group in groups]
    return sorted(ordered, key=lambda group: (group[0].started_ns, _key(group[0])))


def _key(incident: Incident) -> tuple[str, ...]:
    stated = incident.statement
    what: tuple[str, ...] = ("", "" if incident.word else incident.message)
    if stated is not None:
        what = (stated.verb, stated.rest)
    return (incident.rule, incident.kind, incident.label, incident.word, *what)


def worst(group: Group) -> SafetyLevel:
    """The worst level of a group."""
    return min((incident.level for incident in group), key=severity)


def overview(window: EventWindow, times: Times) -> str:
    """How many events of which weight, and when."""
    count = len(window.incidents)
    if count == 0:
        return NO_EVENT
    dangers = sum(incident.level is SafetyLevel.DANGER for incident in window.incidents)
    span = f"From {times.point(window.start_ns)} to {times.point(window.end_ns)}"
    return f"{span} {_number_of_events(count, dangers)}"


def number_of_events(window: EventWindow) -> str:
    """How many events of which weight; not for a window without."""
    dangers = sum(incident.level is SafetyLevel.DANGER for incident in window.incidents)
    return capitalized(_number_of_events(len(window.incidents), dangers))


def _number_of_events(count: int, dangers: int) -> str:
    if count == 1:
        weight = ", at level danger" if dangers else ""
        return f"there was 1 safety event{weight}."
    weight = f", {share(dangers, count)} at level danger" if dangers else ""
    return f"there were {count} safety events{weight}."


def share(some: int, whole: int) -> str:
    """How many of several, for example ``3 of them`` or ``both of them``."""
    if some < whole:
        return f"{some} of them"
    return "both of them" if whole == 2 else f"all {whole} of them"


def split_by_weight(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """The groups to tell of, the dangerous ones and the worst of the others, and the rest.

    Dangers are left out only where there are more kinds of them than anybody can read.
    """
    lesser = sorted(
        (group for group in groups if worst(group) is not SafetyLevel.DANGER),
        key=lambda group: severity(worst(group)),
    )
    dangers = [group for group in groups if worst(group) is SafetyLevel.DANGER]
    left_out = [*dangers[MAX_DANGER_GROUPS:], *lesser[MAX_LESSER_GROUPS:]]
    gone = {id(group) for group in left_out}
    return [group for group in groups if id(group) not in gone], left_out


def remainder(left_out: Sequence[Group]) -> str:
    """How many events are not told of, and the rules of dangers; empty where there is none."""
    dangers = [group for group in left_out if worst(group) is SafetyLevel.DANGER]
    count = sum(len(group) for group in left_out)
    if not dangers:
        return more_events(count)
    rules = list(dict.fromkeys(group[0].rule for group in dangers))
    names = [named(rule) for rule in rules[:MAX_RULES_NAMED]]
    if len(rules) > MAX_RULES_NAMED:
        names.append(f"{len(rules) - MAX_RULES_NAMED} more")
    grave = sum(len(group) for group in dangers)
    return (
        f"There were {count} more events, {grave} of them in conditions at level danger, of the "
        f"rules {listed(names)}."
    )


def more_events(count: int) -> str:
    """That there were so many more; empty for 0."""
    if count == 0:
        return ""
    return "There was 1 more event." if count == 1 else f"There were {count} more events."


def event_sentences(incidents: Sequence[Incident], start_ns: int, times: Times) -> list[str]:
    """One sentence for each group of weight, and how many events are left out."""
    told, left_out = split_by_weight(grouped(incidents))
    sentences = [group_sentence(group, start_ns, times) for group in told]
    return [*sentences, remainder(left_out)] if left_out else sentences


def speech_sentence(transcripts: Sequence[Transcript], times: Times) -> str:
    """The spoken words, verbatim; empty where nothing was said."""
    quotes = [
        f'{times.at(transcript.start_ns)} "{quote}"'
        for transcript in transcripts
        if (quote := plain(transcript.text, QUOTE_CHARS))
    ]
    if not quotes:
        return ""
    told = quotes[-MAX_QUOTES:]
    more = len(quotes) - len(told)
    before = f"Besides {more} earlier utterances, these" if more else "These"
    stop = "" if told[-1].endswith(('."', '!"', '?"')) else "."
    return f"{before} words were heard: {'; '.join(told)}{stop}"


def group_sentence(group: Group, start_ns: int, times: Times) -> str:
    """When, what, which tracks, how near, until when, how bad, and by which rule."""
    first = group[0]
    what = _what(group)
    parts = [f"{_when(group, start_ns, times)}: {what}"]
    tracks = sorted({i.track_id for i in group if i.track_id}, key=lambda t: (len(t), t))
    if len(group) > 1 and len(tracks) > 1:
        names = [named(track) for track in tracks[:_MAX_TRACKS]]
        if len(tracks) > _MAX_TRACKS:
            names.append(f"{len(tracks) - _MAX_TRACKS} more")
        parts.append(f"tracks {listed(names)}")
    distances = [i.nearest_m for i in group if i.nearest_m is not None]
    nearest = f"{min(distances):.1f}" if distances else ""
    if nearest and nearest not in {f"{number:.1f}" for number in numbers(what)}:
        parts.append(f"nearest {nearest} m")
    if not first.word:
        parts.append(_end(group, times))
    rule = f", rule {named(first.rule)}" if first.rule else ""
    return f"{'; '.join(parts)} (level {worst(group).value}{rule}{_source(group)})."


def sensors_of(group: Group) -> tuple[str, ...]:
    """The sensors that saw any of a group."""
    return tuple(dict.fromkeys(sensor for incident in group for sensor in incident.sensors))


def confidence_of(group: Group) -> str:
    """The highest confidence of a group, for example ``0.87``; empty where none was given."""
    known = [i.confidence for i in group if i.confidence is not None]
    return f"{max(known):.2f}" if known else ""


def _source(group: Group) -> str:
    """Which sensors saw it, which missed it, and how sure it is."""
    missed = tuple(dict.fromkeys(sensor for incident in group for sensor in incident.silent))
    confidence = confidence_of(group)
    return "".join(
        (
            _sensors("", sensors_of(group)),
            _sensors("missed by ", missed),
            f", confidence {confidence}" if confidence else "",
        )
    )


def _sensors(words: str, sensors: Sequence[str]) -> str:
    if not sensors:
        return ""
    names = [named(sensor) for sensor in sensors[:_MAX_SENSORS]]
    if len(sensors) > _MAX_SENSORS:
        names.append(f"{len(sensors) - _MAX_SENSORS} more")
    return f", {words}sensor{'s' if len(sensors) > 1 else ''} {listed(names)}"


def _what(group: Group) -> str:
    incident = max(group, key=lambda i: (bool(i.message), bool(i.track_id), bool(i.sensor)))
    if incident.word:
        return f'"{incident.word}" was said'
    if incident.message:
        return lowered(incident.message, incident.label)
    who = " ".join(named(part) for part in (incident.label, incident.track_id) if part)
    about = f" about {who}" if who else f" from {named(incident.sensor)}" if incident.sensor else ""
    kind = f" of kind {named(incident.kind)}" if incident.kind else ""
    return f"an event{kind}{about}"


def _when(group: Group, start_ns: int, times: Times) -> str:
    first, last = group[0].started_ns, group[-1].started_ns
    if first < start_ns and times.style != "ago":
        if len(group) == 1:
            return f"Since before {times.point(start_ns)}"
        return f"{len(group)} times from before {times.point(start_ns)} on, first"
    if len(group) == 1:
        text = times.at(first)
        return text[0].upper() + text[1:]
    if times.point(first) == times.point(last):
        return f"{len(group)} times {times.at(first)}, first"
    return f"{len(group)} times from {times.point(first)} to {times.point(last)}, first"


def _end(group: Group, times: Times) -> str:
    still = "still going on" if times.style == "ago" else "still going on at the end"
    going_on = sum(incident.ended_ns is None for incident in group)
    ends = [incident.ended_ns for incident in group if incident.ended_ns is not None]
    if len(group) == 1:
        if not ends:
            return still
        return f"ended after {duration(ends[0] - group[0].started_ns)}"
    if not ends:
        return f"all {going_on} {still}"
    last = f"the last ended {times.at(max(ends))}"
    return f"{going_on} {still}" if going_on else last
