"""Safety events and transcripts as the monitor and the transcriber make them."""

from __future__ import annotations

from typing import Any

from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel, Transcript

S = 1_000_000_000
START = 1_700_000_000 * S  # 2023-11-14 22:13:20 UTC


def event(
    event_id: str = "bay_intrusion-1",
    phase: str = "started",
    at_s: float = 1.2,
    began_s: float = 1.0,
    message: str = "Person 3 is in zone 'bay', 1.8 m away.",
    **fields: Any,
) -> SafetyEvent:
    """One event; by default a person in a zone."""
    given: dict[str, Any] = {
        "level": SafetyLevel.DANGER,
        "rule": "bay_intrusion",
        "kind": "zone",
        "label": "Normal",
        "track_id": "3",
        "sensor": "camera",
        "values": {"distance_m": 1.83},
    }
    return SafetyEvent(
        event_id=event_id,
        phase=EventPhase(phase),
        stamp_ns=START + round(at_s * S),
        started_ns=START + round(began_s * S),
        message=message,
        **(given | fields),
    )


def fall(at_s: float = 5.0) -> SafetyEvent:
    """A fallen person."""
    return event(
        "person_fallen-1",
        at_s=at_s,
        began_s=at_s - 0.4,
        message="Person 7 has fallen, 2.1 m away.",
        rule="person_fallen",
        kind="fallen",
        label="Fall",
        track_id="7",
        values={"distance_m": 2.1},
    )


def keyword(at_s: float = 6.0, text: str = "Stop the robot, somebody fell down.") -> SafetyEvent:
    """A spoken keyword."""
    return event(
        "spoken_alarm-1",
        at_s=at_s,
        began_s=at_s,
        message='Somebody said "stop".',
        rule="spoken_alarm",
        kind="keyword",
        label="",
        track_id="",
        sensor="microphone",
        values={"word": "stop", "text": text, "confidence": 0.6},
    )


def stale(at_s: float = 8.0) -> SafetyEvent:
    """A silent sensor."""
    return event(
        "objects_stale-1",
        at_s=at_s,
        began_s=at_s - 0.5,
        message="Sensor 'lidar/points' has been silent for 0.5 s.",
        level=SafetyLevel.UNKNOWN,
        rule="objects_stale",
        kind="stale",
        label="",
        track_id="",
        sensor="lidar/points",
        values={},
    )


def speech(text: str = "Stop the robot, somebody fell down.", at_s: float = 6.0) -> Transcript:
    """Something that was said."""
    start_ns = START + round(at_s * S)
    return Transcript(text, start_ns, start_ns + 2 * S, 0.6, "en", True, "microphone")
