"""The timeline of a report as SVG: one row for each rule, one bar for each condition."""

from __future__ import annotations

import html
from collections import Counter

from edge_mm_ros.datatypes import SafetyLevel
from edge_mm_ros.pipelines.summarization.plain_text import plain
from edge_mm_ros.pipelines.summarization.record import EventWindow, Incident, severity
from edge_mm_ros.pipelines.summarization.times import Times

_COLOURS = {
    SafetyLevel.DANGER: "#c0392b",
    SafetyLevel.CAUTION: "#e0a92e",
    SafetyLevel.UNKNOWN: "#77778c",
    SafetyLevel.CLEAR: "#5c9e6b",
}
_WIDTH = 960
_LEFT = 180
_ROW = 22
_BAR = 14
_TICKS = 6
_NAME_CHARS = 24
MAX_RULES = 20
MAX_BARS = 2000


def timeline_svg(window: EventWindow) -> str:
    """The picture; every foreign text in it is escaped.

    Args:
        window: the conditions and their time; with more rules than fit the gravest are drawn, and
            the picture says how many are not.
    """
    rules, left_out = _rules(window)
    height = _ROW * (len(rules) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="12" role="img">',
        "<title>Timeline of the conditions</title>",
    ]
    parts += _axis(window, height)
    for row, rule in enumerate(rules):
        y = _ROW * row + 4
        name = html.escape(rule or "(no rule)")
        short = html.escape(plain(rule or "(no rule)", _NAME_CHARS))
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{short}<title>{name}</title>'
            "</text>"
        )
    bars = sorted(window.incidents, key=lambda i: severity(i.level))[:MAX_BARS]
    places = {rule: row for row, rule in enumerate(rules)}
    # The gravest are drawn last, above the others.
    parts += [
        _bar(incident, places[incident.rule], window)
        for incident in reversed(bars)
        if incident.rule in places
    ]
    hidden = len(window.incidents) - len(bars)
    told = [f"{left_out} more rules" if left_out else "", f"{hidden} more events" if hidden else ""]
    if note := " and ".join(part for part in told if part):
        parts.append(f'<text x="{_LEFT}" y="{height - 4}" fill="#555">Not drawn: {note}.</text>')
    return "\n".join([*parts, "</svg>"])


def _rules(window: EventWindow) -> tuple[list[str], int]:
    """The rules to draw in the order of their first condition, and how many are left out."""
    gravity: dict[str, int] = {}
    for incident in window.incidents:
        known = gravity.get(incident.rule, len(SafetyLevel))
        gravity[incident.rule] = min(known, severity(incident.level))
    counts = Counter(incident.rule for incident in window.incidents)
    chosen = set(sorted(gravity, key=lambda rule: (gravity[rule], -counts[rule]))[:MAX_RULES])
    return [rule for rule in gravity if rule in chosen], len(gravity) - len(chosen)


def _x(stamp_ns: int, window: EventWindow) -> float:
    length_ns = max(1, window.end_ns - window.start_ns)
    share = min(1.0, max(0.0, (stamp_ns - window.start_ns) / length_ns))
    return _LEFT + share * (_WIDTH - _LEFT - 10)


def _axis(window: EventWindow, height: int) -> list[str]:
    times = Times("clock", window.start_ns)
    parts = []
    for tick in range(_TICKS + 1):
        stamp_ns = window.start_ns + (window.end_ns - window.start_ns) * tick // _TICKS
        x = _x(stamp_ns, window)
        text = html.escape(times.point(stamp_ns).removesuffix(" UTC"))
        anchor = "end" if tick == _TICKS else "middle"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 2 * _ROW}" stroke="#ddd"/>'
            f'<text x="{x:.1f}" y="{height - _ROW - 6}" text-anchor="{anchor}" fill="#555">{text}'
            "</text>"
        )
    return parts


def _bar(incident: Incident, row: int, window: EventWindow) -> str:
    begin = _x(incident.started_ns, window)
    end_ns = window.end_ns if incident.ended_ns is None else incident.ended_ns
    end = begin + 3 if incident.word else max(_x(end_ns, window), begin + 3)
    what = incident.message or incident.word or incident.kind
    return (
        f'<rect x="{begin:.1f}" y="{_ROW * row + 4}" width="{end - begin:.1f}" height="{_BAR}" '
        f'rx="2" fill="{_COLOURS[incident.level]}" fill-opacity="0.85">'
        f"<title>{html.escape(what)}</title></rect>"
    )
