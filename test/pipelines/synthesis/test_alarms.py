"""Which events are said."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.happenings import START, S, event

from edge_mm_ros.datatypes import InvalidInput, SafetyLevel
from edge_mm_ros.pipelines.synthesis import AlarmFilter


def alarms(begin_s: float = 0.0, **given: Any) -> AlarmFilter:
    values: dict[str, Any] = {"levels": [SafetyLevel.DANGER], "repeat_s": 30.0, "max_age_s": 5.0}
    return AlarmFilter(**(values | given), begin_ns=START + round(begin_s * S))


def at(seconds: float) -> int:
    return START + round(seconds * S)


def test_a_danger_is_said_and_what_is_no_alarm_is_not() -> None:
    heard = alarms()
    assert heard.admits(event(), at(1.3))
    assert not heard.admits(event("c", level=SafetyLevel.CAUTION, message="c."), at(1.3))
    assert not heard.admits(event("e", phase="ended", message="e."), at(1.3))
    levels = [SafetyLevel.CAUTION, SafetyLevel.UNKNOWN]
    assert alarms(levels=levels).admits(event("c", level=SafetyLevel.CAUTION), at(1.3))


def test_the_same_event_and_the_same_sentence_are_not_repeated_before_a_while() -> None:
    heard = alarms()
    assert heard.admits(event("a"), at(1.3))
    for second in range(2, 31):
        again = event("a", phase="ongoing", at_s=second, message=f"For {second} s now.")
        assert not heard.admits(again, at(second))
        assert not heard.admits(event(f"b-{second}", at_s=second), at(second))
    assert heard.admits(event("a", phase="ongoing", at_s=31.4), at(31.4))


def test_history_is_not_said_and_lateness_is_told() -> None:
    heard = alarms(begin_s=100.0)
    assert not heard.admits(event(at_s=1.0), at(100.0))
    assert not heard.admits(event(at_s=94.0), at(101.0))
    with pytest.raises(
        InvalidInput, match=r"6\.0 s old and not said any more; are the clocks"
    ) as e:
        heard.admits(event(at_s=101.0), at(107.0))
    assert e.value.kind == "late"
    assert heard.admits(event(at_s=103.0), at(107.0))


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    heard = alarms()
    assert heard.admits(event(at_s=1000.0), at(1000.0))
    assert heard.admits(event(at_s=10.0), at(10.0))


def test_ten_thousand_events_fill_no_memory() -> None:
    heard = alarms()
    for number in range(10_000):
        heard.admits(event(str(number), message=str(number)), at(1.3))
    assert len(heard._said_ns) <= 1000
