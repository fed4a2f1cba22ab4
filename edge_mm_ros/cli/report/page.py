"""Writes the page."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from edge_mm_ros.cli.report.key_pictures import key_pictures
from edge_mm_ros.cli.report.model import ReplayReport
from edge_mm_ros.cli.report.spans import SEVERITY, EventSpan, event_spans, state_spans
from edge_mm_ros.cli.report.timeline import timeline
from edge_mm_ros.datatypes import EdgeMmError, SafetyLevel

PAGE = "index.html"
MAX_TABLE_ROWS = 500
UNITS = {
    "mps": "m/s",
    "m": "m",
    "m2": "m²",
    "s": "s",
    "ms": "ms",
    "rad": "rad",
    "px": "px",
    "hz": "Hz",
}


class ReportError(EdgeMmError):
    """A report that cannot be written."""


@dataclass(frozen=True)
class EventLine:
    """One line of the table of events: a condition from its start to its end."""

    span: EventSpan
    start_s: float
    told_s: float
    end_s: float | None
    values: str


@dataclass(frozen=True)
class LatencyLine:
    """One line of the table of latencies, milliseconds; shares are of the longest one."""

    stage: str
    count: int
    p50: float
    p99: float
    most: float
    p50_share: float
    p99_share: float


@dataclass(frozen=True)
class StateShare:
    """How long a state held, seconds, and its share of the recording, 0 to 1."""

    level: SafetyLevel
    seconds: float
    share: float


def write_report(report: ReplayReport, directory: Path) -> Path:
    """Write ``index.html`` into a directory, which is made where it is missing.

    Args:
        report: what to tell.
        directory: where to write; an older page there is replaced at once.

    Returns:
        The page's path.

    Raises:
        ReportError: the directory or the page cannot be written; names it and says why.
    """
    html = render(report)
    path = directory / PAGE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=directory, prefix=".index.", delete=False
        ) as file:
            file.write(html)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise ReportError(f"report {path}: cannot be written ({error.strerror})") from error
    return path


def render(report: ReplayReport) -> str:
    """The page as text. What comes from outside, such as labels and speech, is escaped."""
    environment = Environment(
        loader=PackageLoader("edge_mm_ros.cli.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    lines = event_lines(report)
    spoken = [transcript for transcript in report.transcripts if transcript.is_final]
    return environment.get_template("page.html.j2").render(
        report=report,
        timeline=timeline(report),
        pictures=key_pictures(report),
        events=lines[:MAX_TABLE_ROWS],
        event_levels=Counter(line.span.level.value for line in lines).most_common(),
        events_left_out=max(0, len(lines) - MAX_TABLE_ROWS),
        spoken=spoken[:MAX_TABLE_ROWS],
        spoken_left_out=max(0, len(spoken) - MAX_TABLE_ROWS),
        hypotheses=len(report.transcripts) - len(spoken),
        latencies=latency_lines(report.latencies_ms),
        topics=sorted({*report.fed, *report.published}),
        environment=list(flat(report.environment)),
        shares=state_shares(report),
        most_at_once=max((len(found) for found in report.detections), default=0),
    )


def event_lines(report: ReplayReport) -> list[EventLine]:
    """The conditions of a report, in order of their starts."""
    return [
        EventLine(
            span,
            report.seconds(span.start_ns),
            report.seconds(span.told_ns),
            None if span.end_ns is None else report.seconds(span.end_ns),
            ", ".join(measured(name, value) for name, value in span.first.values.items()),
        )
        for span in event_spans(report.events)
    ]


def measured(name: str, value: float | str) -> str:
    """A measured value in words: ``distance_m`` and 1.2 give ``distance 1.2 m``."""
    quantity, _, unit = name.rpartition("_")
    words = (quantity if quantity and unit in UNITS else name).replace("_", " ")
    shown = f"{value:.3g}" if isinstance(value, float) else str(value)
    return f"{words} {shown} {UNITS[unit]}" if quantity and unit in UNITS else f"{words} {shown}"


def latency_lines(latencies_ms: Mapping[str, Sequence[float]]) -> list[LatencyLine]:
    """Percentiles per stage, in the order given; stages without a value are left out."""
    finite = {n: [v for v in values if np.isfinite(v)] for n, values in latencies_ms.items()}
    finite = {stage: values for stage, values in finite.items() if values}
    longest = max((float(np.percentile(v, 99)) for v in finite.values()), default=0.0)
    lines = []
    for stage, values in finite.items():
        p50, p99, most = (float(p) for p in np.percentile(values, (50, 99, 100)))
        scale = 100.0 / longest if longest > 0 else 0.0
        lines.append(
            LatencyLine(stage, len(values), p50, p99, most, p50 * scale, min(100.0, p99 * scale))
        )
    return lines


def state_shares(report: ReplayReport) -> list[StateShare]:
    """How long each state held, the worst one first."""
    spans = state_spans(report.states, report.until_ns)
    total_ns = sum(span.end_ns - span.start_ns for span in spans)
    shares = []
    for level in sorted(SEVERITY, key=SEVERITY.__getitem__, reverse=True):
        held_ns = sum(span.end_ns - span.start_ns for span in spans if span.level is level)
        if held_ns:
            shares.append(StateShare(level, held_ns / 1e9, held_ns / total_ns))
    return shares


def flat(environment: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values in order, those of an inner mapping under their own names."""
    for name, value in environment.items():
        if isinstance(value, Mapping):
            yield from flat(value, prefix=f"{name}: ")
        else:
            yield f"{prefix}{name}", f"{value:g}" if isinstance(value, float) else str(value)
