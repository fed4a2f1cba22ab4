"""When a candidate is passed over, and when it may come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime.circuit_breaker import CircuitBreaker

SETTINGS = RuntimeParams(
    backoff_s=2.0,
    max_backoff_s=16.0,
    probation_s=4.0,
    probation_checks=2,
    deadline_misses=3,
    deadline_window_s=10.0,
)


def test_a_new_one_is_closed_and_has_no_trial_to_wait_for() -> None:
    breaker = CircuitBreaker(SETTINGS)
    assert not breaker.is_open
    assert not breaker.may_try(1e9)


def test_a_failure_opens_it_until_its_backoff_has_passed() -> None:
    breaker = CircuitBreaker(SETTINGS)
    breaker.open("device lost", 10.0)
    assert (breaker.is_open, breaker.reason) == (True, "device lost")
    assert not breaker.may_try(11.9)
    assert breaker.may_try(12.0)


def test_the_backoff_doubles_up_to_its_limit() -> None:
    breaker, waits = CircuitBreaker(SETTINGS), []
    for now_s in (0.0, 100.0, 200.0, 300.0, 400.0):
        breaker.open("still dead", now_s)
        assert breaker.retry_s is not None
        waits.append(breaker.retry_s - now_s)
    assert waits == [2.0, 4.0, 8.0, 16.0, 16.0]


def test_one_good_trial_is_not_enough() -> None:
    breaker = CircuitBreaker(SETTINGS)
    breaker.open("device lost", 0.0)
    assert not breaker.tried_well(2.0)
    assert not breaker.may_try(3.9)
    assert breaker.may_try(4.0)
    assert not breaker.tried_well(4.0)
    assert breaker.tried_well(6.0)


def test_a_failure_on_probation_begins_it_anew() -> None:
    breaker = CircuitBreaker(SETTINGS)
    breaker.open("device lost", 0.0)
    breaker.tried_well(2.0)
    breaker.open("again", 4.0)
    assert not breaker.tried_well(8.0)
    assert not breaker.tried_well(10.0)
    assert breaker.tried_well(12.0)


def test_the_backoff_starts_small_again_after_it_was_well_for_long() -> None:
    breaker = CircuitBreaker(SETTINGS)
    breaker.open("device lost", 0.0)
    breaker.open("device lost", 2.0)
    breaker.close(10.0)
    breaker.open("another time", 1000.0)
    assert breaker.retry_s == 1002.0


def test_a_failure_soon_after_it_came_back_waits_longer() -> None:
    breaker = CircuitBreaker(SETTINGS)
    breaker.open("device lost", 0.0)
    breaker.close(6.0)
    breaker.open("device lost", 7.0)
    assert breaker.retry_s == 11.0


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30).map(sorted))
def test_late_answers_open_it_exactly_where_too_many_fall_into_one_window(
    at_s: list[float],
) -> None:
    breaker = CircuitBreaker(SETTINGS)
    for index, now_s in enumerate(at_s):
        within = sum(1 for other_s in at_s[: index + 1] if other_s >= now_s - 10.0)
        assert breaker.late(now_s) == (within >= 3)
