"""Limits of an exchange over a socket: how long each wait may last, and how much may come."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from edge_mm_ros.backends.remote import CHECK_ANSWER, CHECK_SERVER, RemoteOptions

_READ_AHEAD_BYTES = 64 << 10
_CLOCK_GRAIN_S = 1e-3


class LimitPassed(Exception):
    """A limit of the options; its text says which, and the mend."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.mend = mend


class Budget:
    """Time and bytes that one exchange has left."""

    def __init__(self, options: RemoteOptions, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._end = clock() + options.request_timeout_s
        self._received = 0
        self._answering = False

    def restart(self) -> None:
        """The answer begins anew, on another connection."""
        self._received = 0

    def begun(self) -> None:
        """The answer proper has begun: what is still to come, comes without long pauses."""
        self._answering = True

    def shorten(self, limit_s: float) -> None:
        """Let the exchange end within so many seconds."""
        self._end = min(self._end, self._clock() + limit_s)

    def left_s(self) -> float:
        """Until the end of the exchange; raises where it has passed."""
        left = self._end - self._clock()
        if left <= 0.0:
            raise self.overdue()
        return left

    def wait_s(self) -> float:
        """How long the next piece may take."""
        options = self._options
        limit = options.idle_timeout_s if self._answering else options.first_byte_timeout_s
        return min(self.left_s(), limit)

    def connect_s(self) -> float:
        """How long connecting may take."""
        return min(self.left_s(), self._options.connect_timeout_s)

    def took(self, count: int) -> None:
        """Count bytes of the answer."""
        self._received += count
        self.check_size(self._received)

    def check_size(self, count: int) -> None:
        """Raise where an answer of so many bytes is too long."""
        if count > self._options.max_answer_bytes:
            raise LimitPassed(
                f"answered more than {self._options.max_answer_bytes} bytes",
                f"{CHECK_ANSWER}, or raise 'max_answer_bytes'",
            )

    def overdue(self) -> LimitPassed:
        """The error for a wait that was too long, by where the exchange stands."""
        options = self._options
        if self._clock() >= self._end - _CLOCK_GRAIN_S:
            what, key = "did not answer in full", "request_timeout_s"
        elif self._answering:
            what, key = "stopped in the middle of its answer", "idle_timeout_s"
        else:
            what, key = "did not begin to answer", "first_byte_timeout_s"
        return LimitPassed(
            f"{what} within {getattr(options, key):g} s", f"{CHECK_SERVER}, or raise '{key}'"
        )


class _BoundedReader(io.RawIOBase):
    """Receives from a socket within a budget."""

    def __init__(self, sock: Any, budget: Budget) -> None:
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._budget.wait_s())
        try:
            count = int(self._raw.readinto(buffer) or 0)
        except TimeoutError as error:
            raise self._budget.overdue() from error
        self._budget.took(count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class Readable:
    """What ``http.client`` needs of a socket to read an answer."""

    def __init__(self, sock: Any, budget: Budget) -> None:
        self._socket = sock
        self._budget = budget

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """A reader that keeps to the budget."""
        return io.BufferedReader(_BoundedReader(self._socket, self._budget), _READ_AHEAD_BYTES)
