"""``edge-mm evaluate``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from edge_mm_ros.pipelines.evaluation import (
    EvaluationSettings,
    Score,
    frames_of,
    score,
    score_events,
)
from edge_mm_ros.ros.installation import require_ros

_OBJECT_COLUMNS = ("s", "found", "class", "delay s", "gap s", "ids", "rms m", "rms m/s")


def evaluate(
    bag: Annotated[Path, typer.Argument(help="Recording of what the nodes published.")],
    truth: Annotated[
        Path | None, typer.Option(help="Recording with the ground truth, where it is another.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
    topic: Annotated[str, typer.Option(help="Topic of the objects.")] = "objects",
    match_distance: Annotated[
        float, typer.Option(min=0.01, max=100.0, help="How far a track may be off, in metres.")
    ] = 2.0,
    max_distance: Annotated[
        float, typer.Option(min=0.1, max=1000.0, help="Longest distance of objects, in metres.")
    ] = 40.0,
    sensor: Annotated[
        list[str] | None,
        typer.Option(help="Count only what this sensor sees; may be given again. Else any sensor."),
    ] = None,
) -> None:
    """Score the objects and safety events of a recording against ground truth."""
    settings = EvaluationSettings(
        match_distance_m=match_distance,
        max_distance_m=max_distance,
        sensors=tuple(sensor or ()),
    )
    result = evaluate_recording(bag, truth or bag, topic, settings)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
    show(result, Console())


def evaluate_recording(
    bag: Path, truth: Path, topic: str = "objects", settings: EvaluationSettings | None = None
) -> Score:
    """Score a recording.

    Raises:
        EdgeMmError: ROS is not there, a recording cannot be read, or lacks objects or truth.
    """
    require_ros()
    from edge_mm_ros.cli.evaluation_input import read_output, read_truth

    chosen = settings or EvaluationSettings()
    output, real = read_output(bag, topic), read_truth(truth)
    frames = frames_of(real.objects, output.estimates, chosen, real.odometry)
    events = None
    if output.events is not None and real.expected:
        events = score_events(real.expected, output.events, output.states, real.end_ns)
    return score(frames, chosen, events)


def show(result: Score, console: Console) -> None:
    """Print the figures as tables."""
    table = Table("measure", "value", "unit")
    for name, value, unit in _rows(result):
        text = (
            str(value) if isinstance(value, int) else "-" if math.isnan(value) else f"{value:.3f}"
        )
        table.add_row(name, text, unit)
    console.print(table)
    objects = Table(Column("object", no_wrap=True), *_OBJECT_COLUMNS)
    for item in result.objects:
        objects.add_row(
            item.name,
            f"{item.asked_s:.1f}",
            f"{item.found_share:.0%}",
            _told(item.right_label_share, "{:.0%}"),
            _told(item.delay_s, "{:.2f}"),
            f"{item.longest_gap_s:.2f}",
            str(len(item.track_ids)),
            _told(item.position_rms_m, "{:.2f}"),
            _told(item.velocity_rms_mps, "{:.2f}"),
        )
    console.print(objects)
    if result.events is None:
        console.print("safety events: none were recorded, or none are expected")
        return
    events = Table("expected event", "of", "told after")
    for outcome in result.events.outcomes:
        told = "[red]missed[/]" if outcome.missed else f"{outcome.delay_s:.2f} s"
        events.add_row(outcome.rule, outcome.who, f"{told} [red]late[/]" if outcome.late else told)
    console.print(events)


def _rows(result: Score) -> list[tuple[str, int | float, str]]:
    rows: list[tuple[str, int | float, str]] = [
        ("frames", result.frames, ""),
        ("GOSPA (p = 2), mean", result.gospa.distance_m, "m"),
        ("HOTA", result.hota.hota, ""),
        ("  detection (DetA)", result.hota.detection, ""),
        ("  association (AssA)", result.hota.association, ""),
        ("MOTA", result.clear.mota, ""),
        ("MOTP, mean distance", result.clear.motp_m, "m"),
        ("id switches", result.clear.switches, ""),
        ("fragmentations", result.clear.fragmentations, ""),
        ("misses", result.clear.misses, f"of {result.clear.objects}"),
        ("false positives", result.clear.false_positives, ""),
        ("false alarms", result.false_alarms_per_minute, "1/min"),
        ("position error, RMS", result.position_rms_m, "m"),
        ("velocity error, RMS", result.velocity_rms_mps, "m/s"),
        ("truth in the 95 % ellipse", result.consistency.inside_share, ""),
        ("NEES, mean (honest: 2)", result.consistency.mean_nees, ""),
        ("objects never found", len(result.never_found), f"of {len(result.objects)}"),
        ("longest detection delay", result.longest_delay_s, "s"),
        ("longest gap in a track", result.longest_gap_s, "s"),
    ]
    if result.events is not None:
        total = f"of {len(result.events.outcomes)}"
        rows += [
            ("safety events missed", result.events.missed, total),
            ("safety events late", result.events.late, total),
            ("safety events without cause", result.events.false_events, ""),
            ("clear while in danger", result.events.clear_in_danger_s, "s"),
        ]
    return rows


def _told(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)
