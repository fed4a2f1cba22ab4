"""The size of this process over time."""

from __future__ import annotations

import threading
from types import TracebackType

from edge_mm_ros.backends.process_share import resident_bytes

MEGA = 1e6
_PERIOD_S = 0.01


class MemoryWatch:
    """The largest resident size of this process while the block runs.

    A thread looks every 10 ms; `look` does so at once.
    """

    def __init__(self) -> None:
        self.highest_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory watch", daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def look(self) -> int:
        """The size now, in bytes."""
        size = resident_bytes()
        self.highest_bytes = max(self.highest_bytes, size)
        return size

    def _watch(self) -> None:
        while not self._done.wait(_PERIOD_S):
            self.look()
