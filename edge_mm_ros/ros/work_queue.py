"""Worker threads with one inbox per source, each inbox with a named policy."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


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


class Taken(Protocol):
    """An item that a selection gives out."""

    @property
    def source(self) -> str:
        """Name of the inbox that it came through."""
        ...


class Selection(Protocol):
    """Keeps the items of several inboxes and says which are handled next, and together.

    A worker calls it under its lock.
    """

    @property
    def waiting(self) -> int:
        """How many items wait."""
        ...

    def put(self, source: str, item: Any) -> None:
        """Take an item."""
        ...

    def dropped(self, source: str) -> int:
        """How many items of a source were dropped."""
        ...

    def ready_in_s(self) -> float | None:
        """Seconds until `take` should be called; None where nothing waits."""
        ...

    def take(self) -> Sequence[Taken]:
        """What is handled next; nothing where all that waited was too old."""
        ...


class Inbox:
    """Items of one source that wait for their worker.

    Attributes:
        policy: what it keeps.
        received: how many items came.
        on_handled: told how long each took, seconds.
    """

    def __init__(self, worker: Worker, handler: Callable[[Any], None], policy: QueuePolicy):
        self.policy = policy
        self.received = 0
        self.on_handled: Callable[[float], None] = _ignore
        self._handler = handler
        self._worker = worker
        self._dropped = 0
        self.items: deque[tuple[int, Any, int]] = deque()

    @property
    def dropped(self) -> int:
        """How many items were dropped."""
        return self._dropped

    @property
    def full(self) -> bool:
        """Whether one more item would push one out."""
        return self.policy.capacity is not None and len(self.items) >= self.policy.capacity

    def put(self, item: Any) -> None:
        """Add an item; ignored once the worker closes."""
        self._worker.put(self, item)

    # Called by the worker, under its lock ---------------------------------------------------------

    def add(self, order: int, item: Any, arrived_ns: int) -> None:
        """Keep an item; the oldest is dropped and counted where the inbox is full."""
        self.received += 1
        if self.full:
            self.items.popleft()
            self._dropped += 1
        self.items.append((order, item, arrived_ns))

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self.items)

    @property
    def order(self) -> int:
        """The place of the next item among those of all inboxes."""
        return self.items[0][0]

    def ready_in_s(self) -> float | None:
        """Seconds until the next item may be handled; None where none waits."""
        return 0.0 if self.items else None

    def next_job(self, _order: int) -> Job:
        """Take the next item out."""
        _, item, arrived_ns = self.items.popleft()
        return Job(lambda: self._handler(item), (self,), arrived_ns)


class SharedInbox(Inbox):
    """One of several inboxes whose items are selected, and handled, together."""

    def __init__(self, worker: Worker, group: Group, source: str) -> None:
        super().__init__(worker, _ignore, QueuePolicy("newest of each, in turn", 1))
        self._group = group
        self._source = source

    @property
    def dropped(self) -> int:
        """How many items were dropped."""
        return self._group.selection.dropped(self._source)

    def add(self, order: int, item: Any, _arrived_ns: int) -> None:
        """Hand an item to the selection."""
        self.received += 1
        self._group.add(order, self._source, item)


class Group:
    """Inboxes whose items one handler gets together, as a selection decides.

    Attributes:
        selection: decides.
        order: the place of what waits among the items of all inboxes.
    """

    def __init__(
        self, worker: Worker, handler: Callable[[Sequence[Any]], None], selection: Selection
    ) -> None:
        self.selection = selection
        self.order = 0
        self._worker = worker
        self._handler = handler
        self._inboxes: dict[str, SharedInbox] = {}

    def inbox(self, source: str) -> SharedInbox:
        """The inbox of a source."""
        return self._inboxes.setdefault(source, SharedInbox(self._worker, self, source))

    # Called by the worker, under its lock ---------------------------------------------------------

    def add(self, order: int, source: str, item: Any) -> None:
        """Keep an item."""
        if not self.selection.waiting:
            self.order = order
        self.selection.put(source, item)

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return self.selection.waiting

    def ready_in_s(self) -> float | None:
        """Seconds until the next items should be handled; None where none waits."""
        return self.selection.ready_in_s()

    def next_job(self, order: int) -> Job:
        """Take the next items out; what stays is in the queue anew."""
        taken = self.selection.take()
        self.order = order
        inboxes = tuple(self._inboxes[each.source] for each in taken)
        return Job(lambda: self._handler(taken), inboxes)


@dataclass(frozen=True)
class Job:
    """What a worker does next.

    Attributes:
        run: does it.
        inboxes: those that it is for.
        arrived_ns: when its item was put; None where several came together.
    """

    run: Callable[[], None]
    inboxes: tuple[Inbox, ...]
    arrived_ns: int | None = None


class Worker:
    """One thread that handles the items of its inboxes in order of arrival.

    Args:
        name: the thread's name.
        on_done: told after every item, on the worker's thread, with the handler's exception or
            None.
        clock_ns: asked for the time of every item that is put.
    """

    def __init__(
        self,
        name: str,
        on_done: Callable[[Inbox, Exception | None], None],
        clock_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self.name = name
        self._on_done = on_done
        self._clock_ns = clock_ns
        self._arrived_ns: int | None = None
        self._queues: list[Inbox | Group] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def inbox(self, handler: Callable[[Any], None], policy: QueuePolicy) -> Inbox:
        """A new inbox, whose items go to `handler`."""
        inbox = Inbox(self, handler, policy)
        with self._changed:
            self._queues.append(inbox)
        return inbox

    def group(self, handler: Callable[[Sequence[Any]], None], selection: Selection) -> Group:
        """Inboxes whose items go to `handler` as `selection` takes them.

        An exception of the handler counts against every inbox that took part.
        """
        group = Group(self, handler, selection)
        with self._changed:
            self._queues.append(group)
        return group

    def start(self) -> None:
        """Begin to handle items."""
        self._thread.start()

    def put(self, inbox: Inbox, item: Any) -> None:
        """Add an item to one of the worker's inboxes; ignored once the worker closes."""
        arrived_ns = self._clock_ns()
        with self._changed:
            if self._closing:
                return
            inbox.add(next(self._order), item, arrived_ns)
            self._changed.notify_all()

    @property
    def arrived_ns(self) -> int | None:
        """When the item that the calling thread handles was put; None on other threads."""
        return self._arrived_ns if threading.current_thread() is self._thread else None

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
        return not self._busy and not any(queue.waiting for queue in self._queues)

    def _run(self) -> None:
        while (job := self._next_job()) is not None:
            begin_s = time.perf_counter()
            failure: Exception | None = None
            self._arrived_ns = job.arrived_ns
            try:
                job.run()
            except Exception as error:  # a handler's fault must not end the thread
                failure = error
            self._arrived_ns = None
            duration_s = time.perf_counter() - begin_s
            for inbox in job.inboxes:
                inbox.on_handled(duration_s)
                self._on_done(inbox, failure)

    def _next_job(self) -> Job | None:
        """Wait for what is next; None where the worker closes and nothing waits any more."""
        with self._changed:
            self._busy = False
            while True:
                queue, wait_s = self._oldest_ready()
                if queue is not None:
                    self._busy = True
                    return queue.next_job(next(self._order))
                self._changed.notify_all()
                if self._closing and wait_s is None:
                    return None
                self._changed.wait(wait_s)

    def _oldest_ready(self) -> tuple[Inbox | Group | None, float | None]:
        """The queue whose turn it is; where there is none, seconds until one may be ready."""
        ready, soonest_s = [], None
        for queue in self._queues:
            wait_s = queue.ready_in_s()
            if wait_s is None:
                continue
            if wait_s <= 0 or self._closing:
                ready.append(queue)
            elif soonest_s is None or wait_s < soonest_s:
                soonest_s = wait_s
        return min(ready, key=lambda queue: queue.order, default=None), soonest_s


def _ignore(_: Any) -> None:
    """Nobody wants to know."""
