"""Gathers what a report tells of while a replay runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edge_mm_ros.cli.published import SummaryText, values_in
from edge_mm_ros.cli.report.model import RecordedPicture, ReplayReport
from edge_mm_ros.datatypes import (
    Detections,
    InvalidInput,
    Objects,
    RangeReading,
    SafetyEvent,
    SafetyStatus,
    Summary,
    Transcript,
)
from edge_mm_ros.ros.bags import BagMessage, BagReader
from edge_mm_ros.ros.conversions.ranges import reading_from_msg
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.messages import deserialize
from edge_mm_ros.ros.replay import Published, ReplayResult
from edge_mm_ros.ros.stage_latency import StageLatency


class ReportCollector:
    """Hears both sides of a replay: what is fed, and what the nodes publish.

    Args:
        bag: the recording.
        system: name of the system.
        rate: ``max`` or a factor.

    Attributes:
        latency: durations by stage.
    """

    def __init__(self, bag: BagReader, system: str, rate: str) -> None:
        self._bag = bag
        self._system = system
        self._rate = rate
        self.latency = StageLatency()
        self._pictures: list[RecordedPicture] = []
        self._ranges: list[RangeReading] = []
        self._detections: list[Detections] = []
        self._objects: list[Objects] = []
        self._events: list[SafetyEvent] = []
        self._states: list[SafetyStatus] = []
        self._transcripts: list[Transcript] = []
        self._summaries: list[Summary] = []
        self._unreadable: list[str] = []

    def on_fed(self, message: BagMessage, wall_s: float) -> None:
        """Note a message that is fed."""
        self.latency.on_fed(message, wall_s)
        if message.msg_type == "sensor_msgs/msg/CompressedImage":
            picture = deserialize(message.cdr, message.msg_type)
            self._pictures.append(
                RecordedPicture(
                    to_ns(picture.header.stamp), picture.header.frame_id, bytes(picture.data)
                )
            )
        elif message.msg_type == "sensor_msgs/msg/Range":
            self._read(
                message.topic,
                lambda: self._ranges.append(
                    reading_from_msg(deserialize(message.cdr, message.msg_type))
                ),
            )

    def on_published(self, published: Published, message: Any) -> None:
        """Note a message that a node published."""
        self.latency.on_published(published, message)
        self._read(published.topic, lambda: self._sort(published, message))

    def report(self, result: ReplayResult, environment: Mapping[str, object]) -> ReplayReport:
        """All that was gathered."""
        return ReplayReport(
            recording=self._bag.path.name,
            system=self._system,
            start_ns=self._bag.start_ns,
            end_ns=self._bag.start_ns + self._bag.duration_ns,
            pictures=self._pictures,
            detections=self._detections,
            objects=self._objects,
            ranges=self._ranges,
            events=self._events,
            states=self._states,
            transcripts=self._transcripts,
            summaries=self._summaries,
            latencies_ms=self.latency.latencies_ms,
            fed=dict(result.fed),
            published=dict(result.published),
            dropped=result.dropped,
            environment=environment,
            warnings=[*result.warnings, *self._unreadable],
            rate=self._rate,
            wall_s=result.wall_s,
        )

    def _sort(self, published: Published, message: Any) -> None:
        lists: dict[type, list[Any]] = {
            Detections: self._detections,
            Objects: self._objects,
            SafetyEvent: self._events,
            SafetyStatus: self._states,
            Transcript: self._transcripts,
        }
        for value in values_in(published, message):
            if isinstance(value, SummaryText):
                self._summaries.append(
                    Summary(value.text, self._bag.start_ns, published.stamp_ns, author="")
                )
            else:
                lists[type(value)].append(value)

    def _read(self, topic: str, read: Callable[[], object]) -> None:
        try:
            read()
        except InvalidInput as error:
            self._unreadable.append(f"{topic}: {error}")
