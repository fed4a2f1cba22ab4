"""The events that the rules tell of a scene's ground truth: those of a fusion without any error."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge_mm_ros.datatypes import (
    EventPhase,
    GroundTruth,
    Object3D,
    Objects,
    Odometry,
    SafetyEvent,
    TrueObject,
)
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.pipelines.monitoring.motion import OwnMotion
from edge_mm_ros.pipelines.monitoring.object_rules import ObjectRules
from edge_mm_ros.pipelines.simulation import Record

_PIECE_M = 1.0
_SURE_M2 = 1e-6 * np.eye(3)


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


def spans_of(events: Sequence[SafetyEvent], end_ns: int) -> list[Span]:
    """Every event from begin to end; what has not ended by `end_ns` ends then."""
    ends = {e.event_id: e.stamp_ns for e in events if e.phase is EventPhase.ENDED}
    return [
        Span(event, ends.get(event.event_id, end_ns))
        for event in events
        if event.phase is EventPhase.STARTED
    ]


def true_spans(records: Iterable[Record], rules: SafetyRules) -> list[Span]:
    """What the rules about objects tell of the truth and the robot's own motion.

    Args:
        records: of a scene, in the order of their arrival.
        rules: those of the system that it is played through.

    Returns:
        events of which `track_id` begins with the object's name, then ``/`` and the number of its
        piece (`pieces_of`).
    """
    judge = ObjectRules(rules)
    events: list[SafetyEvent] = []
    own, last_ns = OwnMotion(), 0
    for record in records:
        value = record.value
        if isinstance(value, Odometry):
            own = OwnMotion.of(value)
        elif isinstance(value, GroundTruth):
            pieces = itertools.chain.from_iterable(map(pieces_of, value.objects))
            objects = Objects(tuple(pieces), value.stamp_ns, value.frame_id)
            events += judge.update(objects, own, sources_known=True)
            last_ns = value.stamp_ns
    return spans_of(events, last_ns)


def pieces_of(item: TrueObject) -> Iterator[Object3D]:
    """A true object as the sides and corners are that sensors show of it: cut to about 1 m.

    Of a wall nobody sees the middle, and of a car that has no class yet only what is near.
    """
    cos, sin = math.cos(item.yaw_rad), math.sin(item.yaw_rad)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    counts = np.array([*np.ceil(item.size_m[:2] / _PIECE_M), 1.0])
    size = item.size_m / counts
    for number, at in enumerate(np.ndindex(*map(int, counts))):
        yield Object3D(
            f"{item.name}/{number}",
            item.label,
            1.0,
            item.position_m + turn @ ((np.array(at) + 0.5) * size - item.size_m / 2.0),
            np.abs(turn) @ size,
            _SURE_M2,
            ("truth",),
            item.velocity_mps,
        )
