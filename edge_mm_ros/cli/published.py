"""Reads what the nodes of a replay publish as values of the datatypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_mm_ros.datatypes import Detections, Objects, SafetyEvent, SafetyStatus, Transcript
from edge_mm_ros.ros.conversions.detections import detections_from_msg
from edge_mm_ros.ros.conversions.objects import objects_from_msg
from edge_mm_ros.ros.conversions.safety import events_from_msg, state_from_msg
from edge_mm_ros.ros.conversions.speech import transcript_from_msg
from edge_mm_ros.ros.messages import message_type_name
from edge_mm_ros.ros.replay import Published


@dataclass(frozen=True)
class SummaryText:
    """A summary as its topic has it: the text alone."""

    text: str


Value = Detections | Objects | SafetyEvent | SafetyStatus | Transcript | SummaryText


def values_in(published: Published, message: Any) -> Sequence[Value]:
    """What a published message holds for people to see; empty for all other messages.

    Raises:
        InvalidInput: the message contradicts itself.
    """
    topic = published.topic.rsplit("/", 2)
    if topic[-2:] == ["safety", "events"]:
        return events_from_msg(message)
    if topic[-2:] == ["safety", "state"]:
        return (state_from_msg(message),)
    if topic[-1] == "summary":
        return (SummaryText(message.data),)
    kind = message_type_name(published.msg_class)
    if kind == "vision_msgs/msg/Detection2DArray":
        return (detections_from_msg(message),)
    if kind == "vision_msgs/msg/Detection3DArray":
        return (objects_from_msg(message),)
    if kind == "hri_msgs/msg/LiveSpeech":
        return (transcript_from_msg(message),)
    return ()
