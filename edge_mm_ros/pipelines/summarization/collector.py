"""Collects events and speech until a summary of them is due."""

from __future__ import annotations

from edge_mm_ros.datatypes import SafetyEvent, Transcript
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.summarization.record import EventRecord, EventWindow

# Speech is known seconds after it began, so stamps come in no strict order.
_JUMP_NS = 60 * NS_PER_S


class EventCollector:
    """Keeps one open window, and a longer history for questions.

    When a window is due is decided by arrival, on the clock passed in; what it tells of is placed
    by the stamps.

    Args:
        history_items: incidents, and transcripts, that are kept.
    """

    def __init__(self, history_items: int) -> None:
        self._history = EventRecord(history_items)
        self._open = EventRecord(history_items)
        self._start_ns = self._end_ns = 0
        self._opened_ns = self._touched_ns = 0
        self._newest_ns: int | None = None
        self._has_news = False

    def jumped_back_s(self, stamp_ns: int) -> float:
        """How far a stamp lies before the newest, seconds; 0 where that is less than a minute."""
        if self._newest_ns is None or stamp_ns >= self._newest_ns - _JUMP_NS:
            return 0.0
        return (self._newest_ns - stamp_ns) / NS_PER_S

    def add_event(self, event: SafetyEvent, now_ns: int) -> EventWindow | None:
        """Add an event; returns the open window where the event's stamp jumps out of it."""
        closed = self._close_at_jump(event.stamp_ns)
        known = len(self._history)
        incident = self._history.add_event(event)
        # A condition of an earlier window goes on in this one from its newest event on.
        is_new = len(self._history) > known
        begin_ns = event.started_ns if is_new else event.stamp_ns
        self._has_news |= is_new
        self._touch(min(begin_ns, event.stamp_ns), event.stamp_ns, now_ns)
        self._open.add_incident(incident)
        return closed

    def add_transcript(self, transcript: Transcript, now_ns: int) -> EventWindow | None:
        """Add what was said; returns the open window where its stamp jumps out of it."""
        closed = self._close_at_jump(transcript.start_ns)
        self._history.add_transcript(transcript)
        self._touch(transcript.start_ns, transcript.end_ns, now_ns)
        self._open.add_transcript(transcript)
        self._has_news = True
        return closed

    def due(self, now_ns: int, window_s: float, quiet_s: float) -> EventWindow | None:
        """Take the open window where it is long enough open or nothing was added for a while."""
        if not len(self._open):
            return None
        if now_ns < self._touched_ns:  # the clock was set back
            self._opened_ns = self._touched_ns = now_ns
        full = now_ns - self._opened_ns >= window_s * NS_PER_S
        quiet = now_ns - self._touched_ns >= quiet_s * NS_PER_S
        return self.flush() if full or quiet else None

    def flush(self, *, only_news: bool = False) -> EventWindow | None:
        """Take the open window; None where it is empty.

        Args:
            only_news: also None where all that it holds is how conditions of earlier windows
                went on.
        """
        has_news, self._has_news = self._has_news, False
        if not len(self._open):
            return None
        window = self._open.window(self._start_ns, self._end_ns)
        self._open.clear()
        return window if has_news or not only_news else None

    def history(self) -> EventWindow:
        """Everything that is remembered."""
        return self._history.window(0, self._newest_ns or 0)

    def _touch(self, begin_ns: int, end_ns: int, now_ns: int) -> None:
        if not len(self._open):
            self._start_ns, self._end_ns, self._opened_ns = begin_ns, end_ns, now_ns
        self._start_ns = min(self._start_ns, begin_ns)
        self._end_ns = max(self._end_ns, end_ns)
        self._touched_ns = now_ns

    def _close_at_jump(self, stamp_ns: int) -> EventWindow | None:
        closed = None
        if self.jumped_back_s(stamp_ns):
            closed = self.flush()
            self._history.clear()
            self._newest_ns = None
        self._newest_ns = max(stamp_ns, self._newest_ns or stamp_ns)
        return closed
