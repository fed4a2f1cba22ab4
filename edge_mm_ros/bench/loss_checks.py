"""A simulated scene without some of its sensors, and what fusion and monitor make of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.bench.monitored_scene import Told
from edge_mm_ros.datatypes import (
    EventPhase,
    GroundTruth,
    Objects,
    SafetyEvent,
    SafetyLevel,
    TrueObject,
)
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.scenario_sensors import LidarSensor, OdometrySensor, RadarSensor, Sensor
from edge_mm_ros.pipelines.free_space.zone_points import points_in
from edge_mm_ros.pipelines.simulation import EVENTS_TOPIC, START_NS, Record
from edge_mm_ros.pipelines.simulation.truth import ExpectedEvents
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_Stamped = TypeVar("_Stamped", Objects, GroundTruth)
_LATEST_S = 1.0  # what is told later is missed
_EARLIEST_S = 0.5
_OFF_M = 1.5  # furthest that a track may be off from the edge of the object that it stands for
_LEAST_SEEN = 0.5  # of an event's time a sensor must see its object for it to be asked for


@dataclass(frozen=True)
class Loss:
    """Sensors that stop.

    Attributes:
        sensors: their names.
        from_ns: nothing of them arrives from then on ...
        to_ns: ... until then; None: to the end.
    """

    sensors: tuple[str, ...]
    from_ns: int
    to_ns: int | None = None

    def at(self, stamp_ns: int) -> tuple[str, ...]:
        """Who is lost at a time."""
        over = stamp_ns < self.from_ns or (self.to_ns is not None and stamp_ns >= self.to_ns)
        return () if over else self.sensors


def sensor_of(record: Record) -> str:
    """The sensor that a record would be of: its topic's prefix, of odometry its topic."""
    return record.topic.rpartition("/")[0] or record.topic


def without(scenario: Scenario, records: Iterable[Record], *losses: Loss) -> list[Record]:
    """The records of a scene, less those of lost sensors.

    The truth no longer names these as who sees an object, and of the scenario's events those are
    expected that somebody else can see.
    """
    expected = ExpectedEvents(scenario)
    kept = []
    for record in records:
        lost = [name for loss in losses for name in loss.at(record.arrival_ns)]
        if isinstance(record.value, GroundTruth):
            truth = _unseen(record.value, lost)
            kept.append(replace(record, value=truth))
            events = expected.update(truth, (record.stamp_ns - START_NS) / NS_PER_S)
            if events:
                kept.append(replace(record, topic=EVENTS_TOPIC, value=events))
        elif record.topic != EVENTS_TOPIC and sensor_of(record) not in lost:
            kept.append(record)
    return kept


def _unseen(truth: GroundTruth, lost: Collection[str]) -> GroundTruth:
    objects = tuple(
        replace(item, seen_by=tuple(name for name in item.seen_by if name not in lost))
        for item in truth.objects
    )
    return GroundTruth(objects, truth.stamp_ns, truth.frame_id)


def last_arrival_ns(records: Iterable[Record], sensor: str, before_ns: int) -> int:
    """When a sensor was heard last before a time; that time where it never was."""
    return max(
        (
            one.arrival_ns
            for one in records
            if sensor_of(one) == sensor and one.arrival_ns < before_ns
        ),
        default=before_ns,
    )


def alarm_ns(told: Told, sensor: str, from_ns: int) -> int | None:
    """When the first alarm for a lost sensor was told from a time on; None: never."""
    return min(
        (
            event.stamp_ns
            for event in told.events
            if event.kind == "stale"
            and event.phase is EventPhase.STARTED
            and event.stamp_ns >= from_ns
            and f"sensor {sensor}'" in event.message
        ),
        default=None,
    )


def clear_s(told: Told, zones: Collection[str] | None = None, from_ns: int = 0) -> float:
    """How long the state was clear while zones were not covered, seconds.

    Args:
        told: what was told.
        zones: those that nobody can cover; None: those that the fusion says are not covered.
        from_ns: from when on it counts.
    """
    total_ns = 0
    for index, state in enumerate(told.states):
        needed = told.needed[index]
        bare = told.uncovered[index] if zones is None else [z for z in needed if z in zones]
        if state.level is SafetyLevel.CLEAR and bare and state.stamp_ns >= from_ns:
            after = told.states[min(index + 1, len(told.states) - 1)].stamp_ns
            total_ns += max(after - state.stamp_ns, 1)
    return total_ns / NS_PER_S


def uncoverable(
    sensors: Sequence[Sensor],
    zones: Mapping[str, Sequence[tuple[float, float]]],
    least_share: float,
) -> set[str]:
    """Zones of which too little lies within the fields of view of all sensors together.

    By their places, opening angles and ranges alone: what hides what is not asked, so that nobody
    can cover such a zone whatever stands around.
    """
    found = set()
    for name, polygon in zones.items():
        points = points_in(polygon, 0.1)
        seen = np.zeros(len(points), dtype=np.bool_)
        for sensor in sensors:
            # The silence of a radar says nothing of the ground; odometry sees none.
            if isinstance(sensor, (OdometrySensor, RadarSensor)):
                continue
            gap = points - np.asarray(sensor.place.xyz_m)[:2]
            bearing = np.arctan2(gap[:, 1], gap[:, 0]) - sensor.place.rpy_rad[2]
            off = np.abs(np.remainder(bearing + math.pi, 2.0 * math.pi) - math.pi)
            half = math.pi if isinstance(sensor, LidarSensor) else sensor.field_of_view_rad / 2.0
            seen |= (off <= half) & (np.hypot(gap[:, 0], gap[:, 1]) <= sensor.max_range_m)
        if float(np.mean(seen)) < least_share:
            found.add(name)
    return found


# Events --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """One event from begin to end.

    Attributes:
        event: how it began.
        end_ns: when it ended, or the scene did.
    """

    event: SafetyEvent
    end_ns: int

    @property
    def start_ns(self) -> int:
        """When it began."""
        return self.event.stamp_ns


def spans(told: Told) -> list[Span]:
    """All events about what is around the robot, less those about what is only predicted."""
    end_ns = told.states[-1].stamp_ns
    ends = {e.event_id: e.stamp_ns for e in told.events if e.phase is EventPhase.ENDED}
    return [
        Span(event, ends.get(event.event_id, end_ns))
        for event in told.events
        if event.phase is EventPhase.STARTED
        and event.level in (SafetyLevel.DANGER, SafetyLevel.CAUTION)
        and event.track_id
    ]


def missed(full: Told, lost: Told, loss: Loss) -> tuple[int, list[str]]:
    """Which events of the full run a remaining sensor could see, and the other run lacks.

    Args:
        full: with all sensors.
        lost: without some.
        loss: these.

    Returns:
        how many events of the full run were asked for, and a line on each that is missing.
    """
    asked, lines = 0, []
    there = spans(lost)
    for span in spans(full):
        if not loss.at(span.start_ns):
            continue
        who = _who(full, span)
        if who is None or not _could_see(lost.truths, who, span):
            continue
        asked += 1
        if not any(
            one.event.rule == span.event.rule
            and one.start_ns <= span.end_ns + to_ns(_LATEST_S)
            and one.end_ns >= span.start_ns - to_ns(_EARLIEST_S)
            for one in there
        ):
            at_s = (span.start_ns - START_NS) / NS_PER_S
            lines.append(f"{span.event.rule} of {who} at {at_s:.2f} s")
    return asked, lines


def _who(told: Told, span: Span) -> str | None:
    """The true object that an event is about; None where its track stands for none."""
    track = span.event.track_id
    objects = _nearest(told.objects, span.start_ns)
    truth = _nearest(told.truths, span.start_ns)
    place = next((one.position_m for one in objects.objects if one.track_id == track), None)
    if place is None:
        return None
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


def _could_see(truths: Sequence[GroundTruth], who: str, span: Span) -> bool:
    """Whether some sensor sees an object for most of an event's time."""
    within = [one for one in truths if span.start_ns <= one.stamp_ns <= span.end_ns]
    seen = [
        bool(item.seen_by)
        for truth in within or [_nearest(truths, span.start_ns)]
        for item in truth.objects
        if item.name == who
    ]
    return bool(seen) and float(np.mean(seen)) >= _LEAST_SEEN


def _nearest(items: Sequence[_Stamped], stamp_ns: int) -> _Stamped:
    return min(items, key=lambda one: abs(one.stamp_ns - stamp_ns))
