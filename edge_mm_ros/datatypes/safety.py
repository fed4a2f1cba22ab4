"""Safety events and the state that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


class SafetyLevel(Enum):
    """How safe it is, from good to bad; ``UNKNOWN`` where a needed sensor does not tell."""

    CLEAR = "clear"
    CAUTION = "caution"
    DANGER = "danger"
    UNKNOWN = "unknown"


class EventPhase(Enum):
    """Where in its life a condition is when an event tells of it."""

    STARTED = "started"
    ONGOING = "ongoing"
    ENDED = "ended"


@dataclass(frozen=True)
class SafetyEvent:
    """Something that a rule noticed.

    Attributes:
        event_id: the same from a condition's start to its end, unique in a run.
        phase: whether the condition starts, goes on or ends.
        level: what it means for safety.
        rule: the rule's name.
        kind: the rule's kind, for example ``zone`` or ``keyword``.
        stamp_ns: capture time of the measurement that decided, nanoseconds.
        started_ns: capture time at which the condition began, nanoseconds.
        message: one plain English sentence.
        label: class of the object concerned; empty where there is none.
        track_id: track of the object concerned; empty where there is none.
        sensor: sensor or topic concerned; empty where there is none.
        values: measured values with their unit in the name, for example ``distance_m``.
        evidence: topics that the event rests on.
        supporting: sensors that support it, the kind in front, for example ``lidar:top``; empty
            where none is known to, as with what is predicted.
        silent: sensors that are faulty or silent at that time, named likewise.
    """

    event_id: str
    phase: EventPhase
    level: SafetyLevel
    rule: str
    kind: str
    stamp_ns: int
    started_ns: int
    message: str
    label: str = ""
    track_id: str = ""
    sensor: str = ""
    values: Mapping[str, float | str] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    supporting: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


@dataclass(frozen=True)
class SafetyStatus:
    """The state of safety at one time.

    Attributes:
        level: the worst that holds now.
        stamp_ns: time of the state, nanoseconds.
        reasons: one line for each condition that makes it not clear.
    """

    level: SafetyLevel
    stamp_ns: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ZoneStatus:
    """How one safety zone is at one time.

    Attributes:
        name: of the zone.
        outline_m: float64 (m, 2), its corners on the ground, in the robot's frame.
        level: the gravest that is told of it; clear only where it would be told.
    """

    name: str
    outline_m: NDArray[np.float64]
    level: SafetyLevel
