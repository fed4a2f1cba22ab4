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
_COUNTS = {
    word: str(number)
    for number, word in enumerate(
        ("once", "twice", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=1
    )
}
_COUNT = rf"once each|(?:once|twice|(?:\d+|{'|'.join(tuple(_COUNTS)[2:])}) times)(?: in all)?"
_WHEN = (
    rf"at (?P<at>{_TIME})",
    rf"from (?:(?P<begin>{_TIME})|before (?P<before>{_TIME})) (?:to|until) (?P<end>{_TIME})",
    rf"between (?P<begin>{_TIME}) and (?P<end>{_TIME})",
    rf"from (?:(?P<onward>{_TIME})|before (?P<before>{_TIME})) on",
    rf"since before (?P<before>{_TIME})",
    rf"before (?P<past>{_TIME})",
)
_LEADS = tuple(
    re.compile(rf"(?:(?P<then>then|later), )?(?:(?P<count>{_COUNT}) )?{when}, ") for when in _WHEN
)
_TRAILS = (
    *(re.compile(rf"(?:,? (?P<count>{_COUNT}))?,? {when}") for when in _WHEN),
    *map(
        re.compile,
        (
            rf",? (?P<count>{_COUNT})(?=[,.( ]|$)",
            rf",? (?P<distance>{_FIGURE}) m away(?: at the nearest)?",
            rf",? (?:for|lasting) (?P<lasted>{_FIGURE} s)",
            r",? (?P<goes_on>still going on at the end|and it goes on"
            r"|(?:and this|which) was still so at the end)",
            r",? (?P<several>(?:both|all \d+)(?: of them)?|\d+ of them) still going on at the end",
            r", and this was still so for (?P<several>(?:both|all \d+|\d+) of them) at the end",
            rf",? the last of them until (?P<until>{_TIME})",
            rf",? with confidence (?P<confidence>{_FIGURE})",
            rf" \(confidence (?P<confidence>{_FIGURE})\)",
        ),
    ),
)
_IN_BRACKETS = re.compile(rf"(?:, confidence (?P<confidence>{_FIGURE}))?\)")
_OVERVIEW = re.compile(
    rf"(?:There (?:was|were) )?(?P<total>\d+) (?:safety )?events?(?: (?:was|were) recorded)? "
    rf"from (?P<begin>{_TIME}) to (?P<end>{_TIME})"
    r"(?:, (?:(?P<dangers>both|(?:all )?\d+) of them )?(?P<danger>at level danger))?\."
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
    found = {
        "count": (str(fact.count), "each" if fact.each_once else ""),
        "end": (fact.until,),
        "distance": (fact.nearest,),
        "lasted": (fact.lasted,),
        "several": _several(fact),
        "goes_on": ("goes on",) if fact.count == 1 and fact.going_on else (),
        "until": (fact.end,) if fact.count > 1 else (),
        "sensors": (fact.sensors,),
        "confidence": (fact.confidence,),
    }
    if fact.since_before:
        found["before"] = (fact.begin,)
        found["past"] = (fact.begin,) if fact.momentary and not fact.until else ()
    else:
        found["begin"] = (fact.begin,)
        found["onward"] = () if fact.momentary else (fact.begin,)
        # Several times have one moment only where all began then.
        found["at"] = () if fact.last else (fact.begin,)
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
    if not values.keys() & {"at", "begin", "before", "onward", "past"}:
        faults.append("it does not say when")
    if fact.count > 1 and "count" not in values:
        faults.append(f"it happened {fact.count} times")
    if fact.going_on and not fact.momentary and not values.keys() & {"goes_on", "several"}:
        faults.append("it does not say that it still goes on")
    if values.keys() & {"onward", "before"} and not (
        fact.going_on or fact.momentary or values.keys() & {"end", "lasted", "until"}
    ):
        faults.append("it does not say that it has ended")
    return faults


def _faults_of_overview(sentence: str, table: FactTable) -> list[str]:
    found = _OVERVIEW.fullmatch(sentence)
    if found is None:
        return [f"'{sentence:.80}' cannot be read"]
    faults = []
    dangers = found["dangers"] or ("1" if found["danger"] else "0")
    if dangers == "both" or dangers.startswith("all "):
        whole = "2" if dangers == "both" else dangers.removeprefix("all ")
        dangers = whole if whole == str(table.total) else dangers
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
    if sentence[:1].islower():
        raise _Unreadable(f"'{sentence:.80}' has no begin")
    rest = sentence[:-1]
    claims = _Claims()
    for pattern in _LEADS:
        found = pattern.match(rest[:1].lower() + rest[1:])
        if found is not None:
            _note(claims, found)
            rest = rest[found.end() :]
            break
    claims.subject, rest = _name(rest, (fact.subject for fact in table.facts), "somebody")
    claims.predicate, rest = _name(
        rest.removeprefix(" "), (fact.predicate for fact in table.facts), "something"
    )
    while rest:
        before, rest = rest, _source(rest, table, claims)
        if rest != before:
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
        if role in claims.values:
            raise _Unreadable(f"it tells its {role.replace('_', ' ')} twice")
        claims.values[role] = _meaning(role, value)


def _meaning(role: str, value: str) -> str:
    if role == "count":
        first, _, rest = value.lower().partition(" ")
        return rest if rest == "each" else _COUNTS.get(first, first)
    if role == "goes_on":
        return "goes on"
    if role == "several" and not value[0].isdecimal():
        return value.removesuffix(" of them")
    return value.strip()


def _name(rest: str, known: Iterable[str], what: str) -> tuple[str, str]:
    """The longest known phrase at the beginning, and what follows it."""
    fits = [name for name in known if _begins_with(rest, name)]
    if not fits:
        raise _Unreadable(f"'{rest:.80}' names {what} that is in no fact")
    chosen = max(fits, key=len)
    return chosen, rest[len(chosen) :]


def _source(rest: str, table: FactTable, claims: _Claims) -> str:
    """What follows the sensors that a sentence goes on with; all of it where it does not."""
    lead = next((lead for lead in (", by ", " (") if rest.startswith(lead)), "")
    behind = rest[len(lead) :]
    fits = [f.sensors for f in table.facts if lead and _begins_with(behind, f.sensors)]
    chosen = max(fits, key=len, default="")
    if not chosen:
        return rest
    after = behind[len(chosen) :]
    if lead == " (":
        found = _IN_BRACKETS.match(after)
        if found is None:
            return rest
        _note(claims, found)
        after = after[found.end() :]
    claims.values["sensors"] = chosen
    return after


def _begins_with(text: str, name: str) -> bool:
    """Whether a text begins with a whole name; a sentence begins with a capital."""
    if not name or text[:1].lower() != name[:1].lower() or text[1 : len(name)] != name[1:]:
        return False
    return text[len(name) : len(name) + 1] in {"", " ", ",", ")"}
