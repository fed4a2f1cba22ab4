"""What ``edge-mm evaluate`` reads out of recordings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import GroundTruth, Odometry, SafetyEvent, SafetyStatus
from edge_mm_ros.pipelines.evaluation import Estimate, EvaluationError
from edge_mm_ros.pipelines.simulation import EVENTS_TOPIC, TRUTH_TOPIC
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.conversions.ground_truth import truth_from_msgs
from edge_mm_ros.ros.conversions.objects import objects_from_msg
from edge_mm_ros.ros.conversions.odometry import odometry_from_msg
from edge_mm_ros.ros.conversions.safety import events_from_msg, state_from_msg
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.conversions.velocities import velocities_from_msg
from edge_mm_ros.ros.messages import deserialize

_TRUTH = "ground_truth/"
OBJECTS_TYPE = "vision_msgs/msg/Detection3DArray"


@dataclass(frozen=True)
class Truth:
    """What really was.

    Attributes:
        objects: in the order of the recording.
        expected: safety events that should be told.
        odometry: where the robot believed to be.
        end_ns: time of the last message.
    """

    objects: list[GroundTruth]
    expected: list[SafetyEvent]
    odometry: list[Odometry]
    end_ns: int


@dataclass(frozen=True)
class Output:
    """What the nodes made of it.

    Attributes:
        estimates: the objects.
        events: safety events; None where the recording has no such topic.
        states: states of safety.
    """

    estimates: list[Estimate]
    events: list[SafetyEvent] | None
    states: list[SafetyStatus] = field(default_factory=list)


def read_output(path: Path, topic: str) -> Output:
    """The objects, events and states of a recording.

    Raises:
        EvaluationError: it has no objects; says how to get them.
        EdgeMmError: it cannot be read.
    """
    bag = BagReader(path)
    name = _found(bag, topic, OBJECTS_TYPE)
    if name is None:
        raise EvaluationError(
            f"recording {path}: no topic {topic} of {OBJECTS_TYPE}; it has: "
            f"{', '.join(sorted(bag.topics))}. Record what a fusion makes of it: edge-mm replay "
            f"{path} --system simulated --rate max --output OUT.mcap, then edge-mm evaluate "
            f"OUT.mcap --truth {path}; or name the topic by --topic"
        )
    events = _found(bag, "safety/events", "diagnostic_msgs/msg/DiagnosticArray")
    states = _found(bag, "safety/state", "diagnostic_msgs/msg/DiagnosticStatus")
    messages = _messages(bag, [name, f"{name}/sources", events, states])
    velocities = _velocities(messages[f"{name}/sources"])
    objects = [objects_from_msg(message) for message in messages[name]]
    if not objects:
        raise EvaluationError(
            f"recording {path}: its topic {name} holds no message; did the fusion's sensors run?"
        )
    return Output(
        [Estimate(item, velocities.get(item.stamp_ns, {})) for item in objects],
        None if events is None else [e for m in messages[events] for e in events_from_msg(m)],
        [] if states is None else [state_from_msg(message) for message in messages[states]],
    )


def read_truth(path: Path) -> Truth:
    """The ground truth of a recording.

    Raises:
        EvaluationError: it has none; says how to get it.
        EdgeMmError: it cannot be read.
    """
    bag = BagReader(path)
    name = _found(bag, TRUTH_TOPIC, OBJECTS_TYPE)
    if name is None:
        raise EvaluationError(
            f"recording {path}: no topic {TRUTH_TOPIC} of {OBJECTS_TYPE}; name the recording that "
            "has the ground truth by --truth (edge-mm simulate makes such recordings)"
        )
    events = _found(bag, EVENTS_TOPIC, "diagnostic_msgs/msg/DiagnosticArray")
    odometry = [topic for topic, kind in bag.topics.items() if kind == "nav_msgs/msg/Odometry"]
    messages = _messages(bag, [name, f"{name}/sources", events, *odometry[:1]])
    sources = {to_ns(message.header.stamp): message for message in messages[f"{name}/sources"]}
    truths = [
        truth_from_msgs(message, sources[stamp_ns])
        for message in messages[name]
        if (stamp_ns := to_ns(message.header.stamp)) in sources
    ]
    return Truth(
        truths,
        [] if events is None else [e for m in messages[events] for e in events_from_msg(m)],
        [odometry_from_msg(message) for topic in odometry[:1] for message in messages[topic]],
        bag.start_ns + bag.duration_ns,
    )


def _velocities(messages: list[Any]) -> dict[int, dict[str, NDArray[np.float64]]]:
    return {to_ns(message.header.stamp): velocities_from_msg(message) for message in messages}


def _found(bag: BagReader, topic: str, msg_type: str) -> str | None:
    """The topic of that name and type; where it is not there, the only one that ends so."""
    fitting = [name for name, kind in bag.topics.items() if kind == msg_type]
    exact = f"/{topic.lstrip('/')}"
    if exact in fitting:
        return exact
    ending = [
        name for name in fitting if name.endswith(exact) and (_TRUTH in name) == (_TRUTH in topic)
    ]
    return ending[0] if len(ending) == 1 else None


def _messages(bag: BagReader, topics: list[str | None]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for message in bag:
        if message.topic in topics:
            found[message.topic].append(deserialize(message.cdr, message.msg_type))
    return found
