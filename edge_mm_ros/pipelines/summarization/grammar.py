"""The grammar (GBNF) in which a language model tells of one fact table.

Each sentence begins with the id of its fact, and every path through the grammar from there on has
this fact's names, numbers and times only. What the model chooses is which lesser facts it tells,
how a sentence is built, and which of the details it has. Verification does not rest on this: a
`verifier` reads the text anew, as other engines may not follow a grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_mm_ros.pipelines.summarization.fact_table import OVERVIEW, Fact, FactTable
from edge_mm_ros.pipelines.summarization.facts import share
from edge_mm_ros.pipelines.summarization.plain_text import capitalized

DETAILED_FACTS = 3
"""With more facts, sensors and confidences are left to the table of a report."""


def grammar_of(table: FactTable, *, brief: bool = False) -> str:
    """The grammar of a table, in GBNF; its root is ``root``.

    Args:
        table: the facts.
        brief: leave out distances, sensors and confidences.
    """
    needed = _needed(table)
    if brief:
        table = replace(table, facts=tuple(replace(fact, nearest="") for fact in table.facts))
    detailed = not brief and len(table.facts) <= DETAILED_FACTS
    rules, sequence = [], []
    for index, fact in enumerate(table.facts):
        name = fact.fact_id
        source = _source(fact) if detailed else ""
        body = _sentences(fact, _is_later(fact, table.facts[:index], needed))
        rules.append(f'{name} ::= {_literal(f"[{name}] ")} {body}{source} ". "')
        sequence.append(name if name in needed else f"{name}?")
    # The number of events comes last: what nothing follows need not be read by the model.
    rules.append(f"{OVERVIEW} ::= {_overview(table)}")
    return "\n".join([f"root ::= {' '.join([*sequence, OVERVIEW])}", *rules]) + "\n"


def _needed(table: FactTable) -> frozenset[str]:
    """The facts that every text tells: the critical ones, where there is none the first."""
    critical = [fact.fact_id for fact in table.facts if fact.critical]
    return frozenset(critical or [fact.fact_id for fact in table.facts[:1]])


def _overview(table: FactTable) -> str:
    """How many events there were; without a choice, so that the model need not read so far."""
    span = f"from {table.begin} to {table.end}"
    weight = f", {share(table.dangers, table.total)} at level danger" if table.dangers else ""
    if table.total == 1:
        weight = ", at level danger" if table.dangers else ""
        return _literal(f"[{OVERVIEW}] There was 1 safety event {span}{weight}.")
    return _literal(f"[{OVERVIEW}] There were {table.total} safety events {span}{weight}.")


def _is_later(fact: Fact, before: Sequence[Fact], needed: frozenset[str]) -> bool:
    """Whether it began after whatever of the facts before it is told."""
    is_told = any(each.fact_id in needed for each in before)
    return is_told and before[-1].begin_ns < fact.begin_ns and not fact.since_before


def _sentences(fact: Fact, is_later: bool) -> str:
    """The ways to build the sentence of a fact but its last detail, as a sequence in GBNF."""
    clause, when = fact.clause, _when(fact)
    # "not covered three times" would deny the number, "nearer than 1 m 12 times" hides it.
    if " not " in fact.clause or fact.counted[:1].isdecimal():
        when = f"{fact.counted} {when}".lstrip()
        forms = [f"{capitalized(when)}, {clause}"]
    else:
        clause = f"{clause} {fact.counted}".rstrip()
        forms = [f"{capitalized(when)}, {clause}", f"{capitalized(clause)} {when}"]
        if fact.counted and not fact.each_once:
            forms.append(f"{capitalized(fact.counted)} {when}, {fact.clause}")
    if is_later:
        forms += [f"{word}, {when}, {clause}" for word in ("Then", "Later")]
    return f"{_choice([_literal(form) for form in forms])}{_distance(fact)}{_ending(fact)}"


def _when(fact: Fact) -> str:
    """The time of a fact as an adverbial."""
    begin = f"before {fact.begin}" if fact.since_before else fact.begin
    if fact.until and fact.count > 1 and not fact.since_before:
        return f"between {begin} and {fact.until}"
    if fact.until:
        return f"from {begin} to {fact.until}"
    if fact.momentary or not fact.going_on:
        return begin if fact.since_before else f"at {begin}"
    return f"from {begin} on"


def _distance(fact: Fact) -> str:
    return f" {_literal(f', {fact.nearest} m away at the nearest')}?" if fact.nearest else ""


def _ending(fact: Fact) -> str:
    """That it goes on, which is never left out."""
    if fact.momentary or not fact.going_on:
        return ""
    if fact.count == 1:
        return " " + _literal(", and this was still so at the end")
    many = share(fact.going_on, fact.count)
    if not fact.each_once:
        return " " + _literal(f", {many} still going on at the end")
    return " " + _literal(f", and this was still so for {many} at the end")


def _source(fact: Fact) -> str:
    """Which sensors, and how sure."""
    confidence = f"confidence {fact.confidence}" if fact.confidence else ""
    found = ", ".join(part for part in (fact.sensors, confidence) if part)
    return f" {_literal(f' ({found})')}?" if found else ""


def _choice(options: list[str]) -> str:
    return options[0] if len(options) == 1 else f"({' | '.join(options)})"


def _literal(text: str) -> str:
    """A text as a literal of GBNF; texts of facts are one line without control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
