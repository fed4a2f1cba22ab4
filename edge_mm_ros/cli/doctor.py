"""``edge-mm doctor``."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from edge_mm_ros.cli.findings import Finding, can_run, find_all

MARKS = {"ok": ("ok", "green"), "optional": ("absent", "yellow"), "missing": ("MISSING", "red")}


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
    console = Console(highlight=False, soft_wrap=True)
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            console.print(f"[bold]{escape(section)}[/]")
        mark, colour = MARKS[finding.state]
        name = escape(finding.name)
        console.print(f"  [{colour}]{mark:<8}[/]{name}: {escape(finding.detail)}")
        if finding.mend:
            console.print(f"          [dim]mend: {escape(finding.mend)}[/]")
    if ready:
        console.print("The safety monitor can run.")
    else:
        missing = ", ".join(f.name for f in findings if f.state == "missing")
        console.print(f"The safety monitor cannot run; missing: {missing}.")
