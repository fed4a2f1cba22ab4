"""Which inputs the rules of a file need, and the watches over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_mm_ros.params.base import ParameterError
from edge_mm_ros.params.safety_rules import (
    FallenRule,
    KeywordRule,
    MinimumDistanceRule,
    PredictedEntryRule,
    Rule,
    SafetyRules,
    StaleRule,
    TimeToCollisionRule,
    ZoneRule,
)
from edge_mm_ros.params.safety_zones import BrakingZone
from edge_mm_ros.pipelines.monitoring.watch import Source, Watch

OBJECTS = Source("objects")
OBJECT_SOURCES = Source("sources")
COVERAGE = Source("coverage")
_LISTS = {"detections": "cameras", "range": "ultrasonics", "odometry": "odometry"}


def make_watches(rules: SafetyRules, sensors: Mapping[str, Sequence[str]]) -> list[Watch]:
    """The stale rules' watches, and one for each further input that a rule uses.

    Args:
        rules: zones and rules.
        sensors: the topics' names by kind of input: ``detections``, ``range`` and ``odometry``.

    Raises:
        ParameterError: a rule names a sensor that is not listed, or needs one where none is.
    """
    watches = [
        Watch(
            rule.name,
            source,
            rule.timeout_s,
            rules.clock_tolerance_s,
            rule.component,
            rule.accept_warnings,
        )
        for rule in rules.rules
        if isinstance(rule, StaleRule)
        for source in _listed(rule, sensors)
    ]
    watched = {watch.source for watch in watches}
    for rule in rules.rules:
        for source in _needed(rule, rules, sensors):
            if source not in watched:
                watched.add(source)
                watches.append(
                    Watch(
                        f"stale_{source.topic}",
                        source,
                        rules.input_timeout_s,
                        rules.clock_tolerance_s,
                    )
                )
    return watches


def _needed(rule: Rule, rules: SafetyRules, sensors: Mapping[str, Sequence[str]]) -> list[Source]:
    """The sources that a rule listens to, and that no rule of its own need watch."""
    if isinstance(rule, (KeywordRule, StaleRule)):
        return []
    if isinstance(rule, (MinimumDistanceRule, FallenRule)):
        return _listed(rule, sensors)
    needed = [OBJECTS]
    moving = isinstance(rule, (TimeToCollisionRule, PredictedEntryRule))
    if moving:
        needed.append(OBJECT_SOURCES)
    if isinstance(rule, (ZoneRule, PredictedEntryRule)):
        if rule.coverage == "required":
            needed.append(COVERAGE)
        if isinstance(rules.zone(rule.zone), BrakingZone) or rule.own_speed_mps is not None:
            _refuse_without(rule.name, "odometry", (), sensors["odometry"])
            moving = True
    if moving:
        needed += [Source("odometry", topic) for topic in sensors["odometry"]]
    return needed


def _listed(
    rule: MinimumDistanceRule | FallenRule | StaleRule, sensors: Mapping[str, Sequence[str]]
) -> list[Source]:
    """The sources of a rule that names its input."""
    if rule.input not in sensors:
        return [Source(rule.input)]
    known = sensors[rule.input]
    _refuse_without(rule.name, _LISTS[rule.input], rule.sensors, known)
    return [Source(rule.input, sensor) for sensor in rule.sensors or known]


def _refuse_without(rule: str, what: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    strangers = [sensor for sensor in wanted if sensor not in known]
    if strangers or not known:
        need = ", ".join(strangers) or (
            "the robot's own speed" if what == "odometry" else f"at least one of the {what}"
        )
        raise ParameterError(
            f"rule '{rule}' needs {need}; {what} lists {', '.join(known) or 'none'}"
        )
