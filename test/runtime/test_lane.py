"""The thread of a loaded model: order, deadlines, streams, and its end."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest
from fakes.scripted_backend import Hang
from helpers.scene import wait_until

from edge_mm_ros.runtime.lane import DeadlineExceeded, Lane, LaneClosed

LONG_S, SHORT_S = 30.0, 0.05


@pytest.fixture
def lane() -> Iterator[Lane]:
    lane = Lane("test lane")
    yield lane
    wait_until(lambda: lane.close())


def test_calls_run_in_order_on_the_lanes_own_thread(lane: Lane) -> None:
    threads = {lane.call(threading.get_ident, LONG_S) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_an_exception_comes_back_to_its_caller(lane: Lane) -> None:
    with pytest.raises(ZeroDivisionError):
        lane.call(lambda: 1 // 0, LONG_S)
    assert lane.call(lambda: 7, LONG_S) == 7


def test_a_caller_leaves_a_call_that_is_too_late(lane: Lane) -> None:
    hang = Hang()
    with pytest.raises(DeadlineExceeded, match="no answer within 0.05 s"):
        lane.call(hang, SHORT_S)
    assert lane.overdue
    with pytest.raises(DeadlineExceeded, match="still has not answered an earlier call"):
        lane.call(lambda: 7, SHORT_S)
    hang.release.set()
    wait_until(lambda: not lane.overdue)
    assert lane.call(lambda: 7, LONG_S) == 7


def test_waiting_behind_another_call_is_not_counted(lane: Lane) -> None:
    hang, answers = Hang(), []
    first = threading.Thread(target=lambda: lane.call(hang, LONG_S))
    first.start()
    assert hang.entered.wait(10)
    second = threading.Thread(target=lambda: answers.append(lane.call(lambda: 7, SHORT_S)))
    second.start()
    second.join(4 * SHORT_S)
    assert second.is_alive()
    hang.release.set()
    first.join(10)
    second.join(10)
    assert answers == [7]


def test_a_closed_lane_refuses_calls_and_does_its_last_deed_once(lane: Lane) -> None:
    deeds: list[str] = []
    assert lane.close(lambda: deeds.append("closed"))
    assert lane.close(lambda: deeds.append("closed again"))
    assert deeds == ["closed"]
    with pytest.raises(LaneClosed):
        lane.call(lambda: 7, LONG_S)


def test_a_lane_with_a_hung_call_closes_when_it_returns(lane: Lane) -> None:
    hang, closed = Hang(), threading.Event()
    with pytest.raises(DeadlineExceeded):
        lane.call(hang, SHORT_S)
    assert not lane.close(closed.set)
    assert not closed.is_set()
    hang.release.set()
    assert closed.wait(10)


def test_a_stream_gives_its_pieces_in_order(lane: Lane) -> None:
    assert list(lane.stream(lambda: iter_of("a", "b", "c"), LONG_S)) == ["a", "b", "c"]


def test_a_stream_that_fails_gives_what_came_before(lane: Lane) -> None:
    def broken() -> Iterator[str]:
        yield "a"
        raise RuntimeError("lost")

    stream = lane.stream(broken, LONG_S)
    assert next(stream) == "a"
    with pytest.raises(RuntimeError, match="lost"):
        next(stream)


def test_closing_a_stream_ends_it_after_the_piece(lane: Lane) -> None:
    given, ended = [], threading.Event()
    go_on = threading.Event()

    def endless() -> Iterator[int]:
        try:
            for number in range(1_000_000):
                given.append(number)
                yield number
                go_on.wait(10)
        finally:
            ended.set()

    stream = lane.stream(endless, LONG_S)
    assert next(stream) == 0
    stream.close()
    go_on.set()
    assert ended.wait(10)
    assert len(given) < 1_000
    assert lane.call(lambda: 7, LONG_S) == 7


def test_each_piece_has_the_deadline_for_itself(lane: Lane) -> None:
    hang = Hang()

    def stuck() -> Iterator[str]:
        yield "a"
        hang()
        yield "b"

    stream = lane.stream(stuck, SHORT_S)
    assert next(stream) == "a"
    with pytest.raises(DeadlineExceeded):
        next(stream)
    hang.release.set()


def test_between_two_pieces_something_may_happen(lane: Lane) -> None:
    between: list[int] = []
    ident = lane.call(threading.get_ident, LONG_S)
    stream = lane.stream(
        lambda: iter_of("a", "b"), LONG_S, lambda: between.append(threading.get_ident())
    )
    assert list(stream) == ["a", "b"]
    assert between == [ident, ident]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux")
def test_a_lane_has_the_priority_that_it_is_given_and_nobody_else() -> None:
    lane = Lane("nice", niceness=7)
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert (
        lane.call(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), LONG_S) == 7
    )
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine
    lane.close()


def test_a_result_is_not_kept_until_the_next_call(lane: Lane) -> None:
    class Result:
        alive = 0

        def __init__(self) -> None:
            Result.alive += 1

        def __del__(self) -> None:
            Result.alive -= 1

    lane.call(Result, LONG_S)
    wait_until(lambda: Result.alive == 0)


def iter_of(*values: str) -> Iterator[str]:
    yield from values
