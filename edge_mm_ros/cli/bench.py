"""``edge-mm bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edge_mm_ros.bench.result import BenchResult
from edge_mm_ros.bench.scenarios import SCENARIOS, scenario
from edge_mm_ros.heap import collect_seldom


def bench(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(SCENARIOS)}.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the result to this file.")
    ] = None,
) -> None:
    """Run a benchmark; without a name, list them.

    The exit status is 0 where every promised figure holds, 1 where one does not.
    """
    console = Console()
    if not name:
        for known, text in SCENARIOS.items():
            console.print(f"[bold]{known}[/]: {text}")
        return
    run = scenario(name)
    collect_seldom()  # as the programs that it measures do
    result = run()
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
    _show(result, console)
    raise typer.Exit(0 if result.ok else 1)


def _show(result: BenchResult, console: Console) -> None:
    measures = Table("measure", "count", "median", "p10", "p90", "p99", "unit")
    for measure in result.measures:
        values = (measure.median, measure.p10, measure.p90, measure.p99)
        measures.add_row(
            measure.name, str(measure.count), *(f"{value:.3g}" for value in values), measure.unit
        )
    console.print(measures)
    for bar in result.bars:
        verdict = "[green]ok[/]" if bar.ok else "[red]missed[/]"
        console.print(f"{bar.name}: {bar.value:.3g} {bar.unit} (limit {bar.limit:g}) {verdict}")
    for note in result.notes:
        console.print(f"note: {note}")
