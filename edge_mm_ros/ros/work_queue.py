"""Worker threads with one inbox per source, each inbox with a named policy."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class QueuePolicy:
    """How many items an inbox keeps; the oldest goes when it is full. None: it never drops."""

    name: str
    capacity: int | None


def latest_only() -> QueuePolicy:
    """Keep the newest item: for pictures and other states, where the old is of no use."""
    return QueuePolicy("latest_only", 1)


def drop_oldest(capacity: int) -> QueuePolicy:
    """Keep the newest `capacity` items."""
    if capacity < 1:
        raise ValueError(f"drop_oldest: the capacity must be at least 1, got {capacity}")
    return QueuePolicy(f"drop_oldest({capacity})", capacity)


def lossless() -> QueuePolicy:
    """Keep everything: for events."""
    return QueuePolicy("lossless", None)


class Inbox:
    """Items of one source that wait for their worker."""

    def __init__(self, worker: Worker, handler: Callable[[Any], None], policy: QueuePolicy):
        self.policy = policy
        self.handler = handler
        self.received = 0
        self.dropped = 0
        self._worker = worker
        self.items: deque[tuple[int, Any]] = deque()

    def put(self, item: Any) -> None:
        """Add an item; the oldest is dropped and counted where the inbox is full."""
        self._worker.put(self, item)


class Worker:
    """One thread that handles the items of its inboxes in order of arrival.

    Args:
        name: the thread's name.
        on_done: told after every item, on the worker's thread, with the handler's exception or
            None.
    """

    def __init__(self, name: str, on_done: Callable[[Inbox, Exception | None], None]) -> None:
        self.name = name
        self._on_done = on_done
        self._inboxes: list[Inbox] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def inbox(self, handler: Callable[[Any], None], policy: QueuePolicy) -> Inbox:
        """A new inbox, whose items go to `handler`."""
        inbox = Inbox(self, handler, policy)
        with self._changed:
            self._inboxes.append(inbox)
        return inbox

    def start(self) -> None:
        """Begin to handle items."""
        self._thread.start()

    def put(self, inbox: Inbox, item: Any) -> None:
        """Add an item to one of the worker's inboxes; ignored once the worker closes."""
        with self._changed:
            if self._closing:
                return
            inbox.received += 1
            if inbox.policy.capacity is not None and len(inbox.items) >= inbox.policy.capacity:
                inbox.items.popleft()
                inbox.dropped += 1
            inbox.items.append((next(self._order), item))
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        with self._changed:
            return self._is_idle()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing waits and nothing runs; False after the time-out."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout=timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Take nothing more, handle what waits, end the thread.

        Returns:
            False where a handler still ran after `timeout_s`; its thread is left behind.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _is_idle(self) -> bool:
        return not self._busy and not any(inbox.items for inbox in self._inboxes)

    def _oldest(self) -> Inbox | None:
        waiting = [inbox for inbox in self._inboxes if inbox.items]
        return min(waiting, key=lambda inbox: inbox.items[0][0]) if waiting else None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while (inbox := self._oldest()) is None:
                    if self._closing:
                        return
                    self._changed.wait()
                _, item = inbox.items.popleft()
                self._busy = True
            failure: Exception | None = None
            try:
                inbox.handler(item)
            except Exception as error:  # a handler's fault must not end the thread
                failure = error
            self._on_done(inbox, failure)
