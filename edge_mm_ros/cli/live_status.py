"""What a replay has shown so far, gathered on its thread and read on another."""

from __future__ import annotations

import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_mm_ros.datatypes import (
    Detections,
    EventPhase,
    InvalidInput,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    Transcript,
)

if TYPE_CHECKING:
    from edge_mm_ros.ros.bags import BagMessage
    from edge_mm_ros.ros.replay import Published

RATE_WINDOW_S = 2.0
KEPT_LATENCIES = 100
KEPT_EVENTS = 6
SHOWN_REASONS = 3
PICTURE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")


@dataclass(frozen=True)
class EventNote:
    """An event to show: seconds from the recording's start, how bad, and its sentence."""

    time_s: float
    level: SafetyLevel
    ended: bool
    text: str


@dataclass(frozen=True)
class LiveSnapshot:
    """Everything that the view shows, at one moment.

    Attributes:
        name: the recording.
        time_s: how far it has been fed, seconds.
        duration_s: how long it is.
        pictures: how many were searched.
        pictures_per_s: how many of them a second of wall-clock time, of late; NaN at first.
        latency_p50_ms, latency_p99_ms: from the feeding of a picture to its detections, of the
            last hundred; NaN at first.
        found: number of boxes by label in the last picture.
        level: the state; None before it was told.
        reasons: why it is so.
        events: the last ones, oldest first.
        heard: the last utterance.
        heard_final: False for a hypothesis.
        summary: the last one.
        done: whether the replay has ended.
    """

    name: str
    time_s: float
    duration_s: float
    pictures: int = 0
    pictures_per_s: float = float("nan")
    latency_p50_ms: float = float("nan")
    latency_p99_ms: float = float("nan")
    found: tuple[tuple[str, int], ...] = ()
    level: SafetyLevel | None = None
    reasons: tuple[str, ...] = ()
    events: tuple[EventNote, ...] = ()
    heard: str = ""
    heard_final: bool = False
    summary: str = ""
    done: bool = False


@dataclass
class LiveStatus:
    """Takes what happens in a replay and tells it as snapshots; safe to use from any thread.

    Attributes:
        name: the recording.
        start_ns: time of its first message.
        duration_ns: its length.
        clock: seconds of the wall clock.
        on_line: told of each thing worth a line of a log, as plain text.
    """

    name: str
    start_ns: int
    duration_ns: int
    clock: Callable[[], float] = time.perf_counter
    on_line: Callable[[str], None] | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _time_s: float = 0.0
    _fed_at_s: dict[int, float] = field(default_factory=dict)
    _found_at_s: deque[float] = field(default_factory=lambda: deque(maxlen=4096))
    _latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_LATENCIES))
    _pictures: int = 0
    _found: tuple[tuple[str, int], ...] = ()
    _state: SafetyStatus | None = None
    _events: deque[EventNote] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    _heard: Transcript | None = None
    _summary: str = ""
    _done: bool = False
    _begin_s: float = 0.0

    def __post_init__(self) -> None:
        self._begin_s = self.clock()

    # From the replay --------------------------------------------------------------------------

    def on_fed(self, message: BagMessage) -> None:
        """Take a message that is fed."""
        self.fed(message.stamp_ns)
        if message.msg_type in PICTURE_TYPES:
            self.picture_fed(_header_stamp_ns(message.cdr))

    def on_published(self, published: Published, message: Any) -> None:
        """Take a message that a node published; one that contradicts itself is left out."""
        from edge_mm_ros.cli.published import SummaryText, values_in

        try:
            values = values_in(published, message)
        except InvalidInput:
            return
        for value in values:
            if isinstance(value, Detections):
                self.found(value)
            elif isinstance(value, SafetyEvent):
                self.event(value)
            elif isinstance(value, SafetyStatus):
                self.state(value)
            elif isinstance(value, Transcript):
                self.heard(value)
            elif isinstance(value, SummaryText):
                self.summarized(value.text)

    # Plain values -----------------------------------------------------------------------------

    def fed(self, stamp_ns: int) -> None:
        """The recording has been fed up to here."""
        with self._lock:
            self._time_s = max(self._time_s, (stamp_ns - self.start_ns) / 1e9)

    def picture_fed(self, stamp_ns: int) -> None:
        """A picture with this capture stamp has just been fed."""
        with self._lock:
            self._fed_at_s[stamp_ns] = self.clock()
            while len(self._fed_at_s) > KEPT_LATENCIES:
                del self._fed_at_s[next(iter(self._fed_at_s))]

    def found(self, detections: Detections) -> None:
        """A picture has been searched."""
        with self._lock:
            now_s = self.clock()
            self._pictures += 1
            self._found_at_s.append(now_s)
            self._found = tuple(Counter(detections.labels).most_common())
            fed_s = self._fed_at_s.pop(detections.stamp_ns, None)
            if fed_s is not None:
                self._latencies_ms.append((now_s - fed_s) * 1e3)

    def event(self, event: SafetyEvent) -> None:
        """A rule has told of something."""
        with self._lock:
            time_s = (event.stamp_ns - self.start_ns) / 1e9
            ended = event.phase is EventPhase.ENDED
            self._events.append(EventNote(time_s, event.level, ended, printable(event.message)))
            mark = "ended" if ended else event.level.value
            self._tell(time_s, f"{mark}: {event.message}")

    def state(self, status: SafetyStatus) -> None:
        """The state has been told; a line is worth it only where its level changes."""
        with self._lock:
            changed = self._state is None or self._state.level is not status.level
            self._state = status
            if changed:
                reasons = f" ({few(status.reasons)})" if status.reasons else ""
                time_s = (status.stamp_ns - self.start_ns) / 1e9
                self._tell(time_s, f"state is {status.level.value}{reasons}")

    def heard(self, transcript: Transcript) -> None:
        """Something has been heard; hypotheses are shown, but not worth a line."""
        with self._lock:
            self._heard = transcript
            if transcript.is_final:
                time_s = (transcript.start_ns - self.start_ns) / 1e9
                self._tell(time_s, f"heard: “{transcript.text}”")

    def summarized(self, text: str) -> None:
        """A summary has been written."""
        with self._lock:
            self._summary = printable(text)
            self._tell(self._time_s, f"summary: {text}")

    def finish(self) -> None:
        """The replay has ended."""
        with self._lock:
            self._done = True
            if self.on_line is not None:
                took_s = self.clock() - self._begin_s
                p50_ms, _ = self._percentiles()
                each = f", {p50_ms:.0f} ms each (median)" if self._latencies_ms else ""
                self.on_line(f"{self._pictures} pictures searched in {took_s:.1f} s{each}")

    # To the view ------------------------------------------------------------------------------

    def snapshot(self) -> LiveSnapshot:
        """Everything as it is now."""
        with self._lock:
            p50_ms, p99_ms = self._percentiles()
            heard, state = self._heard, self._state
            return LiveSnapshot(
                name=printable(self.name),
                time_s=self._time_s,
                duration_s=self.duration_ns / 1e9,
                pictures=self._pictures,
                pictures_per_s=self._pictures_per_s(),
                latency_p50_ms=p50_ms,
                latency_p99_ms=p99_ms,
                found=tuple((printable(label), count) for label, count in self._found),
                level=state.level if state else None,
                reasons=tuple(printable(reason) for reason in state.reasons) if state else (),
                events=tuple(self._events),
                heard=printable(heard.text) if heard else "",
                heard_final=heard.is_final if heard else False,
                summary=self._summary,
                done=self._done,
            )

    def _percentiles(self) -> tuple[float, float]:
        if not self._latencies_ms:
            return float("nan"), float("nan")
        p50, p99 = np.percentile(self._latencies_ms, (50, 99))
        return float(p50), float(p99)

    def _pictures_per_s(self) -> float:
        """Over the last two seconds; over the whole replay once it has ended."""
        now_s = self.clock()
        if self._done:
            took_s = (self._found_at_s[-1] if self._found_at_s else now_s) - self._begin_s
            return self._pictures / took_s if took_s > 0 else float("nan")
        recent = sum(1 for at_s in self._found_at_s if now_s - at_s <= RATE_WINDOW_S)
        window_s = min(RATE_WINDOW_S, now_s - self._begin_s)
        return recent / window_s if recent and window_s > 0 else float("nan")

    def _tell(self, time_s: float, text: str) -> None:
        if self.on_line is not None:
            self.on_line(f"[{time_s:6.1f} s] {printable(text)}")


def few(reasons: Sequence[str]) -> str:
    """The first reasons in one line, and how many more there are."""
    more = len(reasons) - SHOWN_REASONS
    return "; ".join(reasons[:SHOWN_REASONS]) + (f"; and {more} more" if more > 0 else "")


def printable(text: str) -> str:
    """A text from outside in one line, without what would control a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _header_stamp_ns(cdr: bytes) -> int:
    """The stamp of a serialised message that begins with a header.

    CDR: four bytes that name the encoding, the second odd for little endian, then the header's
    seconds (int32) and nanoseconds (uint32).
    """
    if len(cdr) < 12:
        return 0
    sec, nanosec = struct.unpack_from("<iI" if cdr[1] & 1 else ">iI", cdr, 4)
    return int(sec) * 1_000_000_000 + int(nanosec)
