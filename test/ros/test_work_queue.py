"""Workers: order, policies, and what happens at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from edge_mm_ros.ros.work_queue import Inbox, Worker, drop_oldest, latest_only, lossless
from edge_mm_ros.runtime.batcher import Batcher


class Gate:
    """A handler that waits until it is opened, so that a test can fill the queue meanwhile."""

    def __init__(self) -> None:
        self.handled: list[Any] = []
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, item: Any) -> None:
        self.entered.set()
        assert self.open.wait(10)
        self.handled.append(item)


@pytest.fixture
def errors() -> list[Exception]:
    return []


@pytest.fixture
def worker(errors: list[Exception]) -> Iterator[Worker]:
    def note(inbox: Inbox, error: Exception | None) -> None:
        if error is not None:
            errors.append(error)

    worker = Worker("test", note)
    worker.start()
    yield worker
    assert worker.close(10)


@pytest.mark.parametrize(
    ("policy", "kept", "dropped"),
    [(latest_only(), [4], 3), (drop_oldest(2), [3, 4], 2), (lossless(), [1, 2, 3, 4], 0)],
)
def test_a_policy_decides_what_a_full_inbox_keeps(
    worker: Worker, policy: Any, kept: list[int], dropped: int
) -> None:
    gate = Gate()
    inbox = worker.inbox(gate, policy)
    inbox.put(0)
    assert gate.entered.wait(10)
    for item in (1, 2, 3, 4):
        inbox.put(item)
    gate.open.set()
    assert worker.wait_idle(10)
    assert gate.handled == [0, *kept]
    assert (inbox.received, inbox.dropped) == (5, dropped)


def test_items_of_several_inboxes_are_handled_in_order_of_arrival(worker: Worker) -> None:
    gate = Gate()
    first, second = worker.inbox(gate, lossless()), worker.inbox(gate, lossless())
    for inbox, item in ((first, "a"), (second, "b"), (first, "c"), (second, "d")):
        inbox.put(item)
    gate.open.set()
    assert worker.wait_idle(10)
    assert gate.handled == ["a", "b", "c", "d"]


def test_a_handler_can_ask_when_its_item_came_however_long_it_waited() -> None:
    now_ns, told = [0], []
    gate = Gate()
    worker = Worker("test", lambda inbox, error: None, lambda: now_ns[0])

    def handle(item: int) -> None:
        gate(item)
        told.append((item, worker.arrived_ns))

    inbox = worker.inbox(handle, lossless())
    worker.start()
    for item in (1, 2, 3):
        now_ns[0] = 10 * item
        inbox.put(item)
    now_ns[0] = 99
    gate.open.set()
    assert worker.close(10)
    assert told == [(1, 10), (2, 20), (3, 30)]
    assert worker.arrived_ns is None  # on any other thread


def test_an_exception_is_told_and_does_not_end_the_worker(
    worker: Worker, errors: list[Exception]
) -> None:
    handled = []

    def handle(item: int) -> None:
        if item == 1:
            raise ValueError("one")
        handled.append(item)

    inbox = worker.inbox(handle, lossless())
    for item in (1, 2):
        inbox.put(item)
    assert worker.wait_idle(10)
    assert handled == [2]
    assert [str(error) for error in errors] == ["one"]


def test_closing_handles_what_waits_and_takes_nothing_more() -> None:
    handled: list[int] = []
    worker = Worker("test", lambda inbox, error: None)
    inbox = worker.inbox(handled.append, lossless())
    for item in (1, 2, 3):
        inbox.put(item)
    worker.start()
    assert worker.close(10)
    inbox.put(4)
    assert handled == [1, 2, 3]


def test_closing_leaves_a_hung_handler_behind_and_says_so() -> None:
    gate = Gate()
    worker = Worker("test", lambda inbox, error: None)
    worker.start()
    worker.inbox(gate, latest_only()).put(0)
    assert gate.entered.wait(10)
    assert not worker.close(0.0)
    gate.open.set()
    assert worker.close(10)


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        drop_oldest(0)


# Groups ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thing:
    source: str
    item: Any


class Shelf:
    """A selection that gives out all that waits, when the test lets it."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.things: list[Thing] = []

    @property
    def waiting(self) -> int:
        return len(self.things)

    def put(self, source: str, item: Any) -> None:
        self.things.append(Thing(source, item))

    def dropped(self, source: str) -> int:
        return {"a": 3}.get(source, 0)

    def ready_in_s(self) -> float | None:
        return self.delay_s if self.things else None

    def take(self) -> Sequence[Thing]:
        taken, self.things = self.things, []
        return taken


def test_a_group_is_handled_together_and_each_inbox_learns_how_long_it_took(
    worker: Worker,
) -> None:
    gate, told = Gate(), []
    group = worker.group(gate, Shelf())
    first, second, third = (group.inbox(name) for name in "abc")
    for inbox in (first, second, third):
        inbox.on_handled = told.append
    first.put(1)
    assert gate.entered.wait(10)
    second.put(2)
    first.put(3)
    assert not worker.idle
    gate.open.set()
    assert worker.wait_idle(10)
    assert gate.handled == [[Thing("a", 1)], [Thing("b", 2), Thing("a", 3)]]
    assert len(told) == 3
    assert (first.received, second.received, third.received) == (2, 1, 0)
    assert (first.dropped, second.dropped) == (3, 0)


def test_a_batch_that_waits_for_others_counts_as_busy_and_closing_ends_the_wait() -> None:
    gate = Gate()
    gate.open.set()
    worker = Worker("test", lambda inbox, error: None)
    worker.start()
    inbox = worker.group(gate, Shelf(delay_s=3600)).inbox("a")
    inbox.put(1)
    assert not worker.wait_idle(0.0)
    assert gate.handled == []
    assert worker.close(10)
    assert gate.handled == [[Thing("a", 1)]]


def test_a_batch_that_is_ready_later_is_handled_then(worker: Worker) -> None:
    gate, shelf = Gate(), Shelf(delay_s=0.01)
    gate.open.set()
    begin_s = time.monotonic()
    shelf_ready = shelf.ready_in_s
    shelf.ready_in_s = lambda: (  # type: ignore[method-assign]
        None if shelf_ready() is None else max(0.0, begin_s + 0.05 - time.monotonic())
    )
    worker.group(gate, shelf).inbox("a").put(1)
    assert worker.wait_idle(10)
    assert gate.handled == [[Thing("a", 1)]]
    assert time.monotonic() >= begin_s + 0.05


def test_a_group_and_an_inbox_take_turns_in_order_of_arrival(worker: Worker) -> None:
    gate = Gate()
    group, inbox = worker.group(gate, Shelf()), worker.inbox(gate, lossless())
    inbox.put(0)
    assert gate.entered.wait(10)
    group.inbox("a").put(1)
    inbox.put(2)
    group.inbox("b").put(3)
    gate.open.set()
    assert worker.wait_idle(10)
    assert gate.handled == [0, [Thing("a", 1), Thing("b", 3)], 2]


def test_a_fault_of_a_batch_counts_against_each_that_took_part() -> None:
    told: list[tuple[Inbox, str]] = []
    gate = Gate()

    def handle(things: Sequence[Thing]) -> None:
        gate(things)
        raise ValueError(len(things))

    worker = Worker("test", lambda inbox, error: told.append((inbox, str(error))))
    group = worker.group(handle, Shelf())
    inboxes = [group.inbox(name) for name in "abc"]
    for inbox in inboxes[:2]:
        inbox.put(0)
    gate.open.set()
    worker.start()
    assert worker.close(10)
    assert told == [(inboxes[0], "2"), (inboxes[1], "2")]


def test_a_batch_of_nothing_because_all_were_too_old_does_no_harm(worker: Worker) -> None:
    now_s = 0.0
    gate = Gate()
    batch: Batcher[int] = Batcher(("a", "b"), max_age_s=1, data_clock=lambda: now_s)
    group = worker.group(gate, batch)
    group.inbox("a").put(1)
    assert gate.entered.wait(10)
    group.inbox("b").put(2)
    now_s = 5.0
    gate.open.set()
    assert worker.wait_idle(10)
    assert [[frame.item for frame in frames] for frames in gate.handled] == [[1]]
    assert group.inbox("b").dropped == 1
