"""Less urgent models make way for more urgent ones between two steps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Courtesy:
    """Knows which priorities run now, so that a long generation can pause between tokens."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._running: Counter[int] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def running(self, priority: int) -> Iterator[None]:
        """While the block runs, lower priorities make way."""
        with self._changed:
            self._running[priority] += 1
        try:
            yield
        finally:
            with self._changed:
                self._running[priority] -= 1
                if not self._running[priority]:
                    del self._running[priority]
                self._changed.notify_all()

    def make_way(self, priority: int) -> None:
        """Wait until nothing more urgent runs, but never for longer than the longest pause."""
        if self._pause_s <= 0:
            return
        with self._changed:
            self._changed.wait_for(
                lambda: all(other <= priority for other in self._running), timeout=self._pause_s
            )
