"""Workers: order, policies, and what happens at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from edge_mm_ros.ros.work_queue import Inbox, Worker, drop_oldest, latest_only, lossless


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
