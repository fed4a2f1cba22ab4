"""The rules about what single sensors tell: ranges, and falls in a camera's detections."""

from __future__ import annotations

from edge_mm_ros.datatypes import Detections, RangeReading, SafetyEvent
from edge_mm_ros.params.safety_rules import FallenRule, MinimumDistanceRule, SafetyRules
from edge_mm_ros.pipelines.monitoring.condition import RuleConditions, timing_of
from edge_mm_ros.pipelines.monitoring.fallen import FallenEvidence
from edge_mm_ros.pipelines.monitoring.findings import findings_of_range


class SensorRules:
    """The rules of a file that are about single sensors.

    Args:
        rules: the rules.
    """

    def __init__(self, rules: SafetyRules) -> None:
        self._names = rules.names
        self._ranges: list[tuple[MinimumDistanceRule, RuleConditions]] = []
        self._falls: list[tuple[FallenRule, FallenEvidence, RuleConditions]] = []
        for rule in rules.rules:
            if isinstance(rule, MinimumDistanceRule) and rule.input == "range":
                level = rule.level.safety
                conditions = RuleConditions(rule.name, rule.kind, level, timing_of(rule))
                self._ranges.append((rule, conditions))
            elif isinstance(rule, FallenRule) and rule.input == "detections":
                timing = timing_of(rule, frames=1)
                conditions = RuleConditions(rule.name, rule.kind, rule.level.safety, timing)
                self._falls.append((rule, FallenEvidence(rule), conditions))

    @property
    def conditions(self) -> list[RuleConditions]:
        """The conditions of all these rules."""
        return [
            *(conditions for _, conditions in self._ranges),
            *(conditions for _, _, conditions in self._falls),
        ]

    def forget(self) -> None:
        """Forget the evidence of falls."""
        for _, evidence, _ in self._falls:
            evidence.forget()

    def hear_detections(self, camera: str, detections: Detections, topic: str) -> list[SafetyEvent]:
        """Take one camera's detections, with a stamp that never goes back."""
        events = []
        for rule, evidence, conditions in self._falls:
            if camera in (rule.sensors or (camera,)):
                findings = evidence.of_detections(camera, detections, self._names)
                events += conditions.update(findings, detections.stamp_ns, (topic,))
        return events

    def hear_range(
        self, sensor: str, reading: RangeReading, stamp_ns: int, topic: str
    ) -> list[SafetyEvent]:
        """Take one range sensor's reading at a time that never goes back."""
        events = []
        for rule, conditions in self._ranges:
            if sensor in (rule.sensors or (sensor,)):
                findings = findings_of_range(rule, sensor, reading, conditions.started)
                events += conditions.update(findings, stamp_ns, (topic,))
        return events
