"""What the model is asked: the facts, line by line, behind an example that never changes."""

from __future__ import annotations

from collections.abc import Mapping

from edge_mm_ros.pipelines.summarization.fact_table import OVERVIEW, Fact, FactTable

_SYSTEM = "You report what a robot saw. Write one sentence for each fact. Begin it with its id."
_EXAMPLE_FACTS = """[f1] truck 5 was nearer than 3 m; danger
[f2] car 8 and car 9 were in zone 'yard' once each
[f3] 'rear/scan' was silent for more than 1 s; goes on
[f0] 4 events; 1 danger"""
_EXAMPLE_REPORT = (
    "[f1] From 2.5 s to 6.5 s, truck 5 was nearer than 3 m, 2.2 m away at the nearest. "
    "[f2] Car 8 and car 9 were in zone 'yard' once each between 6.0 s and 12.0 s. [f3] Later, from "
    "15.0 s on, 'rear/scan' was silent for more than 1 s, and this was still so at the end. "
    "[f0] There were 4 safety events from 0.0 s to 20.0 s, 1 of them at level danger."
)
PROMPT_HEAD: tuple[Mapping[str, str], ...] = (
    {"role": "system", "content": _SYSTEM},
    {"role": "user", "content": _EXAMPLE_FACTS},
    {"role": "assistant", "content": _EXAMPLE_REPORT},
)
"""What all prompts begin with."""


def prompt_of(table: FactTable, *, brief: bool = False) -> list[Mapping[str, str]]:
    """The chat; all messages but the last are the same for every table.

    The facts are of events alone: no word that was spoken is in them but a rule's own keyword.

    Args:
        table: the facts.
        brief: leave out counts, which the grammar brings as it brings all times and figures.
    """
    weight = f"; {table.dangers} danger" if table.dangers else ""
    lines = [_line(fact, brief) for fact in table.facts]
    lines.append(f"[{OVERVIEW}] {table.total} events{weight}")
    return [*PROMPT_HEAD, {"role": "user", "content": "\n".join(lines)}]


def _line(fact: Fact, brief: bool) -> str:
    """What the choice of words may depend on: each token that is read here costs time."""
    line = f"[{fact.fact_id}] {fact.clause}"
    if brief:
        return line
    parts = [f"{line} {fact.counted}".rstrip()]
    if fact.going_on and not fact.momentary:
        parts.append("goes on" if fact.count == 1 else f"{fact.going_on} go on")
    if fact.critical:
        parts.append("danger")
    return "; ".join(parts)
