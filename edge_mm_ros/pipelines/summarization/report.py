"""A report on a shift: every condition of it, in words, as a table and as a picture."""

from __future__ import annotations

import datetime
import html
import re
from dataclasses import dataclass

from edge_mm_ros.datatypes import SafetyEvent, Transcript
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.summarization.grounding import ungrounded
from edge_mm_ros.pipelines.summarization.plain_text import listed, named, plain
from edge_mm_ros.pipelines.summarization.record import EventRecord, EventWindow, Incident
from edge_mm_ros.pipelines.summarization.report_picture import timeline_svg
from edge_mm_ros.pipelines.summarization.template import write_template
from edge_mm_ros.pipelines.summarization.times import Times, duration

MAX_ROWS = 500
_HEADS = ("Begin", "Lasted", "Level", "Rule", "What", "Nearest", "Sensors")
_UNPROVEN = "No summary passed its check; the table has the conditions."
_MARKED = re.compile(r"([\\`*_{}\[\]<>|~#!&$])")
_STYLE = (
    "body{font:15px/1.45 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;font-size:13px}"
    "td,th{border:1px solid #ccc;padding:3px 6px;text-align:left;vertical-align:top}"
    "tr.danger td:nth-child(3){background:#f6c5c0}tr.caution td:nth-child(3){background:#fbe7b2}"
    "tr.unknown td:nth-child(3){background:#d9d9e3}svg{max-width:100%;height:auto}"
)


@dataclass(frozen=True)
class Report:
    """What a report tells of.

    Attributes:
        window: its time and all that is remembered of it.
        forgotten: events and utterances that were too many to be kept.
    """

    window: EventWindow
    forgotten: int = 0

    @property
    def name(self) -> str:
        """A name for its files, without an ending."""
        return f"safety_report_{_moment(self.window.end_ns):%Y%m%dT%H%M%SZ}"


class ReportBook:
    """Collects what the next report tells of.

    Args:
        capacity: conditions, and utterances, that are kept.
        begin_ns: when the first report begins.
    """

    def __init__(self, capacity: int, begin_ns: int) -> None:
        self._capacity = capacity
        self._begin_ns = begin_ns
        self._record = EventRecord(capacity)

    def add_event(self, event: SafetyEvent) -> None:
        """Add an event."""
        self._record.add_event(event)

    def add_transcript(self, transcript: Transcript) -> None:
        """Add what was said."""
        self._record.add_transcript(transcript)

    def due(self, now_ns: int, every_h: float) -> Report | None:
        """The report, where its time is over; conditions that go on are in the next one, too."""
        if now_ns < self._begin_ns:  # the clock was set back
            self._begin_ns = now_ns
        if now_ns - self._begin_ns < every_h * 3600 * NS_PER_S:
            return None
        return self.take(now_ns)

    def take(self, now_ns: int) -> Report:
        """The report up to now."""
        window = self._record.window(self._begin_ns, now_ns)
        report = Report(window, self._record.forgotten)
        self._record = EventRecord(self._capacity)
        for incident in window.incidents:
            if incident.ended_ns is None:
                self._record.add_incident(incident)
        self._begin_ns = now_ns
        return report


def as_markdown(report: Report) -> str:
    """The report in Markdown; its picture is the file of its name with the ending ``.svg``."""
    lines = [
        "# Safety report",
        "",
        _title(report),
        "",
        f"![Timeline of the conditions]({report.name}.svg)",
        "",
        "## Summary",
        "",
        _escaped(_summary(report)),
        "",
        "## Conditions",
        "",
        f"| {' | '.join(_HEADS)} |",
        f"|{' --- |' * len(_HEADS)}",
    ]
    lines += [f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in _rows(report)]
    lines += ["", *(_escaped(note) for note in _notes(report))]
    return "\n".join(lines).rstrip() + "\n"


def as_html(report: Report) -> str:
    """The report as one page that needs no other file."""
    rows = "".join(
        f'<tr class="{incident.level.value}">'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>\n"
        for incident, row in zip(report.window.incidents, _rows(report))
    )
    notes = "".join(f"<p>{html.escape(note)}</p>\n" for note in _notes(report))
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{_title(report)}</title><style>{_STYLE}</style></head>\n<body>\n"
        f"<h1>Safety report</h1>\n<p>{_title(report)}</p>\n{timeline_svg(report.window)}\n"
        f"<h2>Summary</h2>\n<p>{html.escape(_summary(report))}</p>\n"
        f"<h2>Conditions</h2>\n<table><tr>{heads}</tr>\n{rows}</table>\n{notes}</body></html>\n"
    )


def _title(report: Report) -> str:
    begin, end = _moment(report.window.start_ns), _moment(report.window.end_ns)
    return f"{begin:%Y-%m-%d %H:%M:%S} UTC to {end:%Y-%m-%d %H:%M:%S} UTC"


def _summary(report: Report) -> str:
    """The template's text, which passes the same check as any other summary."""
    times = Times("clock", report.window.start_ns)
    text = write_template(report.window, times)
    faults = ungrounded(text, report.window, times)
    return f"{_UNPROVEN} ({faults[0]})" if faults else text


def _rows(report: Report) -> list[tuple[str, ...]]:
    return [_row(incident, report.window) for incident in report.window.incidents[:MAX_ROWS]]


def _row(incident: Incident, window: EventWindow) -> tuple[str, ...]:
    lasted = "goes on"
    if incident.word:
        lasted = ""
    elif incident.ended_ns is not None:
        lasted = duration(incident.ended_ns - incident.started_ns)
    what = f"'{incident.word}' was said" if incident.word else incident.message or incident.kind
    begin = f"{_moment(incident.started_ns):%H:%M:%S}"
    if incident.started_ns < window.start_ns:
        begin = f"before ({begin})"
    nearest = "" if incident.nearest_m is None else f"{incident.nearest_m:.1f} m"
    return (begin, lasted, incident.level.value, incident.rule, what, nearest, _sensors(incident))


def _sensors(incident: Incident) -> str:
    """The sensors that saw it, and those that should have."""
    seen = list(incident.supporting) or ([incident.sensor] if incident.sensor else [])
    parts = [listed(seen)] if seen else []
    if incident.silent:
        parts.append(f"not {listed([named(sensor) for sensor in incident.silent])}")
    return "; ".join(parts)


def _notes(report: Report) -> list[str]:
    """What the table does not have."""
    notes = []
    left_out = len(report.window.incidents) - MAX_ROWS
    if left_out > 0:
        notes.append(f"The table has the first {MAX_ROWS} conditions; {left_out} more are not.")
    if report.forgotten:
        notes.append(
            f"{report.forgotten} older events or utterances of this time were too many to be kept; "
            "raise history_items to keep more."
        )
    return notes


def _moment(stamp_ns: int) -> datetime.datetime:
    """UTC; the nearest end of the calendar for a time that it does not have."""
    try:
        return datetime.datetime.fromtimestamp(stamp_ns // NS_PER_S, tz=datetime.timezone.utc)
    except (OverflowError, OSError, ValueError):
        end = datetime.datetime.max if stamp_ns > 0 else datetime.datetime.min
        return end.replace(tzinfo=datetime.timezone.utc)


def _escaped(text: str) -> str:
    """Foreign text in Markdown: nothing in it is markup, a link or a picture."""
    return _MARKED.sub(r"\\\1", plain(text, 100_000))
