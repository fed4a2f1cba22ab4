"""A simulated scene without some of its sensors: alarms, and being clear without coverage."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_mm_ros.bench.monitored_scene import Told
from edge_mm_ros.datatypes import EventPhase, GroundTruth, SafetyLevel
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.scenario_sensors import LidarSensor, OdometrySensor, RadarSensor, Sensor
from edge_mm_ros.pipelines.free_space.zone_points import points_in
from edge_mm_ros.pipelines.simulation import EVENTS_TOPIC, START_NS, Record
from edge_mm_ros.pipelines.simulation.truth import ExpectedEvents
from edge_mm_ros.pipelines.stamps import NS_PER_S


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
