"""What the motion of objects and of the robot says under the rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Object3D, Objects
from edge_mm_ros.params.safety_rules import PredictedEntryRule, TimeToCollisionRule
from edge_mm_ros.pipelines.monitoring.condition import Finding
from edge_mm_ros.pipelines.monitoring.findings import (
    View,
    about,
    candidates,
    half_extent_m,
    keep_worst,
    measured_of,
    places_of,
    subject_of,
)
from edge_mm_ros.pipelines.monitoring.motion import (
    OwnMotion,
    RelativePath,
    reach_m,
    relative_path,
    relative_speed_mps,
)
from edge_mm_ros.pipelines.monitoring.polygon import distances_outside_m, widened

_LONGEST_S = 10.0  # nobody goes straight on for longer
_FINER = 65
Gaps: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def findings_of_entry(
    rule: PredictedEntryRule,
    corners_m: NDArray[np.float64],
    objects: Objects,
    own: OwnMotion,
    view: View,
) -> dict[str, Finding]:
    """Whether each object moves in a zone or soon will be in it; who began to may stop inside."""
    findings: dict[str, Finding] = {}
    items = candidates(rule, objects)
    gaps_m, _ = distances_outside_m(corners_m, places_of(items))
    for item, gap_m in zip(items, gaps_m.tolist(), strict=True):
        subject = subject_of(item)
        if item.velocity_mps is None:
            keep_worst(findings, subject, _without_velocity(item, rule.name, view))
            continue
        began = view.started(subject)
        margin_m = rule.leave_margin_m if began else 0.0
        moving = (
            relative_speed_mps(item, own) >= rule.minimum_speed_mps
            and math.hypot(*item.velocity_mps[:2].tolist()) >= rule.minimum_ground_speed_mps
        )
        entry_s = 0.0 if gap_m <= margin_m and (moving or began) else math.inf
        if moving and margin_m < gap_m <= margin_m + reach_m(item, own, rule.horizon_s):
            path = relative_path(item, own, rule.horizon_s)
            entry_s = _first_touch_s(path, partial(_gaps_of_zone_m, corners_m, margin_m))
        finding = about(
            item,
            view,
            math.isfinite(entry_s),
            f"about to enter zone '{rule.zone}'",
            details=f", in {entry_s:.1f} s" if entry_s else "",
            more={"entry_s": entry_s, "own_speed_mps": own.speed_mps},
        )
        keep_worst(findings, subject, finding)
    return findings


def findings_of_collision(
    rule: TimeToCollisionRule,
    footprint_m: NDArray[np.float64],
    objects: Objects,
    own: OwnMotion,
    view: View,
) -> dict[str, Finding]:
    """Whether each object will soon touch the robot's outline."""
    findings: dict[str, Finding] = {}
    for item in candidates(rule, objects):
        subject = subject_of(item)
        if item.velocity_mps is None:
            keep_worst(findings, subject, _without_velocity(item, rule.name, view))
            continue
        touch_s, closing_mps = math.inf, 0.0
        speed_mps = relative_speed_mps(item, own)
        if speed_mps >= rule.minimum_speed_mps:
            longest_s = min(rule.limit_s(speed_mps) + rule.hysteresis_s, _LONGEST_S)
            path = relative_path(item, own, longest_s)
            gaps_of = partial(_clearances_m, rule, widened(footprint_m, half_extent_m(item)), item)
            begin_m, soon_m = gaps_of(path.places_m[:2]).tolist()
            closing_mps = (begin_m - soon_m) / float(path.times_s[1])
            if closing_mps > 0.0:
                touch_s = _first_touch_s(path, gaps_of)
        limit_s = rule.limit_s(closing_mps)
        if view.started(subject):
            limit_s += rule.hysteresis_s
        finding = about(
            item,
            view,
            touch_s <= limit_s,
            "on collision course",
            details=f", in {touch_s:.1f} s",
            more={
                "time_to_collision_s": touch_s,
                "closing_speed_mps": closing_mps,
                "own_speed_mps": own.speed_mps,
            },
        )
        keep_worst(findings, subject, finding)
    return findings


def _gaps_of_zone_m(
    corners_m: NDArray[np.float64], margin_m: float, places_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far places lie outside of a zone with a margin, float64 (n,)."""
    return distances_outside_m(corners_m, places_m)[0] - margin_m


def _clearances_m(
    rule: TimeToCollisionRule,
    outline_m: NDArray[np.float64],
    item: Object3D,
    places_m: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Free space around an object at places, float64 (n,); negative where it may touch."""
    gaps, nearest = distances_outside_m(outline_m, places_m)
    towards = places_m - nearest
    length = np.hypot(towards[:, 0], towards[:, 1])
    towards /= np.maximum(length, 1e-9)[:, None]
    variance = np.einsum("ni,ij,nj->n", towards, item.covariance_m2[:2, :2], towards)
    return np.asarray(gaps - rule.sigmas * np.sqrt(np.maximum(variance, 0.0)))


def _first_touch_s(path: RelativePath, gaps_of: Gaps) -> float:
    """The first time at which a gap is closed; infinite where none is."""
    closed = np.flatnonzero(gaps_of(path.places_m) <= 0.0)
    if not len(closed):
        return math.inf
    last = int(closed[0])
    if not last:
        return 0.0
    # Between two looks at it, the path is as good as straight.
    share = np.linspace(0.0, 1.0, _FINER)
    begin, end = path.places_m[last - 1 : last + 1]
    within = np.flatnonzero(gaps_of(begin + share[:, None] * (end - begin)) <= 0.0)
    nearer = float(share[within[0]]) if len(within) else 1.0
    first, second = path.times_s[last - 1 : last + 1].tolist()
    return float(first + nearer * (second - first))


def _without_velocity(item: Object3D, rule: str, view: View) -> Finding:
    """Of what no motion is known, nothing can be excluded."""
    who = view.name(item)
    return Finding(
        True,
        f"the velocity of {who} is not known, which rule '{rule}' needs",
        f"the velocity of {who} is known",
        f", {item.distance_m:.1f} m away",
        measured_of(item),
        label=item.label,
        track_id=item.track_id,
        sensor=",".join(item.sources),
        supporting=item.sources,
        seen=False,
    )
