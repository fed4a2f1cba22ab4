"""The thread on which one loaded model lives, and the watch over it."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

from edge_mm_ros.backends import BackendError

logger = logging.getLogger(__name__)

T = TypeVar("T")
_END_TIMEOUT_S = 10.0
_PIECES_AHEAD = 16


class DeadlineExceeded(BackendError):
    """An engine did not answer in time."""


class LaneClosed(BackendError):
    """A model was closed while a call waited for it."""


class _Signal:
    """As `threading.Event`, in a fraction of its steps: they count where caches are cold."""

    __slots__ = ("_lock", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake all who wait; called once."""
        self.is_set = True
        self._lock.release()

    def wait(self, timeout_s: float = -1) -> bool:
        """Whether it was set within the time-out."""
        if not self.is_set and self._lock.acquire(timeout=timeout_s):
            self._lock.release()
        return self.is_set


class _Job(Generic[T]):
    """One call; what it gives, a piece at a time."""

    __slots__ = ("done", "error", "left_s", "operate", "result", "touched_s")

    def __init__(self, operate: Callable[[_Job[T]], T]) -> None:
        self.operate = operate
        self.done = _Signal()
        self.result: T | None = None
        self.error: BaseException | None = None
        self.touched_s: float | None = None
        self.left_s: float | None = None

    @property
    def abandoned(self) -> bool:
        return self.left_s is not None


class _Piece(Generic[T]):
    """Wraps what a stream gives, so that its end is something else."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class Lane:
    """Runs the calls of one loaded model in turn, each watched by its caller.

    An engine's call cannot be ended from outside. A caller whose deadline has passed therefore
    leaves; the thread stays with the call and the lane is `overdue` until the call returns.
    """

    def __init__(self, name: str, niceness: int = 0) -> None:
        """Start the thread.

        Args:
            name: of the thread.
            niceness: 0 to 19; the engine's own threads, made while it loads, inherit it.
        """
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._niceness = niceness
        self._running: _Job[Any] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def overdue(self) -> bool:
        """Whether a call is running whose caller has left."""
        return self.overdue_s > 0

    @property
    def overdue_s(self) -> float:
        """How long ago the caller of the running call has left, in seconds; 0 where none has."""
        job = self._running
        left_s = None if job is None else job.left_s
        return 0.0 if left_s is None else max(1e-9, time.monotonic() - left_s)

    def call(self, operate: Callable[[], T], deadline_s: float) -> T:
        """Run on the lane's thread and wait for the result.

        Raises:
            DeadlineExceeded: it ran for longer than `deadline_s`, or waits behind a call that did.
            LaneClosed: the lane was closed.
            Exception: whatever it raised.
        """
        job = self._put(_Job(lambda _: operate()))
        while not job.done.wait(self._patience_s(job, deadline_s)):
            self._check(job, deadline_s)
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def stream(
        self,
        iterate: Callable[[], Iterator[T]],
        deadline_s: float,
        between: Callable[[], None] = lambda: None,
    ) -> Generator[T, None, None]:
        """Iterate on the lane's thread; closing the iterator ends it after the current piece.

        Args:
            iterate: makes the iterator.
            deadline_s: longest wait for each piece.
            between: called on the lane's thread after each piece.

        Raises:
            DeadlineExceeded, LaneClosed, Exception: as `call`.
        """
        pieces: queue.SimpleQueue[_Piece[T] | None] = queue.SimpleQueue()
        closed = threading.Event()
        ahead = threading.Semaphore(_PIECES_AHEAD)

        def produce(job: _Job[None]) -> None:
            try:
                iterator = iterate()
                with contextlib.closing(iterator):  # type: ignore[type-var]
                    for value in iterator:
                        job.touched_s = time.monotonic()
                        pieces.put(_Piece(value))
                        between()
                        ahead.acquire()  # a consumer that leaves releases it, too
                        job.touched_s = time.monotonic()
                        if closed.is_set():
                            return
            finally:
                pieces.put(None)

        job = self._put(_Job(produce))
        try:
            while True:
                try:
                    piece = pieces.get(timeout=self._patience_s(job, deadline_s))
                except queue.Empty:
                    self._check(job, deadline_s)
                    if job.done.is_set and pieces.empty():  # it was never run
                        break
                    continue
                if piece is None:
                    break
                ahead.release()
                yield piece.value
            job.done.wait()
            if job.error is not None:
                raise job.error
        finally:
            closed.set()
            ahead.release()

    def close(self, last: Callable[[], None] = lambda: None) -> bool:
        """End the thread after the calls that wait, with `last` as its last deed.

        Returns:
            False where a call is overdue: the thread and what it holds stay until it returns.
        """
        if not self._ended:
            job = _Job(lambda _: last())
            self._ended = True
            self._jobs.put(job)
            self._jobs.put(None)
        if self.overdue:
            return False
        if threading.current_thread() is not self._thread:
            self._thread.join(_END_TIMEOUT_S)
        return not self._thread.is_alive()

    def _put(self, job: _Job[T]) -> _Job[T]:
        if self._ended:
            raise LaneClosed("the model was unloaded meanwhile")
        self._jobs.put(job)
        return job

    def _patience_s(self, job: _Job[Any], deadline_s: float) -> float:
        watched = job if job.touched_s is not None else self._running
        since = watched.touched_s if watched is not None else None
        if since is None:
            return deadline_s
        return max(0.001, since + deadline_s - time.monotonic())

    def _check(self, job: _Job[Any], deadline_s: float) -> None:
        """Leave a call that is too late, or the queue behind one."""
        if job.done.is_set:
            return
        if job.touched_s is not None:
            if time.monotonic() - job.touched_s < deadline_s:
                return
            job.left_s = time.monotonic()
            raise DeadlineExceeded(f"no answer within {deadline_s:g} s")
        if self.overdue:
            job.left_s = time.monotonic()
            raise DeadlineExceeded("the engine still has not answered an earlier call")
        if not self._thread.is_alive():
            raise LaneClosed("the model was unloaded meanwhile")

    def _work(self) -> None:
        _lower_priority(self._niceness)
        while (job := self._jobs.get()) is not None:
            if job.abandoned:
                job.done.set()
                continue
            job.touched_s = time.monotonic()
            self._running = job
            try:
                job.result = job.operate(job)
            except BaseException as error:
                job.error = error
            self._running = None
            job.done.set()
            del job  # or its result would live until the next call


def _lower_priority(niceness: int) -> None:
    if niceness and sys.platform == "linux":  # elsewhere it would concern the whole process
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
        except OSError as error:
            logger.warning("priority of a thread cannot be lowered: %s", error.strerror)
