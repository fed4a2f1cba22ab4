"""The end of a process: asked for by signal or by itself, and hard where it does not follow."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from edge_mm_ros.ros import shared_memory

STOP_DEADLINE_S = 2.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OWN_REQUEST = b"\xff"  # no signal's number


class StopRequest:
    """Notes the stop signals while its block runs.

    A thread of its own waits for them, because Python's handlers do not run while an engine call
    keeps the main thread; it ends the process where the block is not left within the deadline.

    Args:
        deadline_s: how long the block may take to end after the first signal, seconds.
        wake: called on the first signal, from the waiting thread.
    """

    def __init__(self, deadline_s: float, wake: Callable[[], None] = lambda: None) -> None:
        self._deadline_s = deadline_s
        self._wake = wake
        self._requested = threading.Event()
        self._left = threading.Event()
        self._status = 0

    @property
    def requested(self) -> bool:
        """Whether a stop signal has come, or `end_with` was called."""
        return self._requested.is_set()

    def end_with(self, status: int) -> None:
        """Begin the deadline without a signal; a hard end gives this exit status."""
        self._status = status
        os.write(self._write, _OWN_REQUEST)

    def on_request(self, wake: Callable[[], None]) -> None:
        """Replace what is called on the first signal."""
        self._wake = wake

    def __enter__(self) -> StopRequest:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._old_wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._old_handlers: dict[int, Any] = {s: signal.signal(s, _ignore) for s in SIGNALS}
        self._thread = threading.Thread(target=self._watch, name="stop_request", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._write)  # ends the thread's read
        self._thread.join()
        os.close(self._read)

    def _watch(self) -> None:
        while True:
            numbers = os.read(self._read, 64)
            if not numbers:
                return
            if any(number in (*SIGNALS, *_OWN_REQUEST) for number in numbers):
                break
        self._requested.set()
        self._wake()
        if not self._left.wait(self._deadline_s):
            self._end_hard()

    def _end_hard(self) -> None:
        # Workers are named <node>.<worker>; where none is left, the main thread itself hangs.
        workers = sorted(t.name for t in threading.enumerate() if "." in t.name)
        request = "its own request" if self._status else "the stop signal"
        try:
            print(
                f"edge_mm_ros: still busy {self._deadline_s:g} s after {request} "
                f"({', '.join(workers) or _place_of_main_thread()}); ends now without cleaning up",
                file=sys.stderr,
                flush=True,
            )
        finally:  # whoever read our output may be gone
            end_now(self._status)


def end_now(status: int) -> None:
    """End the process at once, past its threads: one in an engine's call can never be joined."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    shared_memory.remove_own()
    os._exit(status)


def _place_of_main_thread() -> str:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    if frame is None:
        return "main thread"
    return f"{frame.f_code.co_name} in {os.path.basename(frame.f_code.co_filename)}"


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The signal's number goes through the wake-up pipe instead."""
