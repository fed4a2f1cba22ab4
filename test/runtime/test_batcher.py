"""Batches of several cameras: newest wins, oldest first, nobody starves, all is counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.runtime.batcher import Batcher, Counts

NAMES = ("front", "left", "rear", "right")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def batcher(clock: Clock, **limits: Any) -> Batcher[int]:
    return Batcher(NAMES, clock=clock, data_clock=clock, **limits)


def taken(batch: Batcher[int]) -> list[tuple[str, int]]:
    return [(frame.source, frame.item) for frame in batch.take()]


def test_the_newest_of_a_camera_wins_and_the_others_are_counted(clock: Clock) -> None:
    batch = batcher(clock)
    for item in (1, 2, 3):
        batch.put("front", item)
    assert taken(batch) == [("front", 3)]
    assert batch.ready_in_s() is None
    assert batch.counts("front") == Counts(received=3, replaced=2, served=1)
    assert batch.counts("left") == Counts()


def test_the_longest_waiting_camera_is_first_though_its_picture_was_replaced(clock: Clock) -> None:
    batch = batcher(clock, max_batch=2)
    for name in ("rear", "front", "left"):
        batch.put(name, 1)
    batch.put("rear", 2)
    assert taken(batch) == [("rear", 2), ("front", 1)]
    batch.put("rear", 3)
    assert taken(batch) == [("left", 1), ("rear", 3)]


def test_a_picture_past_its_deadline_is_dropped_and_counted(clock: Clock) -> None:
    batch = batcher(clock, max_age_s=0.5, max_batch=4)
    batch.put("front", 1)
    clock.now_s += 0.4
    batch.put("left", 2)
    clock.now_s += 0.2
    assert taken(batch) == [("left", 2)]
    assert batch.counts("front") == Counts(received=1, expired=1)
    assert batch.dropped("front") == 1


def test_a_camera_whose_picture_expired_keeps_its_turn(clock: Clock) -> None:
    batch = batcher(clock, max_age_s=0.5)
    batch.put("front", 1)
    clock.now_s += 1
    assert batch.ready_in_s() is None
    batch.put("left", 2)
    batch.put("front", 3)
    assert taken(batch) == [("front", 3)]


def test_a_single_camera_never_waits_for_others(clock: Clock) -> None:
    batch = batcher(clock, max_batch=4, max_delay_s=0.05)
    for item in range(5):
        clock.now_s += 0.1
        batch.put("front", item)
        assert batch.ready_in_s() == 0
        assert taken(batch) == [("front", item)]


def test_a_batch_waits_for_a_camera_that_is_expected_and_not_past_the_delay(clock: Clock) -> None:
    batch = batcher(clock, max_batch=4, max_delay_s=0.05)
    for _ in range(2):  # front and left come every 0.1 s, left 0.02 s behind
        clock.now_s += 0.08
        batch.put("front", 1)
        clock.now_s += 0.02
        batch.put("left", 1)
        batch.take()
    clock.now_s += 0.08
    batch.put("front", 2)
    assert batch.ready_in_s() == pytest.approx(0.05)
    clock.now_s += 0.02
    batch.put("left", 2)
    assert batch.ready_in_s() == 0, "nobody else is expected"
    assert taken(batch) == [("front", 2), ("left", 2)]
    clock.now_s += 0.08
    batch.put("front", 3)
    clock.now_s += 0.05
    assert batch.ready_in_s() == 0, "the delay is over"
    clock.now_s += 0.3
    batch.put("front", 4)
    assert batch.ready_in_s() == 0, "left has been silent for too long"


def test_a_full_batch_does_not_wait(clock: Clock) -> None:
    batch = batcher(clock, max_batch=2, max_delay_s=10)
    for item in range(2):
        clock.now_s += 0.1
        for name in NAMES:
            batch.put(name, item)
    assert batch.ready_in_s() == 0
    assert len(batch.take()) == 2


@pytest.mark.parametrize(
    ("camera_hz", "limit_hz", "served"), [(10, 0, 100), (10, 5, 50), (10, 4, 40), (3, 5, 30)]
)
def test_a_rate_is_kept_on_average_and_what_comes_too_soon_is_counted_apart(
    clock: Clock, camera_hz: float, limit_hz: float, served: int
) -> None:
    batch = batcher(clock, max_rate_hz=limit_hz)
    count = 10 * round(camera_hz)
    for index in range(count):
        clock.now_s = 100 + index / camera_hz
        batch.put("front", index)
        batch.take()
    assert batch.counts("front").served == pytest.approx(served, abs=1)
    assert batch.counts("front").skipped == count - batch.counts("front").served
    assert batch.dropped("front") == 0


def test_a_clock_that_jumps_does_not_silence_a_camera(clock: Clock) -> None:
    batch = batcher(clock, max_rate_hz=5, max_age_s=1)
    batch.put("front", 1)
    batch.take()
    clock.now_s -= 3600
    batch.put("front", 2)
    assert taken(batch) == [("front", 2)]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_batch": 0}, "max_batch must be at least 1"),
        ({"max_delay_s": -1}, "max_delay_s must not be negative"),
        ({"max_age_s": float("nan")}, "max_age_s must not be negative"),
        ({"max_delay_s": 1, "max_age_s": 1}, "less than max_age_s"),
    ],
)
def test_limits_without_sense_are_refused(clock: Clock, limits: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        batcher(clock, **limits)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(NAMES)),
        st.tuples(st.just("take"), st.just("")),
        st.tuples(st.just("wait"), st.floats(0, 0.4)),
    ),
    max_size=80,
)


@given(
    EVENTS,
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([0.0, 4.0]),
)
def test_whatever_comes_batches_are_small_new_and_fair(
    events: list[tuple[str, Any]], max_batch: int, delay_s: float, age_s: float, rate_hz: float
) -> None:
    clock = Clock()
    batch = batcher(
        clock, max_batch=max_batch, max_delay_s=delay_s, max_age_s=age_s, max_rate_hz=rate_hz
    )
    newest: dict[str, tuple[int, float]] = {}
    put: Counter[str] = Counter()
    served: Counter[str] = Counter()
    passed_over: Counter[str] = Counter()
    rounds = -(-len(NAMES) // max_batch)
    for number, (event, value) in enumerate(events):
        if event == "put":
            before = batch.counts(value).skipped
            batch.put(value, number)
            put[value] += 1
            if batch.counts(value).skipped == before:
                newest[value] = (number, clock.now_s)
        elif event == "wait":
            clock.now_s += value
        else:
            wait_s = batch.ready_in_s()
            assert wait_s is None or 0 <= wait_s <= delay_s
            waited = [name for name in NAMES if batch.counts(name).waiting]
            frames = batch.take()
            names = [frame.source for frame in frames]
            assert len(names) == min(max_batch, len(waited))
            assert len(set(names)) == len(names), "one of each camera"
            assert set(names) <= set(waited)
            for frame in frames:
                item, since_s = newest[frame.source]
                assert frame.item == item, "the newest"
                assert not age_s or clock.now_s - since_s <= age_s
                served[frame.source] += 1
                passed_over[frame.source] = 0
            for name in set(waited) - set(names):
                passed_over[name] += 1
                assert passed_over[name] < rounds, f"{name} starves"
        for name in NAMES:
            counts = batch.counts(name)
            assert (counts.received, counts.served) == (put[name], served[name])
            assert counts.waiting in (0, 1)
            assert counts.received == (
                counts.skipped + counts.replaced + counts.expired + counts.served + counts.waiting
            )
        assert batch.waiting == sum(batch.counts(name).waiting for name in NAMES)
