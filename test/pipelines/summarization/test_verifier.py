"""What the verifier reads, and every kind of untruth that it finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.happenings import START, S, event, fall, keyword, stale
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.summarization import EventRecord, Times
from edge_mm_ros.pipelines.summarization.fact_table import FactTable, fact_table
from edge_mm_ros.pipelines.summarization.verifier import verify

ENDED = "Person 3 is no longer seen in zone 'bay' after 3.5 s."


def table() -> FactTable:
    record = EventRecord(100)
    cars = [
        event(
            f"near-{n}",
            at_s=8.0 + n,
            began_s=8.0 + n,
            message=f"Car {n} is nearer than 2 m, 1.{n} m away.",
            rule="near",
            track_id=str(n),
            values={"distance_m": 1.0 + n / 10},
        )
        for n in (4, 6)
    ]
    items = (event(), event(phase="ended", at_s=4.5, message=ENDED), fall(), keyword(), *cars)
    for item in (*items, stale()):
        record.add_event(item)
    return fact_table(record.window(START, START + 20 * S), Times("relative", START))


ZONE = "[f1] At 1.0 s, person 3 was in zone 'bay', 1.8 m away, for 3.5 s."
FALL = "[f2] Then, at 4.6 s, person 7 had fallen, still going on at the end."
WORD = '[f3] "stop" was said at 6.0 s.'
STALE = "[f4] Sensor 'lidar/points' had been silent for 0.5 s at 7.5 s, still going on at the end."
CARS = (
    "[f5] From 12.0 s on, car 4 and car 6 were nearer than 2 m once each, 1.4 m away at the "
    "nearest, and this was still so for both of them at the end."
)
ALL = f"[f0] There were 6 safety events from 0.0 s to 20.0 s, 5 of them at level danger. {ZONE} {FALL} {WORD} {STALE} {CARS}"  # noqa: E501


def test_a_true_text_passes_without_its_citations() -> None:
    verdict = verify(ALL, table())
    assert verdict.faults == ()
    assert verdict.told == ("f0", "f1", "f2", "f3", "f4", "f5")
    assert "[" not in verdict.text
    assert verdict.text.startswith("There were 6 safety events")


@pytest.mark.parametrize(
    "instead",
    [
        "[f1] Person 3 was in zone 'bay' from 1.0 s to 4.5 s.",
        "[f1] From 1.0 s to 4.5 s, person 3 was in zone 'bay', 1.8 m away at the nearest.",
        "[f1] Person 3 was in zone 'bay' at 1.0 s, lasting 3.5 s, 1.8 m away.",
        "[f1] Person 3 was in zone 'bay' once, from 1.0 s until 4.5 s (sensor 'camera').",
        "[f1] Between 1.0 s and 4.5 s, person 3 was in zone 'bay', by sensor 'camera'.",
        "[f1] From 1.0 s on, person 3 was in zone 'bay', for 3.5 s.",
    ],
)
def test_it_may_be_said_in_other_ways(instead: str) -> None:
    assert verify(ALL.replace(ZONE, instead), table()).faults == ()


UNTRUE = {
    "entity": (ZONE, ZONE.replace("person 3", "person 9"), "names somebody that is in no fact"),
    "entity of another fact": (ZONE, ZONE.replace("person 3", "person 7"), "it is about person 3"),
    "place": (ZONE, ZONE.replace("'bay'", "'dock'"), "names something that is in no fact"),
    "predicate": (ZONE, ZONE.replace("was in zone 'bay'", "had fallen"), "was in zone 'bay', not"),
    "number": (ZONE, ZONE.replace("1.8 m", "2.8 m"), "'2.8' is not its distance"),
    "time": (ZONE, ZONE.replace("At 1.0", "At 4.5"), "'4.5 s' is not its at"),
    "length": (ZONE, ZONE.replace("3.5", "4.5"), "'4.5 s' is not its lasted"),
    "unit": (ZONE, ZONE.replace("1.8 m", "1.8 km"), "', 1.8 km away, for 3.5 s' cannot be read"),
    "negation": (ZONE, ZONE.replace("was in", "was not in"), "in no fact"),
    "cause": (ZONE, ZONE.replace(", for 3.5 s", " because the robot stopped"), "cannot be read"),
    "begin told as end": (
        ZONE,
        "[f1] From 4.5 s to 1.0 s, person 3 was in zone 'bay'.",
        "'4.5 s' is not its begin",
    ),
    "goes on": (FALL, FALL.replace(", still going on at the end", ""), "that it still goes on"),
    "went on": (ZONE, ZONE.replace("for 3.5 s", "still going on at the end"), "goes on"),
    "count": (CARS, CARS.replace("once each", "3 times"), "'3' is not its count"),
    "count left out": (CARS, CARS.replace(" once each", ""), "it happened 2 times"),
    "some for all": (CARS, CARS.replace("both of", "1 of"), "'1 of them' is not its several"),
    "subjects": (CARS, CARS.replace("car 4 and car 6", "car 4"), "in no fact"),
    "twice": (WORD, f"{WORD} {WORD}", "f3 is told twice"),
    "no such fact": (WORD, f"{WORD} [f9] Car 4 exploded.", "there is no fact f9"),
    "addition": (WORD, f"{WORD[:-1]} and all is clear.", "'and all is clear' cannot be read"),
    "second sentence": (WORD, f"{WORD} All is clear.", "All is clear' cannot be read"),
    "no end": (CARS, CARS[:-1], "has no end"),
    "without when": (WORD, '[f3] "stop" was said.', "it does not say when"),
    "total": ("There were 6", "There were 7", "'7' is not the number of events"),
    "dangers": ("5 of them at", "4 of them at", "'4' is not the number of dangers"),
    "critical left out": (FALL, "", "it leaves out f2: person 7 had fallen"),
    "order": ("[f1] At 1.0 s", "[f1] Then, at 1.0 s", "did not follow on what is told before"),
}


@pytest.mark.parametrize(("true", "untrue", "fault"), UNTRUE.values(), ids=UNTRUE)
def test_every_kind_of_untruth_is_found(true: str, untrue: str, fault: str) -> None:
    assert true in ALL
    found = verify(ALL.replace(true, untrue, 1), table()).faults
    assert any(fault in line for line in found), found


def test_the_number_of_events_is_published_first() -> None:
    overview, _, rest = ALL.partition(" [f1]")
    verdict = verify(f"[f1]{rest} {overview}", table())
    assert verdict.faults == ()
    assert verdict.text == verify(ALL, table()).text


def test_a_lesser_fact_may_be_left_out() -> None:
    assert verify(ALL.replace(f"{STALE} ", ""), table()).faults == ()


def test_an_event_that_began_before_the_window_is_told_so() -> None:
    record = EventRecord(10)
    record.add_event(event(began_s=-5.0))
    found = fact_table(record.window(START, START + 9 * S), Times("relative", START))
    good = "[f1] Since before 0.0 s, person 3 was in zone 'bay', still going on at the end."
    assert verify(good, found).faults == ()
    assert verify(good.replace("Since before", "At"), found).faults != ()


@given(st.text(max_size=200))
def test_no_other_text_passes(text: str) -> None:
    assert verify(text, table()).faults


@given(st.integers(0, len(ALL) - 1), st.characters(codec="ascii", categories=["L", "N", "P"]))
def test_a_changed_character_is_a_fault_unless_it_is_small_or_capital(at: int, letter: str) -> None:
    changed = ALL[:at] + letter + ALL[at + 1 :]
    if changed.lower() != ALL.lower():
        assert verify(changed, table()).faults


def test_a_name_that_looks_like_a_citation_is_never_published() -> None:
    facts = table()
    odd = replace(facts.facts[0], subject="person [f2]")
    text = ALL.replace("person 3", "person [f2]")
    assert verify(text, replace(facts, facts=(odd, *facts.facts[1:]))).faults
