"""The timeline of states, findings, events, speech and summaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_mm_ros.cli.report.drawing import (
    CHARACTER,
    GUTTER,
    RIGHT,
    WIDTH,
    Bar,
    Line,
    Row,
    Tick,
    TimeScale,
    cut,
    in_lanes,
    path,
    round_top,
    thin,
)
from edge_mm_ros.cli.report.model import ReplayReport
from edge_mm_ros.cli.report.spans import (
    SEVERITY,
    EventSpan,
    StateSpan,
    event_spans,
    state_spans,
)
from edge_mm_ros.datatypes import SafetyLevel

GAP = 16.0
STATE_HEIGHT = {
    SafetyLevel.CLEAR: 15.0,
    SafetyLevel.CAUTION: 21.0,
    SafetyLevel.DANGER: 28.0,
    SafetyLevel.UNKNOWN: 28.0,
}
CURVE_HEIGHT = 46.0
LANE_HEIGHT = 19.0
LABEL_HEIGHT = 24.0  # a name and its second line
MAX_LANES = 3
MAX_RULES = 14
MAX_RANGES = 4
MAX_TOLD_REASONS = 5


@dataclass(frozen=True)
class Timeline:
    """The whole plot.

    Attributes:
        rows: from top to bottom.
        ticks: marks of the time axis.
        height: of the SVG.
        axis_y: where the time axis lies.
        left, right: where the plot begins and ends.
        recording_end: where the recording ends, if the plot goes on after it.
    """

    rows: list[Row]
    ticks: list[Tick]
    height: float
    axis_y: float
    recording_end: float | None = None
    left: float = GUTTER
    right: float = WIDTH - RIGHT
    width: float = WIDTH


def timeline(report: ReplayReport) -> Timeline:
    """Lay the timeline of a report out."""
    scale = TimeScale(report.start_ns, report.until_ns)
    rows: list[Row] = []
    y = 8.0

    def add(row: Row | None) -> None:
        nonlocal y
        if row is not None:
            rows.append(row)
            y = row.y + row.height + GAP

    add(_state_row(report, scale, y))
    add(_count_row(report, scale, y))
    add(_nearest_row(report, scale, y))
    for sensor, readings in _range_rows(report):
        add(_curves(f"Range, {sensor}", "m", {"": readings}, scale, y))
    for rule, spans in _rules_to_show(report):
        add(_rule_row(rule, spans, report, scale, y))
    add(_speech_row(report, scale, y))
    add(_summary_row(report, scale, y))
    goes_on = report.until_ns - report.end_ns > 0.005 * (report.until_ns - report.start_ns)
    recording_end = scale.x(report.end_ns) if goes_on else None
    return Timeline(rows, scale.ticks(), y + 34.0, y, recording_end)


def _state_row(report: ReplayReport, scale: TimeScale, y: float) -> Row | None:
    spans = state_spans(report.states, report.until_ns)
    if not spans:
        return None
    row = Row("State", y, max(STATE_HEIGHT.values()))
    for span in spans:
        row.bars.append(_state_bar(span, report, scale, y + row.height))
    return row


def _state_bar(span: StateSpan, report: ReplayReport, scale: TimeScale, bottom: float) -> Bar:
    left, right = scale.x(span.start_ns), scale.x(span.end_ns)
    height = STATE_HEIGHT[span.level]
    level = span.level.value
    told = "; ".join(span.reasons[:MAX_TOLD_REASONS])
    times = f"{report.seconds(span.start_ns):.1f} s to {report.seconds(span.end_ns):.1f} s"
    return Bar(
        left,
        bottom - height,
        max(1.0, right - left),
        height,
        f"level {level}",
        f"{level}, {times}" + (f": {told}" if told else ""),
        level if len(level) * CHARACTER <= right - left - 8 else "",
        left + 5,
        bottom - 4,
        text_style="on-level",
    )


def _count_row(report: ReplayReport, scale: TimeScale, y: float) -> Row | None:
    counts: dict[str, list[tuple[int, float]]] = {}
    for found in report.detections:
        counts.setdefault(found.frame_id, []).append((found.stamp_ns, float(len(found))))
    return _curves("Found in pictures", "boxes in a picture", counts, scale, y)


def _nearest_row(report: ReplayReport, scale: TimeScale, y: float) -> Row | None:
    nearest = [
        (update.stamp_ns, min(item.distance_m for item in update.objects))
        for update in report.objects
        if len(update)
    ]
    return _curves("Nearest object", "m", {"": nearest}, scale, y)


def _range_rows(report: ReplayReport) -> list[tuple[str, list[tuple[int, float]]]]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for reading in report.ranges:
        # Infinity says that nothing is near: the sensor's limits are the most that it can tell.
        metres = min(max(reading.range_m, reading.min_range_m), reading.max_range_m)
        curves.setdefault(reading.frame_id, []).append((reading.stamp_ns, metres))
    return list(curves.items())[:MAX_RANGES]


def _curves(
    label: str,
    detail: str,
    curves: dict[str, list[tuple[int, float]]],
    scale: TimeScale,
    y: float,
) -> Row | None:
    """A row of curves over one vertical axis from zero; a key names them where they are many."""
    finite = {n: [(t, v) for t, v in c if math.isfinite(v)] for n, c in curves.items()}
    finite = {name: curve for name, curve in finite.items() if curve}
    if not finite:
        return None
    top = round_top(max(value for curve in finite.values() for _, value in curve))
    row = Row(label, y, CURVE_HEIGHT, detail)
    row.ticks = [Tick(y + CURVE_HEIGHT, "0"), Tick(y, f"{top:g}")]
    for index, (name, curve) in enumerate(finite.items()):
        points = [(scale.x(t), y + CURVE_HEIGHT * (1 - value / top)) for t, value in curve]
        style = f"curve c{index % 4}"
        row.lines.append(Line(path(thin(points)), style, f"{label}, {name or detail}"))
        if len(finite) > 1:
            row.key.append((style, name))
    return row


def _rules_to_show(report: ReplayReport) -> list[tuple[str, list[EventSpan]]]:
    """Spans by rule, in order of their starts; of many rules the most severe ones."""
    rules: dict[str, list[EventSpan]] = {}
    for span in event_spans(report.events):
        rules.setdefault(span.first.rule, []).append(span)
    worst = {name: max(SEVERITY[span.level] for span in spans) for name, spans in rules.items()}
    shown = sorted(rules, key=lambda name: -worst[name])[:MAX_RULES]
    return [(name, spans) for name, spans in rules.items() if name in shown]


def _rule_row(
    rule: str, spans: Sequence[EventSpan], report: ReplayReport, scale: TimeScale, y: float
) -> Row:
    ends = [span.end_ns if span.end_ns is not None else report.until_ns for span in spans]
    extents = [(scale.x(span.start_ns), scale.x(end)) for span, end in zip(spans, ends)]
    lanes = in_lanes(extents, MAX_LANES)
    height = max(LABEL_HEIGHT, LANE_HEIGHT * (max(lanes) + 1) - 4)
    row = Row(rule, y, height, spans[0].first.kind)
    for lane in sorted(set(lanes)):
        members = [index for index, other in enumerate(lanes) if other == lane]
        edges = [(GUTTER, GUTTER), *(extents[i] for i in members), (WIDTH - RIGHT, WIDTH - RIGHT)]
        for place, index in enumerate(members):
            free = (edges[place][1], edges[place + 2][0]) if lane < MAX_LANES else None
            told_x = scale.x(spans[index].told_ns)
            top = y + lane * LANE_HEIGHT
            row.bars.append(_event_bar(spans[index], report, extents[index], free, top, told_x))
            row.bars.append(Bar(told_x - 1.25, top - 2, 2.5, LANE_HEIGHT, "told", "told here"))
    return row


def _event_bar(
    span: EventSpan,
    report: ReplayReport,
    extent: tuple[float, float],
    free: tuple[float, float] | None,
    top: float,
    told_x: float,
) -> Bar:
    """The bar of one condition; `free` is the room for its message, None where there is none."""
    left, right = extent
    height = LANE_HEIGHT - 4
    message = span.first.message
    until = "still on at the end" if span.end_ns is None else f"{report.seconds(span.end_ns):.1f} s"
    text, text_x, anchor, text_style = "", left, "start", "note"
    if free is not None:
        # The message stands where most of it fits: in the bar, after it, or before it.
        places = (
            (cut(message, right - told_x - 12), told_x + 6, "start", "on-level"),
            (cut(message, free[1] - right - 12), right + 5, "start", "note"),
            (cut(message, left - free[0] - 12), left - 5, "end", "note"),
        )
        text, text_x, anchor, text_style = max(places, key=lambda place: len(place[0]))
    return Bar(
        left,
        top,
        max(2.0, right - left),
        height,
        f"level {span.level.value}" + (" open" if span.end_ns is None else ""),
        f"{report.seconds(span.start_ns):.1f} s to {until}: {message}",
        text,
        text_x,
        top + height - 4,
        anchor,
        text_style,
    )


def _speech_row(report: ReplayReport, scale: TimeScale, y: float) -> Row | None:
    spoken = [t for t in report.transcripts if t.is_final]
    if not spoken:
        return None
    row = Row("Speech", y, 26.0)
    for index, said in enumerate(spoken):
        left = scale.x(said.start_ns)
        # LiveSpeech does not tell the end of speech; such a transcript is drawn as a mark.
        right = max(left + 3.0, scale.x(said.end_ns))
        limit = scale.x(spoken[index + 1].start_ns) if index + 1 < len(spoken) else WIDTH - RIGHT
        text = cut(f"“{said.text}”", limit - left)
        anchor, text_x = "start", left
        if index + 1 == len(spoken) and limit - left < len(said.text) * CHARACTER:
            room = limit - (scale.x(spoken[index - 1].end_ns) if index else GUTTER)
            text, anchor, text_x = cut(f"“{said.text}”", room), "end", limit
        title = f"{report.seconds(said.start_ns):.1f} s: “{said.text}”"
        row.bars.append(
            Bar(left, y, right - left, 9.0, "speech", title, text, text_x, y + 23.0, anchor)
        )
    return row


def _summary_row(report: ReplayReport, scale: TimeScale, y: float) -> Row | None:
    if not report.summaries:
        return None
    row = Row("Summary", y, 9.0, "time that it tells of")
    for index, summary in enumerate(report.summaries):
        left, right = scale.x(summary.start_ns), scale.x(summary.end_ns)
        style = "summary" if index % 2 == 0 else "summary other"
        row.bars.append(Bar(left, y, max(2.0, right - left), 9.0, style, summary.text))
    return row
