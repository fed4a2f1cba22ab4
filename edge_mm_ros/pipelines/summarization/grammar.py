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
from edge_mm_ros.pipelines.summarization.plain_text import capitalized

DETAILED_FACTS = 3
"""With more facts, sensors and confidences are left to the table of a report."""

_COUNTS = {2: ("twice", "2 times")}


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
        body = _choice(_sentences(fact, _is_later(fact, table.facts[:index], needed)))
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
    """How many events there were."""
    cited = f"[{OVERVIEW}] "
    span = f"from {table.begin} to {table.end}"
    weight = f", {table.dangers} of them at level danger" if table.dangers else ""
    if table.total == 1:
        weight = ", at level danger" if table.dangers else ""
        forms = [
            f"There was 1 safety event {span}{weight}.",
            f"1 event was recorded {span}{weight}.",
        ]
    else:
        forms = [
            f"There were {table.total} safety events {span}{weight}.",
            f"{table.total} events were recorded {span}{weight}.",
        ]
    return f"{_literal(cited)} {_choice([_literal(form) for form in forms])}"


def _is_later(fact: Fact, before: Sequence[Fact], needed: frozenset[str]) -> bool:
    """Whether it began after whatever of the facts before it is told."""
    is_told = any(each.fact_id in needed for each in before)
    return is_told and before[-1].begin_ns < fact.begin_ns


def _sentences(fact: Fact, is_later: bool) -> list[str]:
    """The ways to build the sentence of a fact, each a sequence in GBNF."""
    tail = _tail(fact)
    if fact.since_before:
        times = f"{fact.count} times since before" if fact.count > 1 else "since before"
        when = f"{times} {fact.begin}"
        forms = [f"{capitalized(when)}, {fact.clause}", f"{capitalized(fact.clause)}, {when}"]
        return [f"{_choice([_literal(form) for form in forms])}{tail}"]
    if fact.count > 1:
        span = f"from {fact.begin} to {fact.last}" if fact.last else f"at {fact.begin}"
        counts = _COUNTS.get(fact.count, (f"{fact.count} times",))
        forms = [f"{capitalized(count)} {span}, {fact.clause}" for count in counts]
        forms += [f"{capitalized(fact.clause)} {count} {span}" for count in counts]
        return [f"{_choice([_literal(form) for form in forms])}{tail}"]
    begins = [f"At {fact.begin}, {fact.clause}", f"{capitalized(fact.clause)} at {fact.begin}"]
    if is_later:
        begins.append(f"Then, at {fact.begin}, {fact.clause}")
    found = [f"{_choice([_literal(begin) for begin in begins])}{tail}"]
    if fact.lasted and not fact.momentary:
        span = f"rom {fact.begin} to {fact.end}"
        forms = [f"F{span}, {fact.clause}", f"{capitalized(fact.clause)} f{span}"]
        found.append(f"{_choice([_literal(form) for form in forms])}{_distance(fact)}")
    return found


def _tail(fact: Fact) -> str:
    return f"{_distance(fact)}{_ending(fact)}"


def _distance(fact: Fact) -> str:
    if not fact.nearest:
        return ""
    near = [f", {fact.nearest} m away", f", {fact.nearest} m away at the nearest"]
    return f" {_choice([_literal(each) for each in near])}?"


def _ending(fact: Fact) -> str:
    """How it ended, or that it goes on, which is never left out."""
    if fact.momentary:
        return ""
    if fact.count == 1:
        if fact.going_on:
            return " " + _choice(
                [
                    _literal(", still going on at the end"),
                    _literal(", and it goes on"),
                ]
            )
        return " " + _choice(
            [_literal(f", for {fact.lasted}"), _literal(f", lasting {fact.lasted}")]
        )
    if not fact.going_on:
        return " " + _literal(f", the last of them until {fact.end}")
    many = f"{fact.going_on} of them"
    if fact.going_on == fact.count:
        many = "both" if fact.count == 2 else f"all {fact.count}"
    return " " + _literal(f", {many} still going on at the end")


def _source(fact: Fact) -> str:
    """Which sensors, and how sure."""
    found = [f", by {fact.sensors}"] if fact.sensors else []
    if fact.confidence:
        found.append(f", with confidence {fact.confidence}")
    return "".join(f" {_literal(each)}?" for each in found)


def _choice(options: list[str]) -> str:
    return options[0] if len(options) == 1 else f"({' | '.join(options)})"


def _literal(text: str) -> str:
    """A text as a literal of GBNF; texts of facts are one line without control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
