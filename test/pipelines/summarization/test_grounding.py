"""What the check lets pass, and what it finds."""

from __future__ import annotations

import pytest
from fakes.happenings import START, S, event, fall, keyword, speech, stale

from edge_mm_ros.datatypes import SafetyLevel
from edge_mm_ros.pipelines.summarization import EventRecord, EventWindow, Times, ungrounded

TIMES = Times("relative", START)
WORDS = '"Stop the robot, somebody fell down."'


def scene() -> EventWindow:
    record = EventRecord(100)
    for item in (event(), event(phase="ended", at_s=4.5), fall(), keyword(), stale()):
        record.add_event(item)
    record.add_transcript(speech())
    return record.window(START, START + 20 * S)


GOOD = 'Person 3 entered zone bay at 1.0 s. Person 7 fell at 4.6 s. At 6.0 s "stop" was said.'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"{GOOD} Somebody said {WORDS}",
        "A person was in zone 'bay' for 3.5 s; a person has fallen 2.1 m away and \"stop\" was "
        "heard. The sensor 'lidar/points' was silent for 0.5 s.",
        "There were 4 events; 3 at level danger: person 3 in zone bay; person 7 fallen; and the "
        'word "stop".',
        GOOD.replace('"', "”"),
    ],
)
def test_true_reports_pass(text: str) -> None:
    assert ungrounded(text, scene(), TIMES) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        (GOOD.replace("zone bay", "zone dock"), "'dock' is in no event"),
        (GOOD.replace("4.6", "9.9"), "the number 9.9 is in no event"),
        (GOOD + " A dog barked.", "'dog' is in no event"),
        (GOOD + " Seven people were hurt.", "'hurt' is in no event"),
        (GOOD + " Nobody was near.", "denies or plays down with 'nobody'"),
        (GOOD + " The zone is safe.", "denies or plays down with 'safe'"),
        (GOOD + " The person didn't fall.", "denies or plays down with 't'"),
        (GOOD + ' Somebody said "fire".', 'nobody said "fire"'),
        (GOOD + ' Somebody said "top the robot".', 'nobody said "top the robot"'),
        (GOOD + ' Somebody said "stop', "a quotation has no end"),
        (GOOD + " Stop the robot.", "'robot' is in no event"),
        (GOOD.replace("Person 7 fell at 4.6 s. ", ""), "leaves out the danger 'person_fallen'"),
        (GOOD.replace('At 6.0 s "stop" was said.', ""), "leaves out the danger 'spoken_alarm'"),
        (GOOD.replace("Person 7 fell", "Person 3 fell"), "no single event has all of"),
        (GOOD.replace("7 fell at 4.6", "7 fell at 1.0"), "no single event has all of"),
    ],
)
def test_what_is_not_in_the_events_is_named(text: str, fault: str) -> None:
    found = ungrounded(text, scene(), TIMES)
    assert any(fault in line for line in found), found


def test_a_danger_of_one_zone_does_not_stand_for_another() -> None:
    record = EventRecord(10)
    record.add_event(event())
    record.add_event(
        event("dock_intrusion-1", rule="dock_intrusion", message="Person 3 is in zone 'dock'.")
    )
    window = record.window(START, START + 5 * S)
    faults = ungrounded("A person entered zone bay.", window, TIMES)
    assert faults == ("it leaves out the danger 'dock_intrusion'",)


def test_lesser_events_may_be_left_out() -> None:
    record = EventRecord(10)
    record.add_event(fall())
    record.add_event(stale())
    window = record.window(START, START + 20 * S)
    assert ungrounded("Person 7 fell.", window, TIMES) == ()


def test_a_sentence_that_names_nobody_does_not_mention_a_person() -> None:
    record = EventRecord(10)
    record.add_event(
        event(rule="too_near", kind="minimum_distance", message="Person 3 is nearer than 2.0 m.")
    )
    window = record.window(START, START + 20 * S)
    faults = ungrounded("At 1.0 s, 1.8 m is closer than 2.0 m.", window, TIMES)
    assert faults == ("it leaves out the danger 'too_near'",)


def test_only_where_nothing_happened_nothing_may_be_reported() -> None:
    nothing = EventWindow(START, START + S)
    assert ungrounded("No safety event was recorded.", nothing, TIMES) == ()
    assert ungrounded("No safety event was recorded.", scene(), TIMES) != ()
    assert ungrounded("Person 3 fell.", nothing, TIMES) != ()


def test_a_rule_named_like_a_denial_permits_none() -> None:
    record = EventRecord(10)
    record.add_event(event(rule="clear", level=SafetyLevel.CAUTION, message="Person 3 is here."))
    window = record.window(START, START + 20 * S)
    assert ungrounded("Person 3 is here (rule 'clear').", window, TIMES) == ()
    assert ungrounded("Person 3 is clear.", window, TIMES) != ()
