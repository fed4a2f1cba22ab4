"""Ground truth of a scene, and the events that a safety monitor should tell of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from edge_mm_ros.datatypes import (
    WALL_LABEL,
    EventPhase,
    GroundTruth,
    SafetyEvent,
    SafetyLevel,
    TrueObject,
)
from edge_mm_ros.params.scenario import (
    DistanceExpectation,
    Expectation,
    Scenario,
    SensorLossExpectation,
    ZoneExpectation,
)
from edge_mm_ros.pipelines.monitoring.polygon import contains
from edge_mm_ros.pipelines.simulation.odometry import ROBOT_FRAME
from edge_mm_ros.pipelines.simulation.scene import Snapshot


def truth_of(
    snapshot: Snapshot, stamp_ns: int, seen_by: Mapping[str, tuple[str, ...]]
) -> GroundTruth:
    """All actors and walls in the robot's frame, from where the robot really is.

    Args:
        snapshot: the scene.
        stamp_ns: the time.
        seen_by: for each sensor, the actors of which its last measurement holds something.
    """
    robot = snapshot.robot_pose.inverse()
    objects = []
    for state in snapshot.actors:
        name = state.actor.name
        objects.append(
            TrueObject(
                name,
                state.label,
                robot.apply(state.solid.centre_m),
                state.motion.heading_rad - snapshot.robot.heading_rad,
                state.solid.size_m,
                robot.rotation @ np.array([*state.motion.velocity_mps, 0.0]),
                tuple(sensor for sensor, seen in seen_by.items() if name in seen),
            )
        )
    for number, wall in enumerate(snapshot.solids[len(snapshot.actors) :], start=1):
        objects.append(
            TrueObject(
                f"{WALL_LABEL}_{number}",
                WALL_LABEL,
                robot.apply(wall.centre_m),
                wall.yaw_rad - snapshot.robot.heading_rad,
                wall.size_m,
                np.zeros(3),
            )
        )
    return GroundTruth(tuple(objects), stamp_ns, ROBOT_FRAME)


class ExpectedEvents:
    """Follows the truth and tells when a scripted expectation begins and ends to hold.

    What stands in a zone, or too near, is expected to be told from when on a sensor sees it; it
    ends when it really ends. A lost sensor is expected to be told from the begin of its outage.

    Args:
        scenario: the script.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._zones = {zone.name: zone for zone in scenario.zones}
        self._open: dict[tuple[str, str], SafetyEvent] = {}
        self._count = 0

    def update(self, truth: GroundTruth, t_s: float) -> tuple[SafetyEvent, ...]:
        """The events that begin or end at a time."""
        return tuple(
            event
            for expected in self._scenario.expectations
            for event in self._follow(expected, truth, t_s)
        )

    def _follow(
        self, expected: Expectation, truth: GroundTruth, t_s: float
    ) -> Iterator[SafetyEvent]:
        if isinstance(expected, SensorLossExpectation):
            lost = any(
                outage.sensor == expected.sensor and outage.from_s <= t_s < outage.to_s
                for outage in self._scenario.outages
            )
            blank = SafetyLevel.UNKNOWN, "", expected.sensor
            yield from self._change(expected, expected.sensor, blank, lost, lost, truth.stamp_ns)
            return
        holds, level = self._condition(expected)
        for item in (one for one in truth.objects if one.label != WALL_LABEL):
            inside = holds(item) and (not expected.labels or item.label in expected.labels)
            blank = level, item.label, ""
            begins = inside and bool(item.seen_by)
            yield from self._change(expected, item.name, blank, inside, begins, truth.stamp_ns)

    def _condition(
        self, expected: ZoneExpectation | DistanceExpectation
    ) -> tuple[Callable[[TrueObject], bool], SafetyLevel]:
        if isinstance(expected, DistanceExpectation):
            limit_m = expected.distance_m
            return (
                lambda item: float(np.hypot(*item.position_m[:2])) < limit_m
            ), SafetyLevel.DANGER
        zone = self._zones[expected.zone]
        return (
            lambda item: contains(zone.polygon_m, *map(float, item.position_m[:2]))
        ), zone.level.safety

    def _change(
        self,
        expected: Expectation,
        who: str,
        blank: tuple[SafetyLevel, str, str],
        holds: bool,
        begins: bool,
        stamp_ns: int,
    ) -> Iterator[SafetyEvent]:
        key = (expected.rule, who)
        open_event = self._open.get(key)
        if open_event is None and begins:
            self._count += 1
            level, label, sensor = blank
            event = SafetyEvent(
                f"expected-{self._count}",
                EventPhase.STARTED,
                level,
                expected.rule,
                expected.kind,
                stamp_ns,
                stamp_ns,
                f"{expected.rule}: {who}",
                label=label,
                track_id="" if sensor else who,
                sensor=sensor,
                values={"within_s": expected.within_s},
            )
            self._open[key] = event
            yield event
        elif open_event is not None and not holds:
            del self._open[key]
            yield replace(open_event, phase=EventPhase.ENDED, stamp_ns=stamp_ns)
