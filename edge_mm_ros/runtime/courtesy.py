"""Less urgent models make way for more urgent ones between two steps."""

from __future__ import annotations

import threading


class Courtesy:
    """Knows which priorities run now, so that a long generation can pause between tokens."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._running: dict[int, int] = {}
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0

    def begin(self, priority: int) -> None:
        """Let lower priorities make way until `end`."""
        with self._lock:
            self._running[priority] = self._running.get(priority, 0) + 1

    def end(self, priority: int) -> None:
        """Undo one `begin`."""
        with self._lock:
            left = self._running.pop(priority) - 1
            if left:
                self._running[priority] = left
            if self._waiting:
                self._changed.notify_all()

    def make_way(self, priority: int) -> None:
        """Wait until nothing more urgent runs, but never for longer than the longest pause."""
        if self._pause_s <= 0:
            return
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(
                lambda: all(other <= priority for other in self._running), timeout=self._pause_s
            )
            self._waiting -= 1
