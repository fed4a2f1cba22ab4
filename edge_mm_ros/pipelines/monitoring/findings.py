"""What measurements say under the rules about places and distances."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Object3D, Objects, RangeReading
from edge_mm_ros.params.safety_rules import (
    MinimumDistanceRule,
    PredictedEntryRule,
    TimeToCollisionRule,
    ZoneRule,
)
from edge_mm_ros.pipelines.monitoring.condition import Finding
from edge_mm_ros.pipelines.monitoring.polygon import distances_outside_m

LARGEST_M = 50.0  # no object is longer, whatever its size says
_OUTLINE_STEP_M = 0.25
ObjectRule: TypeAlias = ZoneRule | PredictedEntryRule | TimeToCollisionRule | MinimumDistanceRule


def subject_of(item: Object3D) -> str:
    """What a condition about an object is kept under: its track, or its label without one."""
    return item.track_id or f"any {item.label}"


@dataclass(frozen=True)
class View:
    """How the objects of one measurement are looked at under one rule.

    Attributes:
        names: what labels are called in messages.
        started: whether the condition of a subject has begun.
        sources_known: whether it is known on which sensors objects rest; else all count as seen.
    """

    names: Mapping[str, str]
    started: Callable[[str], bool]
    sources_known: bool = True

    def sees(self, item: Object3D) -> bool:
        """Whether a sensor shows an object now; else it is predicted."""
        return bool(item.sources) or not self.sources_known

    def name(self, item: Object3D, label: str = "") -> str:
        """What an object is called in messages; `label` stands for its own."""
        name = self.names.get(label or item.label, label or item.label)
        return f"{name} {item.track_id}" if item.track_id else name


def candidates(rule: ObjectRule, objects: Objects) -> list[Object3D]:
    """The objects that a rule is about."""
    return [
        item
        for item in objects.objects
        if (not rule.labels or item.label in rule.labels) and item.score >= rule.minimum_score
    ]


def about(
    item: Object3D,
    view: View,
    held: bool,
    place: str,
    *,
    details: str = "",
    more: Mapping[str, float | str] | None = None,
) -> Finding:
    """What holds of an object.

    Args:
        item: the object.
        view: how it is looked at.
        held: whether the condition holds.
        place: clause that follows "is", for example ``in zone 'bay'``.
        details: further measured values in words, before the distance.
        more: further measured values.
    """
    who, seen = view.name(item), view.sees(item)
    values = {**measured_of(item), **(more or {})}
    return Finding(
        held,
        f"{who} is {place}" if seen else f"{who} is predicted, but not seen, {place}",
        f"{who} is no longer {'seen' if seen else 'predicted'} {place}",
        f"{details}, {item.distance_m:.1f} m away",
        values if seen else {**values, "seen": "predicted"},
        label=item.label,
        track_id=item.track_id,
        sensor=",".join(item.sources),
        supporting=item.sources,
        seen=seen,
        last_seen=f"{who} was last seen {place}",
    )


def measured_of(item: Object3D) -> dict[str, float | str]:
    """Where an object is, as values of an event."""
    return {
        "distance_m": item.distance_m,
        "bearing_rad": item.bearing_rad,
        "x_m": float(item.position_m[0]),
        "y_m": float(item.position_m[1]),
        "confidence": item.score,
    }


def keep_worst(findings: dict[str, Finding], subject: str, finding: Finding) -> None:
    """Of objects under one subject, one for which the condition holds counts, first a seen one."""
    known = findings.get(subject)
    if known is None or (finding.held, finding.seen) > (known.held, known.seen):
        findings[subject] = finding


def findings_of_zone(
    rule: ZoneRule, corners_m: NDArray[np.float64], objects: Objects, view: View
) -> dict[str, Finding]:
    """Whether each object is in a zone; who is in must leave it by a margin."""
    findings: dict[str, Finding] = {}
    items = candidates(rule, objects)
    gaps_m, _ = distances_outside_m(corners_m, places_of(items))
    for item, gap_m in zip(items, gaps_m.tolist(), strict=True):
        subject = subject_of(item)
        outside = _outline_outside_m(item, corners_m) if rule.reach == "outline" else gap_m
        margin = rule.leave_margin_m if view.started(subject) else 0.0
        finding = about(item, view, outside <= margin, f"in zone '{rule.zone}'")
        keep_worst(findings, subject, finding)
    return findings


def places_of(items: Sequence[Object3D]) -> NDArray[np.float64]:
    """Where objects are on the ground, float64 (n, 2)."""
    return np.array([item.position_m[:2] for item in items]).reshape(-1, 2)


def findings_of_distance(
    rule: MinimumDistanceRule, objects: Objects, view: View
) -> dict[str, Finding]:
    """Whether each object is too near; who is must go by a margin."""
    findings: dict[str, Finding] = {}
    for item in candidates(rule, objects):
        subject = subject_of(item)
        limit = rule.distance_m + (rule.hysteresis_m if view.started(subject) else 0.0)
        if rule.reach == "outline":
            reach_m = np.maximum(np.abs(item.position_m[:2]) - half_extent_m(item), 0.0)
            near = math.hypot(*reach_m.tolist()) <= limit
        else:
            near = item.distance_m <= limit
        keep_worst(findings, subject, about(item, view, near, f"nearer than {rule.distance_m:g} m"))
    return findings


def findings_of_range(
    rule: MinimumDistanceRule, sensor: str, reading: RangeReading, started: Callable[[str], bool]
) -> dict[str, Finding]:
    """Whether a range sensor's echo is too near (REP-117: ``-inf`` is nearer than it can tell)."""
    limit = rule.distance_m + (rule.hysteresis_m if started(sensor) else 0.0)
    range_m = reading.range_m
    values: dict[str, float | str] = {"limit_m": rule.distance_m}
    details = ""
    if range_m == -math.inf:
        values["distance_m"] = reading.min_range_m
        details = f", nearer than the {reading.min_range_m:g} m that it can tell"
    elif math.isfinite(range_m):
        values["distance_m"] = range_m
        details = f", {range_m:.2f} m away"
    return {
        sensor: Finding(
            range_m <= limit,
            f"something before '{sensor}' is nearer than {rule.distance_m:g} m",
            f"nothing before '{sensor}' is nearer than {rule.distance_m:g} m any more",
            details,
            values,
            sensor=sensor,
            supporting=(f"ultrasonic:{sensor}",),
        )
    }


def half_extent_m(item: Object3D) -> NDArray[np.float64]:
    """Half of an object's extent along x and y, float64 (2,)."""
    return np.asarray(np.clip(np.nan_to_num(0.5 * item.size_m[:2]), 0.0, 0.5 * LARGEST_M))


def _outline_outside_m(item: Object3D, corners_m: NDArray[np.float64]) -> float:
    """How far an object's outline lies outside of a zone; 0 where they overlap."""
    half = half_extent_m(item)
    away = np.abs(corners_m - item.position_m[:2]) - half
    if np.any(np.all(away <= 0.0, axis=1)):  # as a small zone under a truck
        return 0.0
    steps = max(2, math.ceil(2.0 * float(half.max()) / _OUTLINE_STEP_M) + 1)
    along = np.linspace(-1.0, 1.0, steps)
    ones = np.ones_like(along)
    sides = [(along, ones), (along, -ones), (ones, along), (-ones, along)]
    border = np.concatenate([np.column_stack(side) for side in sides])
    return float(distances_outside_m(corners_m, item.position_m[:2] + border * half)[0].min())
