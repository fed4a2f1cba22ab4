"""The deterministic writer: what it says, and that its own check believes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.happenings import START, S, event, fall, keyword, speech, stale
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel, Transcript
from edge_mm_ros.pipelines.summarization import EventRecord, EventWindow, Times, write_template
from edge_mm_ros.pipelines.summarization.grounding import ungrounded
from edge_mm_ros.pipelines.summarization.plain_text import plain, stem

RELATIVE = Times("relative", START)


def window(*items: SafetyEvent | Transcript, length_s: float = 20.0) -> EventWindow:
    record = EventRecord(1000)
    for item in items:
        if isinstance(item, SafetyEvent):
            record.add_event(item)
        else:
            record.add_transcript(item)
    return record.window(START, START + round(length_s * S))


def test_who_what_where_when_and_the_spoken_words() -> None:
    text = write_template(
        window(
            event(),
            event(phase="ended", at_s=4.5, message="Person 3 has left after 3.5 s."),
            fall(),
            keyword(),
            stale(),
            speech(),
        ),
        RELATIVE,
    )
    assert text == (
        "From 0.0 s to 20.0 s there were 4 safety events, 3 of them at level danger. "
        "At 1.0 s: person 3 is in zone 'bay', 1.8 m away; ended after 3.5 s "
        "(level danger, rule 'bay_intrusion', sensor 'camera'). "
        "At 4.6 s: person 7 has fallen, 2.1 m away; still going on at the end "
        "(level danger, rule 'person_fallen', sensor 'camera'). "
        "At 6.0 s: \"stop\" was said (level danger, rule 'spoken_alarm', sensor 'microphone', "
        "confidence 0.60). "
        "At 7.5 s: sensor 'lidar/points' has been silent for 0.5 s; still going on at the end "
        "(level unknown, rule 'objects_stale'). "
        'These words were heard: at 6.0 s "Stop the robot, somebody fell down."'
    )


def test_repeats_are_counted_with_their_tracks_and_the_nearest() -> None:
    repeats = [
        event(
            f"bay_intrusion-{n}",
            at_s=n,
            began_s=n,
            message=f"Person {n} is in zone 'bay', {9 - n}.0 m away.",
            track_id=str(n),
            values={"distance_m": 9.0 - n},
        )
        for n in (1, 2, 3)
    ]
    text = write_template(window(*repeats), RELATIVE)
    assert "3 times from 1.0 s to 3.0 s, first: person 1 is in zone 'bay', 8.0 m away" in text
    assert "tracks 1, 2 and 3; nearest 6.0 m; all 3 still going on at the end" in text


def test_one_event_is_told_in_the_singular_and_by_the_clock() -> None:
    text = write_template(window(fall()), Times("clock", START))
    assert text.startswith(
        "From 22:13:20 UTC to 22:13:40 UTC there was 1 safety event, at level danger. "
        "At 22:13:24 UTC: person 7 has fallen"
    )


def test_what_began_before_the_window_is_said_so() -> None:
    text = write_template(window(event(began_s=-30.0)), RELATIVE)
    assert "Since before 0.0 s: person 3 is in zone 'bay'" in text


def test_only_speech() -> None:
    assert write_template(window(speech("Hello!")), RELATIVE) == (
        'No safety event was recorded. These words were heard: at 6.0 s "Hello!"'
    )


def test_of_many_lesser_events_the_worst_are_told_and_every_danger() -> None:
    lesser = [
        event(f"r{n}-1", rule=f"r{n}", level=SafetyLevel.CAUTION, message=f"Thing r{n} is odd.")
        for n in range(12)
    ]
    dangers = [event(f"d{n}-1", rule=f"d{n}", message=f"Danger d{n} is near.") for n in range(12)]
    text = write_template(window(*lesser, *dangers), RELATIVE)
    assert all(f"rule 'd{n}'" in text for n in range(12))
    assert "There were 4 more events." in text


def test_quotation_marks_of_speech_stay_inside_the_quotation() -> None:
    text = write_template(window(speech('He said "all is safe" and\nleft.')), RELATIVE)
    assert "\"He said 'all is safe' and left.\"" in text
    assert text.count('"') == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('  a\t"b"\n“c” \x00\u202ed ', "a 'b' 'c' d"),
        ("x" * 500, "x" * 200),
        ("\n", ""),
    ],
)
def test_foreign_text_is_made_one_plain_line(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    "forms", [("zone", "zones"), ("notice", "noticed", "notices"), ("fall", "falls", "falling")]
)
def test_forms_of_a_word_have_one_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


names = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["no", "never", "and", "12", "3.5", "zone 7b", "s). At 1", "it's", '"', "'", ". ", "event"]
    ),
)
events = st.builds(
    SafetyEvent,
    event_id=st.text(max_size=3),
    phase=st.sampled_from(EventPhase),
    level=st.sampled_from(SafetyLevel),
    rule=names,
    kind=names,
    stamp_ns=st.integers(-(10**20), 10**20),
    started_ns=st.integers(-(10**20), 10**20),
    message=names,
    label=names,
    track_id=names,
    sensor=names,
    values=st.dictionaries(
        st.sampled_from(["distance_m", "word", "text"]), st.one_of(st.floats(), names)
    ),
)
transcripts = st.builds(
    replace,
    st.just(speech()),
    text=st.text(max_size=400),
    start_ns=st.integers(-(10**20), 10**20),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(events, max_size=14),
    st.lists(transcripts, max_size=10),
    st.sampled_from(["relative", "clock", "ago"]),
)
def test_its_own_check_believes_the_template_whatever_happens(
    happened: list[SafetyEvent], said: list[Transcript], style: str
) -> None:
    found = window(*happened, *said)
    times = Times(style, START)  # type: ignore[arg-type]
    text = write_template(found, times)
    assert "\n" not in text
    assert ungrounded(text, found, times) == ()


def test_which_sensors_saw_it_which_missed_it_and_how_sure_it_is() -> None:
    record = EventRecord(10)
    seen = event(sensor="camera:front,lidar:top", values={"confidence": 0.874})
    record.add_event(seen)
    found = record.window(START, START + 20 * S)
    text = write_template(found, RELATIVE)
    assert "rule 'bay_intrusion', sensors 'camera:front' and 'lidar:top', confidence 0.87)" in text
    (incident,) = found.incidents
    missed = replace(incident, supporting=("lidar:top",), silent=("radar:rear",))
    found = replace(found, incidents=(missed,))
    text = write_template(found, RELATIVE)
    assert "sensor 'lidar:top', missed by sensor 'radar:rear', confidence 0.87)" in text
    assert ungrounded(text, found, RELATIVE) == ()


def test_events_in_any_order_and_twice_tell_the_same() -> None:
    over = event(
        phase="ended",
        at_s=4.5,
        message="Person 3 is no longer seen in zone 'bay' after 3.5 s.",
        values={},
    )
    going_on = event(
        phase="ongoing", at_s=3.0, message="Person 3 is in zone 'bay', 1.2 m away, for 2.0 s now."
    )
    texts = {
        write_template(window(*order), RELATIVE)
        for order in (
            (event(), going_on, over),
            (over, going_on, event()),
            (going_on, over, event(), event(), over),
        )
    }
    assert len(texts) == 1
    assert "At 1.0 s: person 3 is in zone 'bay', 1.8 m away; ended after 3.5 s" in texts.pop()


def test_an_end_alone_tells_what_has_ended() -> None:
    over = event(
        phase="ended", at_s=4.5, message="Person 3 is no longer seen in zone 'bay' after 3.5 s."
    )
    text = write_template(window(over), RELATIVE)
    assert "person 3 is in zone 'bay'" in text
    assert "ended after 3.5 s" in text


def test_an_event_without_most_of_its_fields_is_told() -> None:
    bare = SafetyEvent("", EventPhase.STARTED, SafetyLevel.DANGER, "", "", START, START, "")
    text = write_template(window(bare), RELATIVE)
    assert text == (
        "From 0.0 s to 20.0 s there was 1 safety event, at level danger. "
        "At 0.0 s: an event; still going on at the end (level danger)."
    )


@pytest.mark.parametrize("count", [1, 2, 60, 1000, 10_000])
def test_any_number_of_events_is_told_in_bounded_length(count: int) -> None:
    record = EventRecord(20_000)
    for number in range(count):
        record.add_event(
            event(
                f"e-{number}",
                rule=f"r{number % 3}",
                track_id=str(number),
                message=f"Person {number} is in zone 'z{number % 3}', 1.8 m away.",
            )
        )
    found = record.window(START, START + 20 * S)
    text = write_template(found, RELATIVE)
    assert len(text) < 1500
    assert all(f"rule 'r{rule}'" in text for rule in range(min(count, 3)))
    assert ungrounded(text, found, RELATIVE) == ()


def test_more_kinds_of_danger_than_anybody_can_read_are_counted_and_their_rules_named() -> None:
    dangers = [event(f"e-{n}", rule=f"r{n:02}", message=f"Thing {n} is odd.") for n in range(60)]
    found = window(*dangers)
    text = write_template(found, RELATIVE)
    assert (
        "There were 20 more events, 20 of them in conditions at level danger, of the rules" in text
    )
    assert all(f"'r{n:02}'" in text for n in range(60))
    assert ungrounded(text, found, RELATIVE) == ()
