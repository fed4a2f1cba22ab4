"""Shapes of the timeline, in the units of its SVG; the template only prints them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH = 1000.0
GUTTER = 148.0
RIGHT = 14.0
CHARACTER = 6.1  # mean advance of the 11 px font; text is cut by it, never measured


@dataclass(frozen=True)
class Bar:
    """A rectangle with a style, a tooltip and maybe a text of its own.

    Attributes:
        x, y, width, height: where it is.
        style: CSS classes.
        title: tooltip, which screen readers speak.
        text: shown beside or in it.
        text_x, text_y: where the text begins, or ends where `anchor` is ``end``.
        anchor: SVG text-anchor.
        text_style: CSS classes of the text.
    """

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str
    text: str = ""
    text_x: float = 0.0
    text_y: float = 0.0
    anchor: str = "start"
    text_style: str = "note"


@dataclass(frozen=True)
class Line:
    """A line through points, with a style and a tooltip."""

    points: str
    style: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    text: str


@dataclass
class Row:
    """One row of the timeline.

    Attributes:
        label: its name, in the gutter.
        y: its top.
        height: its height.
        detail: second line of the name.
        bars, lines: what is drawn.
        ticks: marks of its own vertical axis.
        key: legend: style and name of each line, where there are several.
    """

    label: str
    y: float
    height: float
    detail: str = ""
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    key: list[tuple[str, str]] = field(default_factory=list)


class TimeScale:
    """Places times on the horizontal axis.

    Args:
        start_ns: the time at the left.
        end_ns: the time at the right.
    """

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self.start_ns = start_ns
        self.span_ns = max(1, end_ns - start_ns)

    def x(self, stamp_ns: int) -> float:
        """Where a stamp lies, kept within the plot."""
        share = (stamp_ns - self.start_ns) / self.span_ns
        return round(GUTTER + min(1.0, max(0.0, share)) * (WIDTH - GUTTER - RIGHT), 1)

    def ticks(self) -> list[Tick]:
        """About ten marks at round seconds."""
        span_s = self.span_ns / 1e9
        step_s = round_step(span_s / 10)
        return [
            Tick(self.x(self.start_ns + round(i * step_s * 1e9)), f"{i * step_s:g}")
            for i in range(math.floor(span_s / step_s + 1e-9) + 1)
        ]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten (or of 15, 30, 60 s ...) not below `least`."""
    steps = [m * 10.0**e for e in range(-9, 1) for m in (1, 2, 5)]
    steps += [15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0]
    return next((step for step in steps if step >= least * 0.999), float(math.ceil(least)))


def round_top(most: float) -> float:
    """A round number not below `most`, for the top of a vertical axis."""
    if not (math.isfinite(most) and most > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(m * power for m in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if m * power >= most * 0.999)


def cut(text: str, width: float) -> str:
    """A text cut to what fits a width; empty where nothing useful does."""
    room = int(width / CHARACTER)
    if len(text) <= room:
        return text
    return text[: room - 1].rstrip() + "…" if room >= 4 else ""


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most the lowest and the highest point for each unit of the horizontal axis."""
    columns: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        columns.setdefault(round(point[0]), []).append(point)
    kept = []
    for column in columns.values():
        if len(column) <= 2:
            kept += column
        else:
            lowest, highest = (f(column, key=lambda p: p[1]) for f in (min, max))
            kept += sorted({lowest, highest})
    return kept


def path(points: Sequence[tuple[float, float]]) -> str:
    """Points as SVG writes them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def in_lanes(spans: Sequence[tuple[float, float]], most: int) -> list[int]:
    """For each span, in order of their begins, the first lane in which it overlaps none.

    Args:
        spans: begin and end of each.
        most: number of lanes; what fits into none goes into lane `most`, overlapping there.
    """
    ends: list[float] = []
    lanes = []
    for begin, end in spans:
        lane = next((i for i, last in enumerate(ends) if last <= begin), len(ends))
        if lane < len(ends):
            ends[lane] = end
        elif lane < most:
            ends.append(end)
        lanes.append(lane)
    return lanes
