"""The background thread of a home of models."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Maintenance:
    """Runs the upkeep when it is due; there is no thread while nothing is."""

    def __init__(
        self,
        due_s: Callable[[], float | None],
        maintain: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._due_s = due_s
        self._maintain = maintain
        self._clock = clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._wakes = 0

    def watch(self) -> None:
        """Something happened: look when the next upkeep is due."""
        with self._changed:
            self._wakes += 1
            if self._thread is not None:
                self._changed.notify()
            elif not self._closed and self._due_s() is not None:
                self._thread = threading.Thread(target=self._work, name="model upkeep", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            thread = self._thread
            self._changed.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                due_s = self._due_s()
                if self._closed or due_s is None:
                    self._thread = None
                    return
                wait_s, wakes = due_s - self._clock(), self._wakes
                if wait_s > 0:
                    self._changed.wait(wait_s)
                    if self._wakes != wakes:
                        continue
            try:
                self._maintain()
            except Exception:
                # Without upkeep no candidate would ever come back.
                logger.exception("upkeep of models failed")
