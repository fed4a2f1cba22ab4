"""``edge-mm doctor``."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_mm_ros.cli.findings import Finding, can_run, find_all

MARKS = {"ok": "[green]ok[/]", "optional": "[yellow]absent[/]", "missing": "[red]MISSING[/]"}


def doctor(
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what is installed, what is missing, and what mends it.

    The exit status is 0 where the safety monitor can run, 1 otherwise.
    """
    findings = find_all()
    ready = can_run(findings)
    if json:
        entries = [asdict(finding) for finding in findings]
        print(json_module.dumps({"ok": ready, "findings": entries}, indent=2))
    else:
        _print_for_people(findings, ready)
    sys.exit(0 if ready else 1)


def _print_for_people(findings: list[Finding], ready: bool) -> None:
    console = Console()
    table = Table("")
    table.add_column("what", overflow="fold")
    table.add_column("state")
    table.add_column("found", overflow="fold", ratio=3)
    table.add_column("mend", overflow="fold", ratio=2)
    section = ""
    for finding in findings:
        if section and finding.section != section:
            table.add_section()
        table.add_row(
            finding.section if finding.section != section else "",
            escape(finding.name),
            MARKS[finding.state],
            escape(finding.detail),
            escape(finding.mend),
        )
        section = finding.section
    console.print(table)
    if ready:
        console.print("The safety monitor can run.")
    else:
        missing = ", ".join(f.name for f in findings if f.state == "missing")
        console.print(f"The safety monitor cannot run; missing: {missing}.", soft_wrap=True)
