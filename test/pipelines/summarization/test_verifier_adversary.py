"""Texts that look right and are not: each must be refused; and true ones that must pass."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from fakes.gbnf import random_text
from fakes.happenings import START, S, event, fall, keyword, stale

from edge_mm_ros.bench.language_logs import event_log
from edge_mm_ros.bench.language_speed import window_of
from edge_mm_ros.datatypes import SafetyEvent, SafetyLevel
from edge_mm_ros.pipelines.summarization import EventRecord, EventWindow, Times
from edge_mm_ros.pipelines.summarization.fact_table import FactTable, fact_table
from edge_mm_ros.pipelines.summarization.grammar import grammar_of
from edge_mm_ros.pipelines.summarization.verifier import verify

TIMES = Times("relative", START)


def near(number: int, began_s: float, ended_s: float) -> tuple[SafetyEvent, SafetyEvent]:
    """A car that was near, from begin to end."""
    given = {
        "event_id": f"near-{number}",
        "began_s": began_s,
        "rule": "near",
        "label": "car",
        "track_id": str(number),
        "values": {"distance_m": 1.0 + number / 10},
        "level": SafetyLevel.CAUTION,
    }
    begun = event(
        at_s=began_s, message=f"Car {number} is nearer than 2 m, 1.{number} m away.", **given
    )
    over = event(
        phase="ended",
        at_s=ended_s,
        message=f"Car {number} is no longer seen nearer than 2 m after {ended_s - began_s:.1f} s.",
        **given,
    )
    return begun, over


def window() -> EventWindow:
    """Persons in two zones, a fall, a word, a silent sensor, two cars that came and went."""
    record = EventRecord(100)
    dock = event(
        "dock-1",
        at_s=9.0,
        began_s=9.0,
        message="Person 8 is in zone 'dock', 4.0 m away.",
        rule="dock",
        track_id="8",
        sensor="lidar",
        values={"distance_m": 4.0, "confidence": 0.9},
    )
    over = event(
        phase="ended", at_s=4.5, message="Person 3 is no longer seen in zone 'bay' after 3.5 s."
    )
    earlier = event(
        "stale-2",
        at_s=0.5,
        began_s=-7.0,
        message="'radar' is silent for more than 2 s.",
        level=SafetyLevel.UNKNOWN,
        rule="radar_stale",
        kind="stale",
        label="",
        track_id="",
        sensor="radar",
        values={},
    )
    for item in (
        *(event(), over, fall(), keyword(), stale(), dock, earlier),
        *(*near(4, 12.0, 13.0), *near(6, 14.0, 16.5)),
    ):
        record.add_event(item)
    return record.window(START, START + 20 * S)


def table() -> FactTable:
    return fact_table(window(), TIMES, 20)


RADAR = "[f1] From before 0.0 s on, 'radar' was silent for more than 2 s, and this was still so at the end."  # noqa: E501
BAY = "[f2] From 1.0 s to 4.5 s, person 3 was in zone 'bay', 1.8 m away at the nearest."
FALL = "[f3] Then, from 4.6 s on, person 7 had fallen, and this was still so at the end."
WORD = '[f4] "stop" was said at 6.0 s.'
LIDAR = "[f5] Sensor 'lidar/points' had been silent for 0.5 s from 7.5 s on, and this was still so at the end."  # noqa: E501
DOCK = "[f6] Later, from 9.0 s on, person 8 was in zone 'dock', 4.0 m away at the nearest, and this was still so at the end (sensor 'lidar', confidence 0.90)."  # noqa: E501
CARS = "[f7] Car 4 and car 6 were nearer than 2 m once each between 12.0 s and 16.5 s."
COUNT = "[f0] There were 8 safety events from 0.0 s to 20.0 s, 4 of them at level danger."
WHOLE = (RADAR, BAY, FALL, WORD, LIDAR, DOCK, CARS, COUNT)

PARAPHRASES = (
    (RADAR, RADAR.replace("From before 0.0 s on", "Since before 0.0 s")),
    (RADAR, "[f1] 'radar' was silent for more than 2 s from before 0.0 s on, and it goes on."),
    (RADAR, ""),
    (BAY, "[f2] Person 3 was in zone 'bay' from 1.0 s until 4.5 s."),
    (BAY, "[f2] At 1.0 s, person 3 was in zone 'bay', for 3.5 s."),
    (BAY, "[f2] Later, between 1.0 s and 4.5 s, person 3 was in zone 'bay', 1.8 m away."),
    (FALL, "[f3] Person 7 had fallen at 4.6 s, still going on at the end."),
    (FALL, "[f3] From 4.6 s on, person 7 had fallen, 2.1 m away, which was still so at the end."),
    (WORD, '[f4] Later, at 6.0 s, "stop" was said.'),
    (LIDAR, ""),
    (DOCK, "[f6] Person 8 was in zone 'dock' from 9.0 s on, and it goes on (confidence 0.90)."),
    (DOCK, "[f6] Person 8 was in zone 'dock' at 9.0 s, by sensor 'lidar', and it goes on."),
    (CARS, "[f7] Between 12.0 s and 16.5 s, car 4 and car 6 were nearer than 2 m twice in all."),
    (CARS, "[f7] Twice between 12.0 s and 16.5 s, car 4 and car 6 were nearer than 2 m."),
    (CARS, "[f7] From 12.0 s on, car 4 and car 6 were nearer than 2 m 2 times, the last of them until 16.5 s."),  # noqa: E501
    (CARS, ""),
)  # fmt: skip

# What is true, and what stands in its place: (part, instead).
UNTRUE: dict[str, tuple[str, str]] = {
    # Who and what.
    "another person": (BAY, BAY.replace("person 3", "person 4")),
    "swapped persons": (BAY, BAY.replace("person 3", "person 8")),
    "a car for a person": (BAY, BAY.replace("person 3", "car 3")),
    "the word of a person": (WORD, WORD.replace('"stop"', "Person 3")),
    "nobody": (BAY, BAY.replace("person 3", "nobody")),
    "no person": (BAY, BAY.replace("person 3", "no person")),
    "more persons": (BAY, BAY.replace("person 3 was", "person 3 and person 7 were")),
    "plural": (BAY, BAY.replace("person 3 was", "persons 3 were")),
    "plural of the verb": (BAY, BAY.replace("person 3 was", "person 3 were")),
    "a subject left out": (CARS, CARS.replace("Car 4 and car 6 were", "Car 4 was")),
    "others": (CARS, CARS.replace("car 6", "3 others")),
    "somebody": (FALL, FALL.replace("person 7", "somebody")),
    "he": (FALL, FALL.replace("person 7", "he")),
    "another word": (WORD, WORD.replace("stop", "go")),
    "another sensor silent": (RADAR, RADAR.replace("'radar'", "'lidar'")),
    "another sensor saw it": (DOCK, DOCK.replace("sensor 'lidar'", "sensor 'camera'")),
    "a sensor more": (DOCK, DOCK.replace("sensor 'lidar'", "sensors 'lidar' and 'camera'")),
    # Where.
    "another zone": (BAY, BAY.replace("'bay'", "'dock'")),
    "no such zone": (BAY, BAY.replace("'bay'", "'bay 2'")),
    "outside": (BAY, BAY.replace("in zone", "outside zone")),
    "near": (BAY, BAY.replace("in zone", "near zone")),
    # Denial.
    "not": (BAY, BAY.replace("was in", "was not in")),
    "never": (FALL, FALL.replace("had fallen", "had never fallen")),
    "had not": (FALL, FALL.replace("had fallen", "had not fallen")),
    "nearly": (FALL, FALL.replace("had fallen", "had nearly fallen")),
    "no longer": (DOCK, DOCK.replace("was in", "was no longer in")),
    "all clear": (COUNT, f"All clear. {COUNT}"),
    "all clear with an id": (COUNT, f"[f2] All clear. {COUNT}"),
    "all clear behind": (COUNT, f"{COUNT} All is clear now."),
    "no danger": (COUNT, COUNT.replace("4 of them", "none of them")),
    "a false alarm": (FALL, FALL.replace("had fallen", "had fallen by a false alarm")),
    # Cause.
    "was stopped by": (BAY, BAY.replace("was in zone 'bay'", "was stopped by sensor 'camera'")),
    "because": (FALL, FALL.replace("had fallen", "had fallen because of car 4")),
    "so": (FALL, FALL.replace("and this was still so", "so the robot stopped")),
    "therefore": (FALL, FALL.replace("Then, from", "Therefore, from")),
    "due to": (RADAR, RADAR.replace("2 s, and", "2 s due to rain, and")),
    "pushed by": (FALL, FALL.replace("had fallen", "had fallen, by person 8")),
    "led to": (BAY, BAY.replace("bay',", "bay', which led to a fall,")),
    # Numbers and units.
    "distance": (BAY, BAY.replace("1.8 m", "1.9 m")),
    "distance of another": (BAY, BAY.replace("1.8 m", "4.0 m")),
    "centimetres": (BAY, BAY.replace("1.8 m", "1.8 cm")),
    "seconds for metres": (BAY, BAY.replace("1.8 m away at the nearest", "1.8 s away")),
    "rounded": (BAY, BAY.replace("1.8 m", "2 m")),
    "the farthest": (BAY, BAY.replace("at the nearest", "at the farthest")),
    "the limit": (CARS, CARS.replace("2 m", "1 m")),
    "farther": (CARS, CARS.replace("nearer", "farther")),
    "count": (CARS, CARS.replace("once each", "three times")),
    "count left out": (CARS, CARS.replace(" once each", "")),
    "twice each": (CARS, CARS.replace("once each", "twice each")),
    "once": (CARS, CARS.replace("once each", "once")),
    "a thousand times": (CARS, CARS.replace("once each", "1000 times")),
    "twice what was once": (BAY, BAY.replace("bay'", "bay' twice")),
    "each of one": (BAY, BAY.replace("bay'", "bay' once each")),
    "confidence": (DOCK, DOCK.replace("0.90", "0.99")),
    "a confidence without one": (BAY, BAY[:-1] + " (confidence 0.90)."),
    "the silence": (LIDAR, LIDAR.replace("0.5 s from", "5.0 s from")),
    "a total": (COUNT, COUNT.replace("8 safety", "9 safety")),
    "dangers": (COUNT, COUNT.replace("4 of", "3 of")),
    "all dangers": (COUNT, COUNT.replace("4 of", "all 8 of")),
    "all that are dangers": (COUNT, COUNT.replace("4 of", "all 4 of")),
    "both dangers": (COUNT, COUNT.replace("4 of", "both of")),
    "dangers left out": (COUNT, COUNT.replace(", 4 of them at level danger", "")),
    "level": (COUNT, COUNT.replace("danger", "caution")),
    # Times.
    "begin": (BAY, BAY.replace("From 1.0 s", "From 0.0 s")),
    "end": (BAY, BAY.replace("4.5 s", "4.6 s")),
    "begin and end swapped": (BAY, BAY.replace("From 1.0 s to 4.5 s", "From 4.5 s to 1.0 s")),
    "the end as the moment": (BAY, BAY.replace("From 1.0 s to 4.5 s", "At 4.5 s")),
    "minutes": (BAY, BAY.replace("4.5 s", "4.5 min")),
    "length": (BAY, "[f2] At 1.0 s, person 3 was in zone 'bay', for 4.5 s."),
    "begun before": (BAY, BAY.replace("From 1.0 s", "From before 1.0 s")),
    "a fall begun before": (FALL, FALL.replace("from 4.6 s", "from before 4.6 s")),
    "begun in the window": (RADAR, RADAR.replace("before ", "")),
    "at the window's begin": (RADAR, RADAR.replace("From before 0.0 s on", "At 0.0 s")),
    "an end that is none": (FALL, "[f3] From 4.6 s to 20.0 s, person 7 had fallen."),
    "until the end": (FALL, "[f3] From 4.6 s until the end, person 7 had fallen."),
    "over": (FALL, FALL.replace(", and this was still so at the end", "")),
    "over after a while": (FALL, FALL.replace("and this was still so at the end", "for 2.0 s")),
    "still so": (BAY, BAY[:-1] + ", and this was still so at the end."),
    "open end": (BAY, BAY.replace("From 1.0 s to 4.5 s", "From 1.0 s on")),
    "the begins as the span": (CARS, CARS.replace("16.5 s", "14.0 s")),
    "from the last on": (CARS, CARS.replace("between 12.0 s and 16.5 s", "from 14.0 s on")),
    "one moment for two": (CARS, CARS.replace("between 12.0 s and 16.5 s", "at 12.0 s")),
    "both still": (CARS, CARS[:-1] + ", and this was still so for both of them at the end."),
    "a word that lasts": (WORD, '[f4] From 6.0 s on, "stop" was said.'),
    "a word of another time": (WORD, WORD.replace("6.0 s", "9.0 s")),
    "without a time": (WORD, '[f4] "stop" was said.'),
    "the window": (COUNT, COUNT.replace("20.0 s", "30.0 s")),
    # Order.
    "then before anything": (RADAR, RADAR.replace("From", "Then, from")),
    "later what was earlier": (f"{BAY} {FALL}", f"{FALL} {BAY.replace('From', 'Later, from')}"),
    "meanwhile": (DOCK, DOCK.replace("Later", "Meanwhile")),
    "while": (WORD, '[f4] "stop" was said at 6.0 s while person 3 was in zone \'bay\'.'),
    # What must be told, and how.
    "the fall left out": (FALL, ""),
    "the word left out": (WORD, ""),
    "the dock left out": (DOCK, ""),
    "told under another id": (FALL, FALL.replace("[f3]", "[f1]")),
    "told twice": (FALL, f"{FALL} {FALL.replace('Then, from', 'From')}"),
    "told of nothing": (WORD, f"{WORD} [f8] Person 3 left."),
    "two facts under one id": (WORD, f"{WORD[:-1]}. Person 7 had fallen at 4.6 s."),
    "without an id": (FALL, FALL.removeprefix("[f3] ")),
    "only the ids": (FALL, "[f3]"),
    "an order to the reader": (FALL, FALL[:-1] + ", ignore it."),
    "nothing": (" ".join(WHOLE), "No safety event was recorded."),
    "a count told twice": (CARS, CARS.replace("once each", "once each twice")),
    "a time told twice": (BAY, BAY.replace("bay',", "bay' from 1.0 s to 4.5 s,")),
    "no begin": (BAY, BAY.replace("From", "from")),
    "two begins": (FALL, FALL.replace("Then, from", "Then, From")),
    "advice": (COUNT, f"{COUNT} Please stop the robot."),
    "a question": (FALL, FALL[:-1] + "?"),
    "a name with a tail": (BAY, BAY.replace("person 3 ", "person 33 ")),
    "letters of another script": (BAY, BAY.replace("person", "pers\u043en")),
}  # fmt: skip


def test_the_whole_is_true() -> None:
    verdict = verify(" ".join(WHOLE), table())
    assert verdict.faults == ()
    assert verdict.told == ("f1", "f2", "f3", "f4", "f5", "f6", "f7", "f0")


@pytest.mark.parametrize(("part", "instead"), PARAPHRASES)
def test_true_paraphrases_pass(part: str, instead: str) -> None:
    assert verify(" ".join(WHOLE).replace(part, instead), table()).faults == ()


@pytest.mark.parametrize(("part", "instead"), UNTRUE.values(), ids=UNTRUE)
def test_what_is_not_so_is_refused(part: str, instead: str) -> None:
    whole = " ".join(WHOLE)
    changed = whole.replace(part, instead)
    assert changed != whole
    assert verify(changed, table()).faults


def test_there_are_many_kinds_of_untruth() -> None:
    assert len({instead for _, instead in UNTRUE.values()}) >= 100


@pytest.mark.parametrize("seed", range(40))
def test_numbers_and_sentences_of_one_fact_are_refused_in_another(seed: int) -> None:
    log = event_log(seed)
    facts = fact_table(window_of(log), Times("relative", log.begin_ns))
    if not facts.facts:
        return
    rng = random.Random(seed)
    text = random_text(grammar_of(facts), rng)
    assert verify(text, facts).faults == ()
    numbers = list(re.finditer(r"\d+\.\d+|\d+", text))
    for found in rng.sample(numbers, min(8, len(numbers))):
        other = rng.choice([n[0] for n in numbers if n[0] != found[0]])
        changed = text[: found.start()] + other + text[found.end() :]
        assert verify(changed, facts).faults, changed
    sentences = re.split(r"(?=\[f\d)", text)[1:]
    for one, two in itertools.pairwise(sentences):
        (first, said), (second, then) = one.split(" ", 1), two.split(" ", 1)
        swapped = text.replace(one, f"{first} {then}").replace(two, f"{second} {said}")
        assert verify(swapped, facts).faults, swapped
