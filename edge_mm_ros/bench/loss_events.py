"""Which events of a scene are true, and which of these are missed without some of its sensors."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.bench.loss_checks import Loss
from edge_mm_ros.bench.monitored_scene import Told
from edge_mm_ros.bench.true_events import Span, spans_of, true_spans
from edge_mm_ros.datatypes import (
    WALL_LABEL,
    GroundTruth,
    Objects,
    SafetyLevel,
    TrueObject,
)
from edge_mm_ros.params.safety_rules import (
    FallenRule,
    KeywordRule,
    MinimumDistanceRule,
    PredictedEntryRule,
    SafetyRules,
    StaleRule,
    TimeToCollisionRule,
)
from edge_mm_ros.params.scenario_sensors import Sensor
from edge_mm_ros.pipelines.simulation import START_NS, Record
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_Stamped = TypeVar("_Stamped", Objects, GroundTruth)
_LATEST_S = 1.0  # what is told later is missed
_EARLIEST_S = 0.5
_OFF_M = 1.5  # furthest that a track may be off from the edge of the object that it stands for
_LEAST_SEEN = 0.5  # of an event's time a sensor must see its object for it to be asked for
_AROUND = 50  # messages that a late one may come after

# Those that tell where on the plan something is, so that its motion can be followed. The echo of an
# ultrasonic sensor may come from anywhere on the arc of its cone: it shows that something is there.
_PLACING = frozenset({"camera", "lidar", "laser", "radar"})
_PRESENCE = _PLACING | {"ultrasonic"}
_NAMING = frozenset({"camera"})


@dataclass(frozen=True)
class Comparison:
    """The events of a run without some sensors against those of the full run.

    Attributes:
        asked: how many events of the full run were asked for.
        missed: a line on each of them that is missing.
        late: one on each that is told more than 1 s after it began and a remaining sensor saw its
            object.
    """

    asked: int
    missed: tuple[str, ...]
    late: tuple[str, ...]


class LossEvents:
    """Judges the events of a scene by its ground truth.

    Args:
        records: of the whole scene.
        rules: those that the events are told by.
        sensors: of the scene.
    """

    def __init__(
        self, records: Iterable[Record], rules: SafetyRules, sensors: Sequence[Sensor]
    ) -> None:
        self._rules = {rule.name: rule for rule in rules.rules}
        self._sensors = {sensor.name: sensor for sensor in sensors}
        self._true = [
            (span.event.rule, span.event.track_id.rpartition("/")[0], span)
            for span in true_spans(records, rules)
        ]

    def able(self, rule: str) -> set[str]:
        """The sensors that can measure what a rule is about, whatever they see of it.

        Whether something moves into a zone is told by those that place things on the plan; that it
        is there, by echoes too; a class, by cameras alone. A rule about echoes or detections hears
        no other sensor.
        """
        told = self._rules[rule]
        kinds: Collection[str] = _PRESENCE
        named: Sequence[str] = ()
        if isinstance(told, (KeywordRule, StaleRule)):
            return set()
        if isinstance(told, (PredictedEntryRule, TimeToCollisionRule)):
            kinds = _PLACING
        elif isinstance(told, MinimumDistanceRule) and told.input == "range":
            kinds, named = {"ultrasonic"}, told.sensors
        if isinstance(told, FallenRule):
            named = told.sensors
        if told.labels:
            kinds = _NAMING
        return {
            sensor.name
            for sensor in self._sensors.values()
            if sensor.kind in kinds and sensor.name in (named or (sensor.name,))
        }

    def spans(self, told: Told) -> list[Span]:
        """All events about what is seen around the robot, less those of what is only predicted."""
        return [
            span
            for span in spans_of(told.events, told.states[-1].stamp_ns)
            if span.event.level in (SafetyLevel.DANGER, SafetyLevel.CAUTION)
            and self.able(span.event.rule)
        ]

    def false(self, told: Told) -> list[str]:
        """A line on each event that the truth does not bear out."""
        return [
            _line(span, who)
            for span in self.spans(told)
            if not self._is_true(span, who := self._who(told, span))
        ]

    def compare(self, full: Told, lost: Told, loss: Loss) -> Comparison:
        """Which true events of the full run a remaining sensor could tell, and the other run lacks.

        Such an event is told where one of the same rule is told of the same object while it holds,
        or until it is too late to matter.

        Args:
            full: with all sensors.
            lost: without some.
            loss: these.
        """
        asked, missed, late = 0, [], []
        there = self.spans(lost)
        for span in self.spans(full):
            who = self._who(full, span)
            if not loss.at(span.start_ns) or who is None or not self._is_true(span, who):
                continue
            due_ns = self._seen_from_ns(lost.truths, who, span)
            if due_ns is None:
                continue
            asked += 1
            begins = [one.start_ns for one in there if self._tells(one, span, who, lost)]
            delay_s = (min(begins, default=due_ns) - due_ns) / NS_PER_S
            if not begins:
                missed.append(_line(span, who))
            elif delay_s > _LATEST_S:
                late.append(f"{_line(span, who)}, by {delay_s:.2f} s")
        return Comparison(asked, tuple(missed), tuple(late))

    def _tells(self, one: Span, span: Span, who: str, lost: Told) -> bool:
        """Whether an event of the other run stands for one of an object in the full run."""
        return (
            one.event.rule == span.event.rule
            and one.start_ns <= span.end_ns + to_ns(_LATEST_S)
            and one.end_ns >= span.start_ns - to_ns(_EARLIEST_S)
            and self._who_within(lost, one, span.start_ns, span.end_ns) == who
        )

    def _is_true(self, span: Span, who: str | None) -> bool:
        """Whether the truth bears out an event of an object within 1 s of its begin."""
        if not span.event.track_id:
            return who is not None  # found by where its sensor is, and what that sees
        off_ns = to_ns(_LATEST_S)
        return any(
            (rule, name) == (span.event.rule, who)
            and true.start_ns - off_ns <= span.start_ns <= true.end_ns + off_ns
            for rule, name, true in self._true
        )

    def _who(self, told: Told, span: Span) -> str | None:
        """The true object that an event is about when it begins; None where it is of nothing."""
        if not span.event.track_id:
            return self._who_is_heard(_nearest(told.truths, span.start_ns), span)
        return _owner(told, _nearest(told.objects, span.start_ns), span.event.track_id)

    def _who_within(self, told: Told, span: Span, from_ns: int, until_ns: int) -> str | None:
        """The true object that an event is about for most of a time; at its begin if it is over."""
        if not span.event.track_id:
            return self._who(told, span)
        begin_ns, end_ns = max(span.start_ns, from_ns), min(span.end_ns, until_ns)
        owners = Counter(
            owner
            for objects in told.objects
            if begin_ns <= objects.stamp_ns <= end_ns
            and (owner := _owner(told, objects, span.event.track_id)) is not None
        )
        return owners.most_common(1)[0][0] if owners else self._who(told, span)

    def _who_is_heard(self, truth: GroundTruth, span: Span) -> str | None:
        """The object that an event of a single sensor is about: what that sees nearest to it."""
        rule, sensor = self._rules[span.event.rule], self._sensors.get(span.event.sensor)
        if sensor is None or isinstance(rule, (KeywordRule, StaleRule)):
            return None
        reach_m = math.inf
        if isinstance(rule, MinimumDistanceRule):
            reach_m = rule.distance_m + rule.hysteresis_m
        gaps = {
            item.name: gap_m
            for item in truth.objects
            if (sensor.name in item.seen_by or item.label == WALL_LABEL)
            and (not rule.labels or item.label in rule.labels)
            and (gap_m := _off_m(item, np.asarray(sensor.place.xyz_m))) <= reach_m
        }
        return min(gaps, key=gaps.__getitem__, default=None)

    def _seen_from_ns(self, truths: Sequence[GroundTruth], who: str, span: Span) -> int | None:
        """From when on a sensor sees an object that can measure what an event is about.

        None where it does for less than half of the event's time.
        """
        able = self.able(span.event.rule)
        within = [one for one in truths if span.start_ns <= one.stamp_ns <= span.end_ns]
        seen = [
            (truth.stamp_ns, not able.isdisjoint(item.seen_by))
            for truth in within or [_nearest(truths, span.start_ns)]
            for item in truth.objects
            if item.name == who
        ]
        if not seen or sum(sees for _, sees in seen) < _LEAST_SEEN * len(seen):
            return None
        return max(span.start_ns, next(stamp_ns for stamp_ns, sees in seen if sees))


def _line(span: Span, who: str | None) -> str:
    at_s = (span.start_ns - START_NS) / NS_PER_S
    return f"{span.event.rule} of {who or 'nothing'} at {at_s:.2f} s"


def _owner(told: Told, objects: Objects, track: str) -> str | None:
    """The true object that a track stands for in one update; None where it is not in it."""
    place = next((one.position_m for one in objects.objects if one.track_id == track), None)
    if place is None:
        return None
    truth = _nearest(told.truths, objects.stamp_ns)
    gaps = {item.name: _off_m(item, place) for item in truth.objects}
    best = min(gaps, key=gaps.__getitem__, default=None)
    return best if best is not None and gaps[best] <= _OFF_M else None


def _off_m(item: TrueObject, place_m: NDArray[np.float64]) -> float:
    """How far a place lies outside an object's box in the plane; 0 inside."""
    gap = place_m[:2] - item.position_m[:2]
    cos, sin = math.cos(item.yaw_rad), math.sin(item.yaw_rad)
    along, across = cos * gap[0] + sin * gap[1], cos * gap[1] - sin * gap[0]
    beyond = np.abs((along, across)) - item.size_m[:2] / 2.0
    return float(np.hypot(*np.maximum(beyond, 0.0)))


def _nearest(items: Sequence[_Stamped], stamp_ns: int) -> _Stamped:
    """The item of the nearest stamp, of items that are in order but for delays."""
    after = bisect_left(items, stamp_ns, key=lambda one: one.stamp_ns)
    some = items[max(after - _AROUND, 0) : after + _AROUND]
    return min(some, key=lambda one: abs(one.stamp_ns - stamp_ns))
