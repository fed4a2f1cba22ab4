"""Reads a text that cites facts, sentence by sentence, and holds every claim against its fact.

Strict: a sentence that cannot be read as subject, predicate, times and figures is a fault, and so
is one that leaves out that its event happened several times or still goes on. The reader shares no
code with the grammar that the model is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge_mm_ros.pipelines.summarization.fact_table import OVERVIEW, Fact, FactTable
from edge_mm_ros.pipelines.summarization.plain_text import one_line

_CITATION = re.compile(r"\[(f\d+)\]")
_TIME = r"\d{2}:\d{2}:\d{2} UTC|-?\d+(?:\.\d+)? s"
_FIGURE = r"\d+(?:\.\d+)?"
_COUNT = r"once|twice|\d+ times"
_LEADS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:(?P<then>then), )?at (?P<at>{_TIME}), ",
        rf"(?:(?P<count>{_COUNT}) )?since before (?P<before>{_TIME}), ",
        rf"(?:(?P<count>{_COUNT}) )?from (?P<begin>{_TIME}) to (?P<end>{_TIME}), ",
        rf"(?P<count>{_COUNT}) at (?P<at>{_TIME}), ",
    )
)
_TRAILS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:,? (?P<count>{_COUNT}))?,? at (?P<at>{_TIME})",
        rf"(?:,? (?P<count>{_COUNT}))?,? from (?P<begin>{_TIME}) to (?P<end>{_TIME})",
        rf"(?:,? (?P<count>{_COUNT}))?,? since before (?P<before>{_TIME})",
        rf",? (?P<distance>{_FIGURE}) m away(?: at the nearest)?",
        rf",? (?:for|lasting) (?P<lasted>{_FIGURE} s)",
        r",? (?P<goes_on>still going on at the end|and it goes on)",
        r",? (?P<several>both|all \d+|\d+ of them) still going on at the end",
        rf",? the last of them until (?P<until>{_TIME})",
        rf",? with confidence (?P<confidence>{_FIGURE})",
    )
)
_OVERVIEW = re.compile(
    rf"(?:There (?:was|were) )?(?P<total>\d+) (?:safety )?events?(?: (?:was|were) recorded)? "
    rf"from (?P<begin>{_TIME}) to (?P<end>{_TIME})"
    r"(?:, (?:(?P<dangers>\d+) of them )?(?P<danger>at level danger))?\."
)


@dataclass(frozen=True)
class Verdict:
    """What reading a text has shown.

    Attributes:
        text: the text without its citations.
        told: the ids that it cites, in order.
        faults: one line for each fault; empty where the text may be published.
    """

    text: str
    told: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass
class _Claims:
    """What one sentence says, by role."""

    subject: str = ""
    predicate: str = ""
    values: dict[str, str] = field(default_factory=dict)


class _Unreadable(Exception):
    """Why a sentence cannot be read."""


def verify(text: str, table: FactTable) -> Verdict:
    """Hold a text against the facts that it cites.

    Args:
        text: sentences, each behind the id of its fact, for example ``[f1] At 1.0 s, ...``.
        table: the facts.
    """
    line = one_line(text)
    parts = _CITATION.split(line)
    faults: list[str] = []
    if parts[0].strip():
        faults.append(f"'{parts[0].strip():.80}' cites no fact")
    told: list[str] = []
    sentences: list[str] = []
    previous: Fact | None = None
    for fact_id, written in zip(parts[1::2], parts[2::2]):
        sentence = written.strip()
        # A report begins with the number of events, wherever the model tells it.
        sentences.insert(0 if fact_id == OVERVIEW else len(sentences), sentence)
        if fact_id in told:
            faults.append(f"{fact_id} is told twice")
        told.append(fact_id)
        if fact_id == OVERVIEW:
            faults += _faults_of_overview(sentence, table)
            continue
        fact = table.fact(fact_id)
        if fact is None:
            faults.append(f"there is no fact {fact_id:.20}")
            continue
        faults += [f"{fact_id}: {fault}" for fault in _faults_of(sentence, fact, table, previous)]
        previous = fact
    if not told:
        faults.append("it is empty" if not line else "it cites no fact")
    faults += [
        f"it leaves out {fact.fact_id}: {fact.clause}"
        for fact in table.facts
        if fact.critical and fact.fact_id not in told
    ]
    return Verdict(" ".join(sentences), tuple(told), tuple(dict.fromkeys(faults)))


def _faults_of(sentence: str, fact: Fact, table: FactTable, previous: Fact | None) -> list[str]:
    try:
        claims = _read(sentence, table)
    except _Unreadable as fault:
        return [str(fault)]
    faults = []
    if claims.subject != fact.subject:
        faults.append(f"it is about {fact.subject}, not {claims.subject}")
    if claims.predicate != fact.predicate:
        faults.append(f"{fact.subject} {fact.predicate}, not '{claims.predicate}'")
    if claims.values.pop("then", None) and not (previous and previous.begin_ns < fact.begin_ns):
        faults.append("it did not follow on what is told before")
    expected = _expected(fact)
    for role, value in claims.values.items():
        if value not in expected.get(role, ()):
            faults.append(f"'{value}' is not its {role.replace('_', ' ')}")
    return [*faults, *_left_out(fact, claims)]


def _expected(fact: Fact) -> dict[str, tuple[str, ...]]:
    """The values that a sentence may give, by role."""
    end = fact.end if fact.count == 1 else fact.last
    found = {
        "count": (str(fact.count),),
        "before" if fact.since_before else "at": (fact.begin,),
        "distance": (fact.nearest,),
        "lasted": (fact.lasted,),
        "several": _several(fact),
        "goes_on": ("goes on",) if fact.count == 1 and fact.going_on else (),
        "until": (fact.end,) if fact.count > 1 else (),
        "sensors": (fact.sensors,),
        "confidence": (fact.confidence,),
    }
    if not fact.since_before and end:
        found |= {"begin": (fact.begin,), "end": (end,)}
        if fact.count > 1:  # the span stands for the time of each
            del found["at"]
    return {role: tuple(v for v in values if v) for role, values in found.items()}


def _several(fact: Fact) -> tuple[str, ...]:
    """How one may say how many of an event's times go on."""
    if fact.count == 1 or not fact.going_on:
        return ()
    some = f"{fact.going_on} of them"
    if fact.going_on < fact.count:
        return (some,)
    return (some, f"all {fact.count}", *(("both",) if fact.count == 2 else ()))


def _left_out(fact: Fact, claims: _Claims) -> list[str]:
    """What a sentence must say of its fact and does not."""
    values = claims.values
    faults = []
    if not values.keys() & {"at", "begin", "before"}:
        faults.append("it does not say when")
    if fact.count > 1 and "count" not in values:
        faults.append(f"it happened {fact.count} times")
    if fact.going_on and not fact.momentary and not values.keys() & {"goes_on", "several"}:
        faults.append("it does not say that it still goes on")
    return faults


def _faults_of_overview(sentence: str, table: FactTable) -> list[str]:
    found = _OVERVIEW.fullmatch(sentence)
    if found is None:
        return [f"'{sentence:.80}' cannot be read"]
    faults = []
    dangers = found["dangers"] or ("1" if found["danger"] else "0")
    for said, true, what in (
        (found["total"], str(table.total), "number of events"),
        (dangers, str(table.dangers), "number of dangers"),
        (found["begin"], table.begin, "begin"),
        (found["end"], table.end, "end"),
    ):
        if said != true:
            faults.append(f"'{said}' is not the {what}")
    return faults


def _read(sentence: str, table: FactTable) -> _Claims:
    """The claims of a sentence.

    Raises:
        _Unreadable: a part of it is none of the known ones.
    """
    if not sentence.endswith("."):
        raise _Unreadable(f"'{sentence[-80:]}' has no end")
    rest = sentence[:-1]
    claims = _Claims()
    for pattern in _LEADS:
        found = pattern.match(rest)
        if found is not None:
            _note(claims, found)
            rest = rest[found.end() :]
            break
    claims.subject, rest = _name(rest, (fact.subject for fact in table.facts), "somebody")
    claims.predicate, rest = _name(
        rest.removeprefix(" "), (fact.predicate for fact in table.facts), "something"
    )
    while rest:
        sensors, rest = _sensors(rest, table)
        if sensors:
            claims.values["sensors"] = sensors
            continue
        matches = [found for pattern in _TRAILS if (found := pattern.match(rest))]
        if not matches:
            raise _Unreadable(f"'{rest.strip():.80}' cannot be read")
        longest = max(matches, key=lambda match: match.end())
        _note(claims, longest)
        rest = rest[longest.end() :]
    return claims


def _note(claims: _Claims, found: re.Match[str]) -> None:
    for role, value in found.groupdict().items():
        if value is None:
            continue
        meant = _meaning(role, value)
        if claims.values.setdefault(role, meant) != meant:
            raise _Unreadable(f"it gives two values for its {role}")


def _meaning(role: str, value: str) -> str:
    if role == "count":
        return {"once": "1", "twice": "2"}.get(value.lower(), value.partition(" ")[0])
    if role == "goes_on":
        return "goes on"
    return value.strip()


def _name(rest: str, known: Iterable[str], what: str) -> tuple[str, str]:
    """The longest known phrase at the beginning, and what follows it."""
    fits = [name for name in known if _begins_with(rest, name)]
    if not fits:
        raise _Unreadable(f"'{rest:.80}' names {what} that is in no fact")
    chosen = max(fits, key=len)
    return chosen, rest[len(chosen) :]


def _sensors(rest: str, table: FactTable) -> tuple[str, str]:
    """The sensors that a sentence goes on with, if it does, and what follows them."""
    lead = ", by "
    if not rest.startswith(lead):
        return "", rest
    fits = [f.sensors for f in table.facts if _begins_with(rest[len(lead) :], f.sensors)]
    chosen = max(fits, key=len, default="")
    return chosen, rest[len(lead) + len(chosen) :] if chosen else rest


def _begins_with(text: str, name: str) -> bool:
    """Whether a text begins with a whole name; a sentence begins with a capital."""
    if not name or text[:1].lower() != name[:1].lower() or text[1 : len(name)] != name[1:]:
        return False
    return text[len(name) : len(name) + 1] in {"", " ", ","}
