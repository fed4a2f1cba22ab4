"""The live view: what it gathers, how it draws it, and its lines where there is no terminal."""

from __future__ import annotations

import io
import struct
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edge_mm_ros.cli.live_status import LiveStatus, printable
from edge_mm_ros.cli.live_view import live_view, render
from edge_mm_ros.datatypes import (
    Detections,
    EventPhase,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    Transcript,
)

START_NS = 1_700_000_000_000_000_000


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status(clock: Clock) -> LiveStatus:
    return LiveStatus("plaza", START_NS, 15 * 10**9, clock=clock)


def at(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def found(seconds: float, *labels: str) -> Detections:
    n = len(labels)
    return Detections(
        np.zeros((n, 4), np.float32), np.zeros(n, np.float32), labels, at(seconds), "camera"
    )


def event(seconds: float, phase: EventPhase, message: str) -> SafetyEvent:
    return SafetyEvent(
        "bay-1", phase, SafetyLevel.DANGER, "bay", "zone", at(seconds), at(seconds), message
    )


def shown(status: LiveStatus, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(status.snapshot()))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def drive(status: LiveStatus, clock: Clock) -> None:
    """Twenty pictures, ten a second, each searched within 50 ms; one event, speech, a summary."""
    for step in range(20):
        status.fed(at(step * 0.1))
        status.picture_fed(at(step * 0.1))
        clock.now_s += 0.05
        status.found(found(step * 0.1, "Normal", "Normal", "Fall"))
        clock.now_s += 0.05
    status.state(SafetyStatus(SafetyLevel.DANGER, at(1.0), ("person 3 is in zone 'bay'",)))
    status.event(event(1.0, EventPhase.STARTED, "Person 3 is in zone 'bay'."))
    status.heard(Transcript("Stop the robot.", at(1.2), at(1.9), 0.9, "en", True, "microphone"))
    status.summarized("A person was in the bay.")


def test_view_shows_everything(status: LiveStatus, clock: Clock) -> None:
    drive(status, clock)
    text = shown(status)
    assert "plaza" in text
    assert "1.9 of 15.0 s" in text
    assert "DANGER" in text
    assert "person 3 is in zone 'bay'" in text
    assert "20 · 10.0 a second · found after 50 ms (p99 50 ms) · 2 Normal, 1 Fall" in text
    assert "1.0 s  danger  Person 3 is in zone 'bay'." in text
    assert "“Stop the robot.”" in text
    assert "A person was in the bay." in text


def test_view_shows_something_before_anything_happened(status: LiveStatus) -> None:
    text = shown(status)
    assert "0.0 of 15.0 s" in text
    assert "not told yet" in text


@pytest.mark.parametrize("width", [30, 60, 200])
def test_view_fits_the_terminal(status: LiveStatus, clock: Clock, width: int) -> None:
    drive(status, clock)
    assert all(len(line) <= width for line in shown(status, width).splitlines())


def test_view_keeps_its_height_as_events_come(status: LiveStatus, clock: Clock) -> None:
    before = len(shown(status).splitlines())
    for i in range(9):
        status.event(event(i, EventPhase.STARTED, f"Event {i}."))
    text = shown(status)
    assert len(text.splitlines()) == before
    assert "Event 8." in text
    assert "Event 2." not in text


def test_frame_rate_is_of_the_last_two_seconds(status: LiveStatus, clock: Clock) -> None:
    drive(status, clock)
    clock.now_s += 60.0
    for step in range(8):
        clock.now_s += 0.25
        status.found(found(2.0 + step))
    assert status.snapshot().pictures_per_s == pytest.approx(4.0)


def test_frame_rate_of_a_finished_replay_is_of_all_of_it(status: LiveStatus, clock: Clock) -> None:
    drive(status, clock)
    clock.now_s += 60.0
    status.finish()
    assert status.snapshot().pictures_per_s == pytest.approx(20 / 1.95)


def test_detections_of_an_unknown_picture_have_no_latency(status: LiveStatus) -> None:
    status.found(found(3.0, "Normal"))
    assert np.isnan(status.snapshot().latency_p50_ms)
    assert status.snapshot().pictures == 1


def test_hypotheses_are_marked(status: LiveStatus) -> None:
    status.heard(Transcript("Stop the", at(1), at(2), 0.5, "en", False, "microphone"))
    assert "“Stop the …”" in shown(status)


HOSTILE = "[red]x[/red] \x1b[2J\x1b]0;owned\x07 [/] \r\n\u202e end"


def test_outside_data_is_neither_markup_nor_terminal_control(status: LiveStatus) -> None:
    lines: list[str] = []
    status.name = HOSTILE
    status.on_line = lines.append
    status.found(found(1.0, HOSTILE))
    status.state(SafetyStatus(SafetyLevel.DANGER, at(1), (HOSTILE,)))
    status.event(event(1.0, EventPhase.STARTED, HOSTILE))
    status.heard(Transcript(HOSTILE, at(1), at(2), 0.5, "en", True, "microphone"))
    status.summarized(HOSTILE)
    text = shown(status, 200)
    assert "[red]x[/red]" in text
    assert not set(text) & {"\x1b", "\x07", "\r", "\u202e"}
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


def test_without_a_terminal_each_change_is_one_line(status: LiveStatus, clock: Clock) -> None:
    console = Console(file=io.StringIO(), width=40)
    with live_view(status, console):
        drive(status, clock)
        status.state(SafetyStatus(SafetyLevel.DANGER, at(1.5)))  # no change of level
        status.heard(Transcript("No", at(2), at(2), 0.5, "en", False, "microphone"))
        status.event(event(2.0, EventPhase.ENDED, "Person 3 has left zone 'bay' after 1.0 s."))
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "[   1.0 s] state is danger (person 3 is in zone 'bay')",
        "[   1.0 s] danger: Person 3 is in zone 'bay'.",
        "[   1.2 s] heard: “Stop the robot.”",
        "[   1.9 s] summary: A person was in the bay.",
        "[   2.0 s] ended: Person 3 has left zone 'bay' after 1.0 s.",
        "20 pictures searched in 2.0 s, 50 ms each (median)",
    ]


def test_many_reasons_are_counted(status: LiveStatus) -> None:
    lines: list[str] = []
    status.on_line = lines.append
    status.state(SafetyStatus(SafetyLevel.DANGER, at(1), ("a", "b", "c", "d", "e")))
    assert lines == ["[   1.0 s] state is danger (a; b; c; and 2 more)"]
    assert "a; b; c; and 2 more" in shown(status)


def test_on_a_terminal_the_last_view_stays(status: LiveStatus, clock: Clock) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=40)
    with live_view(status, console):
        drive(status, clock)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "A person was in the bay." in text
    assert status.snapshot().done


def test_the_view_ends_when_the_replay_fails(status: LiveStatus) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=40)

    def fail() -> None:
        with live_view(status, console):
            raise RuntimeError("the replay failed")

    with pytest.raises(RuntimeError, match="the replay failed"):
        fail()
    assert status.snapshot().done


def test_updates_and_snapshots_of_many_threads_agree(status: LiveStatus) -> None:
    def update(thread: int) -> None:
        for i in range(200):
            status.picture_fed(at(thread * 1000 + i))
            status.found(found(thread * 1000 + i, "Normal"))
            status.event(event(i, EventPhase.STARTED, "x"))
            status.snapshot()

    threads = [threading.Thread(target=update, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert status.snapshot().pictures == 800
    assert len(status.snapshot().events) == 6


@pytest.mark.parametrize(("flag", "order"), [(1, "<"), (0, ">")])
def test_capture_stamps_are_read_from_fed_pictures(
    status: LiveStatus, clock: Clock, flag: int, order: str
) -> None:
    cdr = bytes([0, flag, 0, 0]) + struct.pack(f"{order}iI", 1_700_000_000, 500_000_000) + bytes(8)
    message: Any = SimpleNamespace(
        stamp_ns=at(0.6), msg_type="sensor_msgs/msg/CompressedImage", cdr=cdr
    )
    status.on_fed(message)
    clock.now_s += 0.2
    status.found(found(0.5, "Normal"))
    snapshot = status.snapshot()
    assert snapshot.time_s == pytest.approx(0.6)
    assert snapshot.latency_p50_ms == pytest.approx(200.0)


def test_a_picture_too_short_for_a_header_is_harmless(status: LiveStatus) -> None:
    message: Any = SimpleNamespace(stamp_ns=at(1), msg_type="sensor_msgs/msg/Image", cdr=b"\0\1")
    status.on_fed(message)
    assert status.snapshot().time_s == pytest.approx(1.0)


def test_published_messages_are_read(status: LiveStatus) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from std_msgs.msg import Bool, String

    from edge_mm_ros.ros.conversions.detections import detections_to_msg
    from edge_mm_ros.ros.conversions.safety import events_to_msg, state_to_msg
    from edge_mm_ros.ros.conversions.speech import transcript_to_msg
    from edge_mm_ros.ros.replay import Published

    def publish(topic: str, message: Any) -> None:
        published = Published(topic, type(message), b"", at(1), 0.0)
        status.on_published(published, message)

    state = SafetyStatus(SafetyLevel.CAUTION, at(1), ("something is near",))
    said = Transcript("Help.", at(1), at(1), 0.8, "en", True, "microphone")
    publish("/robot/camera/detections", detections_to_msg(found(1.0, "Normal", "Normal")))
    publish("/robot/safety/events", events_to_msg([event(1, EventPhase.STARTED, "Near.")], at(1)))
    publish("/robot/safety/state", state_to_msg(state))
    publish("/robot/speech", transcript_to_msg(said))
    publish("/robot/summary", String(data="Somebody called for help."))
    publish("/robot/voice_activity", Bool(data=True))
    publish("/diagnostics", DiagnosticArray(status=[DiagnosticStatus(name="x")]))
    snapshot = status.snapshot()
    assert snapshot.found == (("Normal", 2),)
    assert [note.text for note in snapshot.events] == ["Near."]
    assert (snapshot.level, snapshot.reasons) == (SafetyLevel.CAUTION, ("something is near",))
    assert snapshot.heard == "Help."
    assert snapshot.summary == "Somebody called for help."


def test_a_published_message_that_contradicts_itself_is_left_out(status: LiveStatus) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    from edge_mm_ros.ros.replay import Published

    odd = DiagnosticArray(status=[DiagnosticStatus(name="no event")])
    status.on_published(Published("/safety/events", type(odd), b"", at(1), 0.0), odd)
    assert status.snapshot().events == ()
