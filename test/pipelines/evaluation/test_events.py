"""Safety events told and expected."""

from __future__ import annotations

import pytest

from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel, SafetyStatus
from edge_mm_ros.pipelines.evaluation import EventScore, score_events

END_S = 20.0


def event(
    name: str,
    begin_s: float,
    end_s: float | None,
    rule: str = "zone",
    who: str = "a",
    within_s: float | None = None,
) -> list[SafetyEvent]:
    def at(phase: EventPhase, t_s: float) -> SafetyEvent:
        return SafetyEvent(
            name,
            phase,
            SafetyLevel.DANGER,
            rule,
            "zone",
            round(t_s * 1e9),
            round(begin_s * 1e9),
            "",
            track_id=who,
            values={} if within_s is None else {"within_s": within_s},
        )

    last = [] if end_s is None else [at(EventPhase.ENDED, end_s)]
    return [at(EventPhase.STARTED, begin_s), *last]


def scored(
    expected: list[SafetyEvent],
    told: list[SafetyEvent],
    states: list[tuple[float, SafetyLevel]] | None = None,
) -> EventScore:
    statuses = [SafetyStatus(level, round(t * 1e9)) for t, level in states or []]
    return score_events(expected, told, statuses, round(END_S * 1e9))


def wanted(begin_s: float, end_s: float | None, **more: str) -> list[SafetyEvent]:
    return event(f"e{begin_s}{more}", begin_s, end_s, within_s=1.0, **more)


def test_told_in_time() -> None:
    found = scored(wanted(5.0, 9.0), event("t", 5.4, 9.5))
    assert (found.missed, found.late, found.false_events) == (0, 0, 0)
    assert found.outcomes[0].delay_s == pytest.approx(0.4)


def test_told_late() -> None:
    found = scored(wanted(5.0, 9.0), event("t", 7.0, 9.5))
    assert (found.missed, found.late) == (0, 1)


@pytest.mark.parametrize(
    "told",
    [
        [],
        event("before", 2.0, 3.0),
        event("after", 12.0, 13.0),
        event("other", 5.1, 8.0, rule="speed"),
    ],
)
def test_never_told(told: list[SafetyEvent]) -> None:
    assert scored(wanted(5.0, 9.0), told).missed == 1


def test_a_little_early_is_no_fault_and_lasting_before_counts_as_at_once() -> None:
    for begin_s in (4.7, 1.0):
        found = scored(wanted(5.0, 9.0), event("t", begin_s, 8.0))
        assert found.outcomes[0].delay_s == 0.0
        assert found.false_events == 0


def test_one_told_event_stands_for_one_expected() -> None:
    both = wanted(5.0, 9.0, who="a") + wanted(5.2, 9.0, who="b")
    assert scored(both, event("t", 5.3, 9.0)).missed == 1
    assert scored(both, event("t", 5.3, 9.0) + event("u", 5.4, 9.0)).missed == 0


def test_events_without_cause_are_counted_for_rules_that_are_expected() -> None:
    told = event("t", 5.1, 9.0) + event("u", 15.0, 16.0) + event("v", 2.0, 3.0, rule="keyword")
    assert scored(wanted(5.0, 9.0), told).false_events == 1


def test_two_events_for_one_cause_are_not_without_cause() -> None:
    told = event("t", 5.1, 6.0) + event("u", 6.5, 9.0)
    assert scored(wanted(5.0, 9.0), told).false_events == 0


def test_what_never_ends_lasts_to_the_end() -> None:
    found = scored(wanted(15.0, None), event("t", 19.5, None))
    assert (found.missed, found.late) == (0, 1)


def test_clear_while_something_is_due() -> None:
    # Due from 6 s (1 s after its begin) to 9 s; clear until 7 s and from 8.5 s on.
    clear, danger = SafetyLevel.CLEAR, SafetyLevel.DANGER
    states = [(0.0, clear), (7.0, danger), (8.5, clear)]
    found = scored(wanted(5.0, 9.0), event("t", 7.0, 8.5), states)
    assert found.clear_in_danger_s == pytest.approx(1.0 + 0.5)
    unknown = scored(wanted(5.0, 9.0), [], [(0.0, SafetyLevel.UNKNOWN)])
    assert unknown.clear_in_danger_s == 0.0


def test_nothing_expected() -> None:
    found = scored([], event("t", 1.0, 2.0))
    assert (found.outcomes, found.false_events) == ((), 0)


def test_what_is_told_after_the_end_does_not_count() -> None:
    told = event("t", 5.1, 9.0) + event("u", END_S + 0.4, None)
    assert scored(wanted(5.0, 9.0), told).false_events == 0
