"""Shows a replay in the terminal while it runs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from edge_mm_ros.cli.live_status import KEPT_EVENTS, EventNote, LiveSnapshot, LiveStatus, few
from edge_mm_ros.datatypes import SafetyLevel

__all__ = ["LiveStatus", "live_view", "render"]

REFRESH_HZ = 8
LEVEL_STYLE = {
    SafetyLevel.CLEAR: "bold black on green",
    SafetyLevel.CAUTION: "bold black on yellow",
    SafetyLevel.DANGER: "bold white on red",
    SafetyLevel.UNKNOWN: "bold black on white",
}
EVENT_STYLE = {
    SafetyLevel.CLEAR: "green",
    SafetyLevel.CAUTION: "yellow",
    SafetyLevel.DANGER: "red",
    SafetyLevel.UNKNOWN: "white",
}


@contextmanager
def live_view(status: LiveStatus, console: Console | None = None) -> Iterator[None]:
    """Show a status until the block ends: a view on a terminal, else a line for each change.

    Args:
        status: what to show; another thread may update it.
        console: where; standard output by default.
    """
    console = console or Console(file=sys.stdout)
    if not console.is_terminal:
        status.on_line = lambda line: console.out(line, highlight=False)
        try:
            yield
        finally:
            status.finish()
            status.on_line = None
        return
    with Live(
        get_renderable=lambda: render(status.snapshot()),
        console=console,
        refresh_per_second=REFRESH_HZ,
        vertical_overflow="ellipsis",
    ):
        try:
            yield
        finally:
            status.finish()


def render(snapshot: LiveSnapshot) -> RenderableType:
    """The view of one moment. What comes from outside is shown as plain text, never as markup."""
    rows = Table.grid(padding=(0, 2), expand=True)
    rows.add_column(style="dim", no_wrap=True, min_width=8)
    rows.add_column(ratio=1)
    rows.add_row("state", _state(snapshot))
    rows.add_row("pictures", _pictures(snapshot))
    rows.add_row("events", _events(snapshot.events))
    rows.add_row("heard", _heard(snapshot))
    rows.add_row("summary", Text(snapshot.summary) if snapshot.summary else Text("–", "dim"))
    return Panel(
        Group(_progress(snapshot), Text(), rows),
        title=Text(f" {snapshot.name} ", "bold"),
        title_align="left",
        border_style="dim",
        padding=(0, 1),
    )


def _progress(snapshot: LiveSnapshot) -> RenderableType:
    total_s = max(snapshot.duration_s, 0.001)
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    bar = ProgressBar(
        total=total_s,
        completed=min(snapshot.time_s, total_s),
        complete_style="cyan",
        finished_style="cyan",
    )
    line.add_row(bar, Text(f"{snapshot.time_s:.1f} of {snapshot.duration_s:.1f} s"))
    return line


def _state(snapshot: LiveSnapshot) -> Text:
    if snapshot.level is None:
        return Text("not told yet", "dim")
    text = Text(f" {snapshot.level.value.upper()} ", LEVEL_STYLE[snapshot.level])
    return Text.assemble(text, "  ", few(snapshot.reasons))


def _pictures(snapshot: LiveSnapshot) -> Text:
    parts = [f"{snapshot.pictures}"]
    if math.isfinite(snapshot.pictures_per_s):
        parts.append(f"{snapshot.pictures_per_s:.1f} a second")
    if math.isfinite(snapshot.latency_p50_ms):
        p50_ms, p99_ms = snapshot.latency_p50_ms, snapshot.latency_p99_ms
        parts.append(f"found after {p50_ms:.0f} ms (p99 {p99_ms:.0f} ms)")
    if snapshot.found:
        parts.append(", ".join(f"{count} {label}" for label, count in snapshot.found))
    return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def _events(events: tuple[EventNote, ...]) -> RenderableType:
    """Always the same number of lines, so that the view does not jump."""
    lines = [_event(note) for note in events]
    lines += [Text() for _ in range(KEPT_EVENTS - len(lines))]
    return Group(*lines)


def _event(note: EventNote) -> Text:
    style = "dim" if note.ended else EVENT_STYLE[note.level]
    mark = "ended" if note.ended else note.level.value
    return Text.assemble(
        (f"{note.time_s:6.1f} s  ", "dim"),
        (f"{mark:<8}", style),
        (note.text, "dim" if note.ended else ""),
        no_wrap=True,
        overflow="ellipsis",
    )


def _heard(snapshot: LiveSnapshot) -> Text:
    if not snapshot.heard:
        return Text("–", "dim")
    ending = "" if snapshot.heard_final else " …"
    return Text(f"“{snapshot.heard}{ending}”", "" if snapshot.heard_final else "italic dim")
