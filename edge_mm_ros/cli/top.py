"""``edge-mm top``."""

from __future__ import annotations

import contextlib
import json as json_module
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_mm_ros.cli.live_models import FIRST_WAIT_S, LiveModels, ModelLine, hear_all
from edge_mm_ros.datatypes import EdgeMmError, HealthLevel
from edge_mm_ros.ros.installation import require_ros

REFRESH_S = 0.5
_STYLES = {
    HealthLevel.OK: "",
    HealthLevel.WARN: "yellow",
    HealthLevel.ERROR: "red",
    HealthLevel.STALE: "dim",
}
_COLUMNS = (
    *("node", "model", "runs on", "memory", "rate", "p50", "p99", "requests", "lost", "dropped"),
    "fallbacks",
)


def top(
    once: Annotated[bool, typer.Option("--once", help="One table, then end.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="For programs: one line of JSON each time.")
    ] = False,
    namespace: Annotated[str, typer.Option(help="Show nodes of this namespace only.")] = "",
    wait: Annotated[
        float, typer.Option(min=0.1, max=60.0, help="Longest wait for the first nodes, in seconds.")
    ] = FIRST_WAIT_S,
) -> None:
    """Show the models of a running system: where they run, how fast, and what went wrong.

    Ctrl-C ends. The exit status is 1 where no node with a model is heard.
    """
    require_ros()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _show(once, json, namespace, wait)
    except BrokenPipeError:  # as of `edge-mm top --json | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(once: bool, json: bool, namespace: str, wait_s: float) -> None:
    from edge_mm_ros.ros.bystander import Bystander

    models = LiveModels()

    def lines() -> list[ModelLine]:
        return in_namespace(models.lines(), namespace)

    with Bystander(models.take) as bystander:
        if once:
            hear_all(bystander, models, wait_s)
            if not lines():
                raise EdgeMmError(nobody_heard(wait_s, namespace))
            _print(lines(), json)
        elif json or not sys.stdout.isatty():
            bystander.spin(wait_s, lambda: bool(lines()))
            while True:
                _print(lines(), json)
                bystander.spin(2 * REFRESH_S)
        else:
            with Live(screen=True, auto_refresh=False) as live:
                while True:
                    live.update(render(lines(), namespace), refresh=True)
                    bystander.spin(REFRESH_S)


def in_namespace(lines: Sequence[ModelLine], namespace: str) -> list[ModelLine]:
    """The lines of the nodes of a namespace and of those below it; all where it is empty."""
    stem = namespace.strip("/")
    return [line for line in lines if not stem or line.node.startswith(f"/{stem}/")]


def nobody_heard(wait_s: float, namespace: str = "") -> str:
    """What to say where no node was heard."""
    return f"within {wait_s:g} s {how_to_start(namespace)}"


def how_to_start(namespace: str = "") -> str:
    """Where no node was heard, and what mends it."""
    where = f" in namespace '{namespace}'" if namespace else ""
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    return (
        f"no node{where} told of a model on /diagnostics (ROS_DOMAIN_ID={domain}); start a system "
        "with: edge-mm up safety_monitor"
    )


def as_json(lines: Sequence[ModelLine]) -> str:
    """One line of JSON; what is not a number is null."""
    return json_module.dumps([_plain(line) for line in lines])


def render(lines: Sequence[ModelLine], namespace: str = "") -> RenderableType:
    """The table, and below it what is not as it should be."""
    if not lines:
        return Text(f"listening to /diagnostics ...\n{how_to_start(namespace)}")
    table = Table(box=None, padding=(0, 1), header_style="bold")
    for name in _COLUMNS:
        right = name in _COLUMNS[3:]
        table.add_column(name, justify="right" if right else "left", no_wrap=right)
    for line in lines:
        style = "dim" if line.is_silent else _STYLES[line.level]
        table.add_row(*_cells(line), style=style)
    notes = [note for line in lines if (note := _note(line))]
    return Group(table, *([Text()] if notes else []), *notes)


def _cells(line: ModelLine) -> list[Text]:
    memory = f"{line.memory_bytes / 1e6:.0f} MB" if line.memory_bytes else "–"
    if line.device_memory_bytes:
        memory += f" + {line.device_memory_bytes / 1e6:.0f} MB"
    return [
        Text(text)
        for text in (
            line.node,
            line.model,
            line.device or line.state or "?",
            memory,
            f"{line.rate_hz:.1f}/s" if math.isfinite(line.rate_hz) else "–",
            _duration(line.p50_ms),
            _duration(line.p99_ms),
            str(line.requests),
            str(line.requests_lost),
            str(line.dropped),
            str(line.fallbacks),
        )
    ]


def _duration(value_ms: float) -> str:
    if not math.isfinite(value_ms):
        return "–"
    return f"{value_ms:.1f} ms" if value_ms < 100 else f"{value_ms:.0f} ms"


def _note(line: ModelLine) -> Text | None:
    if line.is_silent:
        return Text(f"{line.node}: silent for {line.silent_s:.0f} s", "dim")
    if line.level is HealthLevel.OK:
        return None
    return Text(f"{line.node}: {line.model}: {line.message}", _STYLES[line.level])


def _plain(line: ModelLine) -> dict[str, Any]:
    values = asdict(line) | {"level": line.level.name.lower()}
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def _print(lines: Sequence[ModelLine], json: bool) -> None:
    if json:
        print(as_json(lines), flush=True)
    else:
        # Without a terminal nothing may be cut off.
        Console(width=None if sys.stdout.isatty() else 200).print(render(lines))
