"""All rules about objects, and the conditions that they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Objects, SafetyEvent, SafetyLevel, ZoneStatus
from edge_mm_ros.params.safety_rules import (
    FallenRule,
    MinimumDistanceRule,
    PredictedEntryRule,
    SafetyRules,
    TimeToCollisionRule,
    ZoneRule,
)
from edge_mm_ros.params.safety_zones import BrakingZone
from edge_mm_ros.pipelines.monitoring.condition import Finding, RuleConditions, graver, timing_of
from edge_mm_ros.pipelines.monitoring.fallen import FallenEvidence
from edge_mm_ros.pipelines.monitoring.findings import (
    ObjectRule,
    View,
    findings_of_distance,
    findings_of_zone,
    subject_of,
)
from edge_mm_ros.pipelines.monitoring.motion import OwnMotion, braking_outline
from edge_mm_ros.pipelines.monitoring.motion_rules import (
    findings_of_collision,
    findings_of_entry,
)
from edge_mm_ros.pipelines.monitoring.polygon import outline

EVIDENCE = ("objects",)


class _Followed:
    """One rule with what holds, and what only is predicted to hold.

    A prediction begins no danger, and ends none: what is predicted into a zone makes the state
    unknown, and what was seen there counts as there until it is seen elsewhere or lost.
    """

    def __init__(self, rule: ObjectRule, level: SafetyLevel) -> None:
        self.rule = rule
        timing = timing_of(rule, getattr(rule, "dwell_s", 0.0))
        self.seen = RuleConditions(rule.name, rule.kind, level, timing)
        self.predicted = RuleConditions(
            rule.name, rule.kind, SafetyLevel.UNKNOWN, timing, f"{rule.name}-predicted"
        )

    @property
    def level(self) -> SafetyLevel:
        """The gravest that it tells now."""
        told = (one.level for one in (self.seen, self.predicted) if one.reasons())
        return reduce(graver, told, SafetyLevel.CLEAR)

    def update(self, findings: Mapping[str, Finding], stamp_ns: int) -> list[SafetyEvent]:
        seen: dict[str, Finding] = {}
        predicted: dict[str, Finding] = {}
        for subject, finding in findings.items():
            if finding.seen:
                seen[subject] = finding
            elif self.seen.started(subject):
                seen[subject] = _kept(self.seen.last(subject))
            else:
                predicted[subject] = finding
        return [
            *self.seen.update(seen, stamp_ns, EVIDENCE, complete=True),
            *self.predicted.update(predicted, stamp_ns, EVIDENCE, complete=True),
        ]


class ObjectRules:
    """The rules of a file that are about objects.

    Args:
        rules: zones and rules.
    """

    def __init__(self, rules: SafetyRules) -> None:
        self._rules = rules
        self._outlines = {zone.name: outline(zone.polygon_m) for zone in rules.zones}
        self._footprint = outline(rules.footprint_m)
        self._followed: list[_Followed] = []
        self._fallen: list[tuple[FallenEvidence, RuleConditions]] = []
        for rule in rules.rules:
            if isinstance(rule, ZoneRule):
                self._followed.append(_Followed(rule, rules.zone(rule.zone).level.safety))
            elif isinstance(rule, (PredictedEntryRule, TimeToCollisionRule)) or (
                isinstance(rule, MinimumDistanceRule) and rule.input == "objects"
            ):
                self._followed.append(_Followed(rule, rule.level.safety))
            elif isinstance(rule, FallenRule) and rule.input == "objects":
                conditions = RuleConditions(
                    rule.name, rule.kind, rule.level.safety, timing_of(rule, frames=1)
                )
                self._fallen.append((FallenEvidence(rule), conditions))

    @property
    def conditions(self) -> list[RuleConditions]:
        """The conditions of all these rules."""
        return [
            *(followed.seen for followed in self._followed),
            *(followed.predicted for followed in self._followed),
            *(conditions for _, conditions in self._fallen),
        ]

    def zones(self, own: OwnMotion | None) -> list[ZoneStatus]:
        """How each zone is by its rules; one whose outline is not known now is left out."""
        levels = {zone.name: SafetyLevel.CLEAR for zone in self._rules.all_zones}
        for followed in self._followed:
            if isinstance(followed.rule, (ZoneRule, PredictedEntryRule)):
                name = followed.rule.zone
                levels[name] = graver(levels[name], followed.level)
        outlines = ((name, level, self._corners_m(name, own)) for name, level in levels.items())
        return [
            ZoneStatus(name, corners_m, level)
            for name, level, corners_m in outlines
            if corners_m is not None
        ]

    def forget(self) -> None:
        """Forget the evidence of falls."""
        for evidence, _ in self._fallen:
            evidence.forget()

    def update(
        self, objects: Objects, own: OwnMotion | None, *, sources_known: bool
    ) -> list[SafetyEvent]:
        """Take all objects at one time.

        Args:
            objects: the objects, with a stamp that never goes back.
            own: the robot's motion; None where it is not known, and what needs it waits.
            sources_known: whether the objects tell their sensors, so that none means predicted.
        """
        events = []
        for followed in self._followed:
            view = View(self._rules.names, followed.seen.started, sources_known)
            findings = self._findings(followed.rule, objects, own, view)
            if findings is not None:
                events += followed.update(findings, objects.stamp_ns)
        view = View(self._rules.names, lambda subject: False, sources_known)
        for evidence, conditions in self._fallen:
            found = evidence.of_objects(objects, view)
            for subject in map(subject_of, objects.objects):
                if subject not in found and conditions.started(subject):
                    found[subject] = _kept(conditions.last(subject))
            events += conditions.update(found, objects.stamp_ns, EVIDENCE, complete=True)
        return events

    def _findings(
        self, rule: ObjectRule, objects: Objects, own: OwnMotion | None, view: View
    ) -> dict[str, Finding] | None:
        """What the objects say under a rule; None where the robot's motion is not known."""
        if isinstance(rule, MinimumDistanceRule):
            return findings_of_distance(rule, objects, view)
        if isinstance(rule, TimeToCollisionRule):
            if own is None:
                return None
            return findings_of_collision(rule, self._footprint, objects, own, view)
        if not rule.counts_at(None if own is None else own.forward_mps):
            return {}
        corners_m = self._corners_m(rule.zone, own)
        if corners_m is None:
            return None
        if isinstance(rule, ZoneRule):
            return findings_of_zone(rule, corners_m, objects, view)
        return None if own is None else findings_of_entry(rule, corners_m, objects, own, view)

    def _corners_m(self, name: str, own: OwnMotion | None) -> NDArray[np.float64] | None:
        """The outline of a zone now; None where it needs the robot's motion, which is not known."""
        zone = self._rules.zone(name)
        if isinstance(zone, BrakingZone):
            return None if own is None else braking_outline(zone, own)
        return self._outlines[name]


def _kept(finding: Finding) -> Finding:
    """What was found when the object was seen last, and holds on."""
    return replace(finding, reason=finding.last_seen or finding.reason, details="", supporting=())
