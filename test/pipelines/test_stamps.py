"""Stamps that jump back."""

from __future__ import annotations

from edge_mm_ros.pipelines.stamps import NS_PER_S, Beat, StampGuard, SteadyTime, to_ns


def test_an_hour_back_is_told_once_and_then_followed() -> None:
    guard = StampGuard()
    begin = 7200 * NS_PER_S
    assert guard.jumped_back_s(begin) == 0.0
    assert guard.jumped_back_s(begin - 3600 * NS_PER_S) == 3600.0
    assert guard.jumped_back_s(begin - 3600 * NS_PER_S + 1) == 0.0
    assert guard.newest_ns == begin - 3600 * NS_PER_S + 1


def test_messages_that_overtake_each_other_are_no_jump() -> None:
    guard = StampGuard()
    for stamp_ns in (NS_PER_S, 2 * NS_PER_S, NS_PER_S, 2 * NS_PER_S + 5):
        assert guard.jumped_back_s(stamp_ns) == 0.0
    assert guard.newest_ns == 2 * NS_PER_S + 5


def test_reset_forgets() -> None:
    guard = StampGuard()
    guard.jumped_back_s(100 * NS_PER_S)
    guard.reset()
    assert guard.jumped_back_s(0) == 0.0


def test_seconds_are_rounded_not_cut() -> None:
    assert to_ns(0.3) == 300_000_000
    assert to_ns(1.0000000004) == 1_000_000_000


def test_steady_time_follows_the_stamps_and_where_they_go_back_the_clock() -> None:
    time = SteadyTime()
    arrivals = [(100, 110), (200, 210), (150, 220), (50, 260), (240, 261), (400, 500), (10, 400)]
    assert [time.at(stamp, now) for stamp, now in arrivals] == [
        100,
        200,
        210,  # 10 later by the clock
        250,  # 40 later
        251,
        400,  # the stamps have caught up
        400,  # nor does a clock that goes back itself take it back
    ]


def test_a_beat_gives_each_instant_once_however_often_it_is_asked() -> None:
    often, seldom = Beat(50), Beat(50)
    assert often.until(1013) == [1013]  # where it begins
    found = [at for now in (1020, 1049, 1050, 1051, 1120, 1199) for at in often.until(now)]
    assert found == [1050, 1100, 1150]
    assert seldom.until(1013) == [1013]
    assert seldom.until(1199) == found
    assert seldom.until(1100) == []


def test_after_a_pause_a_beat_gives_no_more_than_the_last_instants() -> None:
    beat = Beat(50, kept_ns=200)
    beat.until(1000)
    assert beat.until(10_010) == [9850, 9900, 9950, 10_000]


def test_a_beat_begins_anew_where_the_clock_is_set_back() -> None:
    beat = Beat(50)
    beat.until(5 * NS_PER_S)
    assert beat.until(3 * NS_PER_S + 7) == [3 * NS_PER_S + 7]
    assert beat.until(3 * NS_PER_S + 60) == [3 * NS_PER_S + 50]
