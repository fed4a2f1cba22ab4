"""Safety events and states as messages, and back without loss."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("diagnostic_msgs")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.serialization import deserialize_message, serialize_message

from edge_mm_ros.datatypes import EventPhase, InvalidInput, SafetyEvent, SafetyLevel, SafetyStatus
from edge_mm_ros.ros.conversions.safety import (
    events_from_msg,
    events_to_msg,
    state_from_msg,
    state_to_msg,
)
from edge_mm_ros.ros.conversions.stamps import to_ns

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
stamps = st.integers(0, 2**62)
events = st.builds(
    SafetyEvent,
    event_id=texts,
    phase=st.sampled_from(EventPhase),
    level=st.sampled_from(SafetyLevel),
    rule=texts,
    kind=texts,
    stamp_ns=stamps,
    started_ns=stamps,
    message=texts,
    label=texts,
    track_id=texts,
    sensor=texts,
    values=st.dictionaries(texts, st.one_of(st.floats(allow_nan=False), texts), max_size=4),
    evidence=st.lists(texts, max_size=3).map(tuple),
    supporting=st.lists(texts, max_size=3).map(tuple),
    silent=st.lists(texts, max_size=3).map(tuple),
)


@given(some=st.lists(events, max_size=3), stamp_ns=st.integers(0, 2**60))
def test_events_survive_the_wire(some: list[SafetyEvent], stamp_ns: int) -> None:
    wire = serialize_message(events_to_msg(some, stamp_ns))
    message = deserialize_message(wire, DiagnosticArray)
    assert events_from_msg(message) == tuple(some)
    assert to_ns(message.header.stamp) == stamp_ns


def one_event(**changes: object) -> SafetyEvent:
    values: dict[str, object] = {
        "event_id": "in_bay-1",
        "phase": EventPhase.STARTED,
        "level": SafetyLevel.DANGER,
        "rule": "in_bay",
        "kind": "zone",
        "stamp_ns": 5,
        "started_ns": 3,
        "message": "Person 7 is in zone 'bay'.",
        "sensor": "camera:front",
        "values": {"distance_m": 0.1, "word": "2.5"},
        **changes,
    }
    return SafetyEvent(**values)  # type: ignore[arg-type]


def test_a_text_that_looks_like_a_number_stays_a_text() -> None:
    (back,) = events_from_msg(events_to_msg([one_event()], 5))
    assert back.values == {"distance_m": 0.1, "word": "2.5"}


@pytest.mark.parametrize(
    ("phase", "level", "expected"),
    [
        (EventPhase.STARTED, SafetyLevel.DANGER, DiagnosticStatus.ERROR),
        (EventPhase.ONGOING, SafetyLevel.CAUTION, DiagnosticStatus.WARN),
        (EventPhase.STARTED, SafetyLevel.UNKNOWN, DiagnosticStatus.STALE),
        (EventPhase.ENDED, SafetyLevel.DANGER, DiagnosticStatus.OK),
    ],
)
def test_the_levels_that_other_tools_show(
    phase: EventPhase, level: SafetyLevel, expected: bytes
) -> None:
    (status,) = events_to_msg([one_event(phase=phase, level=level)], 5).status
    assert status.level == expected
    assert (status.name, status.hardware_id) == ("safety: in_bay", "camera:front")
    assert status.message == "Person 7 is in zone 'bay'."


@pytest.mark.parametrize(
    "values",
    [
        [],
        [KeyValue(key="event_id", value="a")],
        [KeyValue(key="phase", value="begun")],
    ],
)
def test_another_status_is_refused(values: list[KeyValue]) -> None:
    message = DiagnosticArray(status=[DiagnosticStatus(name="motor", values=values)])
    with pytest.raises(InvalidInput, match="status 'motor' is not a safety event") as raised:
        events_from_msg(message)
    assert raised.value.kind == "safety_event"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("phase", "begun"),
        ("level", "bad"),
        ("stamp_ns", "soon"),
        ("evidence", "[1"),
        ("evidence", "7"),
        ("supporting", "7"),
        ("silent", "{"),
        ("measured.distance_m", "far"),
    ],
)
def test_an_event_with_a_spoilt_value_is_refused(key: str, value: str) -> None:
    message = events_to_msg([one_event()], 5)
    pairs = [pair for pair in message.status[0].values if pair.key != key]
    message.status[0].values = [*pairs, KeyValue(key=key, value=value)]
    with pytest.raises(InvalidInput, match="is not a safety event"):
        events_from_msg(message)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (SafetyLevel.CLEAR, DiagnosticStatus.OK),
        (SafetyLevel.CAUTION, DiagnosticStatus.WARN),
        (SafetyLevel.DANGER, DiagnosticStatus.ERROR),
        (SafetyLevel.UNKNOWN, DiagnosticStatus.STALE),
    ],
)
def test_the_state_comes_back(level: SafetyLevel, expected: bytes) -> None:
    status = SafetyStatus(level, 1_700_000_000_123_456_789, ("danger: a", "unknown: b"))
    message = state_to_msg(status)
    assert (message.level, message.message) == (expected, level.value)
    assert state_from_msg(message) == status


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(InvalidInput, match="status 'motor' is not a safety state"):
        state_from_msg(DiagnosticStatus(name="motor"))


def test_infinite_values_come_back() -> None:
    (back,) = events_from_msg(events_to_msg([one_event(values={"range_m": math.inf})], 5))
    assert back.values["range_m"] == math.inf


def test_an_event_of_an_older_recording_names_no_sensors() -> None:
    message = events_to_msg([one_event(supporting=("lidar:top",), silent=("camera:a",))], 5)
    pairs = [p for p in message.status[0].values if p.key not in {"supporting", "silent"}]
    message.status[0].values = pairs
    (back,) = events_from_msg(message)
    assert (back.supporting, back.silent) == ((), ())
