"""What a report tells of; plain values, so that any replay can fill them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_mm_ros.datatypes import (
    Detections,
    Objects,
    RangeReading,
    SafetyEvent,
    SafetyStatus,
    Summary,
    Transcript,
)


@dataclass(frozen=True)
class RecordedPicture:
    """A picture as it was recorded.

    Attributes:
        stamp_ns: capture time, nanoseconds.
        frame_id: the camera's optical frame; with the stamp, it finds the picture's detections.
        encoded: a JPEG or PNG file.
    """

    stamp_ns: int
    frame_id: str
    encoded: bytes


@dataclass(frozen=True)
class ReplayReport:
    """Everything that the page shows; what is empty is left out of it or said to be missing.

    Attributes:
        recording: name of the recording.
        system: name of the system that it was fed through.
        start_ns: time of the recording's first message; times on the page count from it.
        end_ns: time of its last message.
        pictures: pictures that may be shown. Only those with detections are ever decoded.
        detections: what was found, per picture.
        objects: what was placed in space.
        ranges: readings of range sensors.
        events: what the rules told, in order.
        states: the states of safety, in order.
        transcripts: what was heard, hypotheses included.
        summaries: what was written, in order.
        latencies_ms: durations by stage, milliseconds.
        fed: messages fed, by topic.
        published: messages that the nodes published, by topic.
        dropped: messages that came too late to be handled, by node and topic.
        environment: processor, versions; one level of nesting is allowed.
        warnings: what was left out or went wrong, one line each.
        rate: speed of the replay, ``max`` or a factor.
        wall_s: how long the replay took, seconds.
    """

    recording: str
    system: str
    start_ns: int
    end_ns: int
    pictures: Sequence[RecordedPicture] = ()
    detections: Sequence[Detections] = ()
    objects: Sequence[Objects] = ()
    ranges: Sequence[RangeReading] = ()
    events: Sequence[SafetyEvent] = ()
    states: Sequence[SafetyStatus] = ()
    transcripts: Sequence[Transcript] = ()
    summaries: Sequence[Summary] = ()
    latencies_ms: Mapping[str, Sequence[float]] = field(default_factory=dict)
    fed: Mapping[str, int] = field(default_factory=dict)
    published: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    rate: str = "max"
    wall_s: float = 0.0

    def seconds(self, stamp_ns: int) -> float:
        """A stamp in seconds from the recording's start."""
        return (stamp_ns - self.start_ns) / 1e9

    @property
    def until_ns(self) -> int:
        """The last thing that happened: a replay goes on for a little after its recording."""
        told = [event.stamp_ns for event in self.events]
        told += [state.stamp_ns for state in self.states]
        told += [summary.end_ns for summary in self.summaries]
        return max(self.end_ns, *told) if told else self.end_ns

    @property
    def duration_s(self) -> float:
        """Length of the recording, seconds."""
        return max(0.0, self.seconds(self.end_ns))
