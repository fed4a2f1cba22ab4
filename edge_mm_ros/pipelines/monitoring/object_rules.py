"""What measurements say under the rules about objects, fallen persons and ranges."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from edge_mm_ros.datatypes import Detections, Object3D, Objects, RangeReading
from edge_mm_ros.params.safety_rules import (
    FallenRule,
    MinimumDistanceRule,
    Zone,
    ZoneRule,
)
from edge_mm_ros.pipelines.monitoring.condition import Finding
from edge_mm_ros.pipelines.monitoring.polygon import distance_outside_m
from edge_mm_ros.pipelines.stamps import to_ns

Started = Callable[[str], bool]
_SLOWEST_WINDOWS = 8


def subject_of(item: Object3D) -> str:
    """What a condition about an object is kept under: its track, or its label without one."""
    return item.track_id or f"any {item.label}"


def findings_of_zone(
    rule: ZoneRule, zone: Zone, objects: Objects, started: Started, names: Mapping[str, str]
) -> dict[str, Finding]:
    """Whether each object is in a zone; who is in must leave it by a margin."""
    findings: dict[str, Finding] = {}
    for item in _candidates(rule, objects):
        subject = subject_of(item)
        outside = distance_outside_m(
            zone.polygon_m, float(item.position_m[0]), float(item.position_m[1])
        )
        margin = rule.leave_margin_m if started(subject) else 0.0
        who = _name(item, names)
        finding = _about(
            item,
            outside <= margin,
            f"{who} is in zone '{zone.name}'",
            f"{who} is no longer seen in zone '{zone.name}'",
        )
        _keep_worst(findings, subject, finding)
    return findings


def findings_of_distance(
    rule: MinimumDistanceRule, objects: Objects, started: Started, names: Mapping[str, str]
) -> dict[str, Finding]:
    """Whether each object is too near; who is must go by a margin."""
    findings: dict[str, Finding] = {}
    for item in _candidates(rule, objects):
        subject = subject_of(item)
        limit = rule.distance_m + (rule.hysteresis_m if started(subject) else 0.0)
        who = _name(item, names)
        finding = _about(
            item,
            item.distance_m <= limit,
            f"{who} is nearer than {rule.distance_m:g} m",
            f"{who} is no longer seen nearer than {rule.distance_m:g} m",
        )
        _keep_worst(findings, subject, finding)
    return findings


def findings_of_range(
    rule: MinimumDistanceRule, sensor: str, reading: RangeReading, started: Started
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
        )
    }


class FallenEvidence:
    """How often the recent measurements of each subject carried the label of a fall."""

    def __init__(self, rule: FallenRule) -> None:
        self._rule = rule
        self._history: dict[str, deque[tuple[int, bool]]] = {}

    def forget(self) -> None:
        """Forget all subjects."""
        self._history.clear()

    def of_objects(self, objects: Objects, names: Mapping[str, str]) -> dict[str, Finding]:
        """The evidence for each object after one more measurement."""
        findings = {}
        for subject, item in self._most_fallen(objects).items():
            fallen = self._is_fallen(item)
            held, values = self._add(subject, fallen, objects.stamp_ns)
            who = _name(replace(item, label=self._rule.labels[0]), names)
            finding = _about(item, held, f"{who} is seen", f"{who} is no longer seen", values)
            findings[subject] = finding
        self._forget_unseen(findings, objects.stamp_ns)
        return findings

    def _is_fallen(self, item: Object3D) -> bool:
        return item.label in self._rule.labels and item.score >= self._rule.minimum_score

    def _most_fallen(self, objects: Objects) -> dict[str, Object3D]:
        """One object for each subject: untracked ones share one, and a fallen one speaks for it."""
        chosen: dict[str, Object3D] = {}
        for item in objects.objects:
            subject = subject_of(item)
            if subject not in chosen or (
                self._is_fallen(item) and not self._is_fallen(chosen[subject])
            ):
                chosen[subject] = item
        return chosen

    def of_detections(
        self, camera: str, detections: Detections, names: Mapping[str, str]
    ) -> dict[str, Finding]:
        """The evidence for a camera's picture after one more measurement."""
        scores = [
            float(score)
            for label, score in zip(detections.labels, detections.scores, strict=True)
            if label in self._rule.labels and score >= self._rule.minimum_score
        ]
        held, values = self._add(camera, bool(scores), detections.stamp_ns)
        label = self._rule.labels[0]
        if scores:
            values["confidence"] = max(scores)
        who = names.get(label, label)
        return {
            camera: Finding(
                held,
                f"{who} is seen by camera '{camera}'",
                f"{who} is no longer seen by camera '{camera}'",
                "",
                values,
                label=label,
                sensor=camera,
            )
        }

    def _add(
        self, subject: str, fallen: bool, stamp_ns: int
    ) -> tuple[bool, dict[str, float | str]]:
        history = self._history.setdefault(subject, deque())
        history.append((stamp_ns, fallen))
        self._prune(history, stamp_ns, self._rule.enter_after_frames)
        count = sum(1 for _, was in history if was)
        share = count / len(history)
        held = count >= self._rule.enter_after_frames and share >= self._rule.minimum_share
        return held, {"share": share, "frames": float(count)}

    def _prune(self, history: deque[tuple[int, bool]], stamp_ns: int, fewest: int = 0) -> None:
        """Forget what is older than the window.

        A slow detector has few measurements in a window: the newest `fewest` stay while they are
        within several windows, or the rule could never be met.
        """
        window_ns = to_ns(self._rule.window_s)
        while history and stamp_ns - history[0][0] > window_ns:
            recent = stamp_ns - history[0][0] <= _SLOWEST_WINDOWS * window_ns
            if recent and len(history) <= fewest:
                return
            history.popleft()

    def _forget_unseen(self, seen: Iterable[str], stamp_ns: int) -> None:
        for subject in set(self._history) - set(seen):
            self._prune(self._history[subject], stamp_ns)
            if not self._history[subject]:
                del self._history[subject]


def _candidates(rule: ZoneRule | MinimumDistanceRule, objects: Objects) -> list[Object3D]:
    return [
        item
        for item in objects.objects
        if (not rule.labels or item.label in rule.labels) and item.score >= rule.minimum_score
    ]


def _keep_worst(findings: dict[str, Finding], subject: str, finding: Finding) -> None:
    """Of objects under one subject the one for which the condition holds counts."""
    if subject not in findings or (finding.held and not findings[subject].held):
        findings[subject] = finding


def _name(item: Object3D, names: Mapping[str, str]) -> str:
    name = names.get(item.label, item.label)
    return f"{name} {item.track_id}" if item.track_id else name


def _about(
    item: Object3D,
    held: bool,
    reason: str,
    over: str,
    more: Mapping[str, float | str] | None = None,
) -> Finding:
    return Finding(
        held,
        reason,
        over,
        f", {item.distance_m:.1f} m away",
        {
            "distance_m": item.distance_m,
            "bearing_rad": item.bearing_rad,
            "x_m": float(item.position_m[0]),
            "y_m": float(item.position_m[1]),
            "confidence": item.score,
            **(more or {}),
        },
        label=item.label,
        track_id=item.track_id,
        sensor=",".join(item.sources),
    )
