"""When a summary is due, and what it tells of."""

from __future__ import annotations

from fakes.happenings import START, S, event, fall, speech

from edge_mm_ros.datatypes import SafetyLevel
from edge_mm_ros.pipelines.summarization import EventCollector, EventRecord, EventWindow

HOUR = 3600 * S


def taken(window: EventWindow | None) -> EventWindow:
    assert window is not None
    return window


def test_nothing_is_due_of_nothing() -> None:
    collector = EventCollector(10)
    assert collector.due(START, 30.0, 5.0) is None
    assert collector.flush() is None


def test_a_window_is_due_when_it_is_quiet() -> None:
    collector = EventCollector(10)
    collector.add_event(event(), START)
    collector.add_transcript(speech(), START + 4 * S)
    assert collector.due(START + 8 * S, 30.0, 5.0) is None
    window = taken(collector.due(START + 9 * S, 30.0, 5.0))
    assert (window.start_ns, window.end_ns) == (START + S, START + 8 * S)
    assert len(window.incidents) == len(window.transcripts) == 1
    assert collector.due(START + 99 * S, 30.0, 5.0) is None


def test_a_window_is_due_at_its_full_length_however_busy_it_is() -> None:
    collector = EventCollector(100)
    for second in range(30):
        collector.add_event(event(f"e-{second}", at_s=second), START + second * S)
        assert collector.due(START + second * S, 30.0, 5.0) is None
    assert len(taken(collector.due(START + 30 * S, 30.0, 5.0)).incidents) == 30


def test_phases_of_one_condition_are_one_incident_across_windows() -> None:
    collector = EventCollector(10)
    collector.add_event(event(), START)
    taken(collector.flush())
    collector.add_event(event(phase="ended", at_s=40.0, message="It is over."), START + 40 * S)
    window = taken(collector.flush())
    (incident,) = window.incidents
    assert incident.message == "Person 3 is in zone 'bay', 1.8 m away"
    assert incident.started_ns == START + S
    assert incident.ended_ns == START + 40 * S
    assert window.start_ns == START + 40 * S


def test_at_the_end_only_news_is_worth_a_summary() -> None:
    collector = EventCollector(10)
    collector.add_event(event(), START)
    taken(collector.flush())
    collector.add_event(event(phase="ended", at_s=3), START + 3 * S)
    assert collector.flush(only_news=True) is None
    collector.add_event(event(phase="ended", at_s=4), START + 4 * S)
    collector.add_transcript(speech(), START + 5 * S)
    assert len(taken(collector.flush(only_news=True)).transcripts) == 1


def test_a_jump_back_closes_the_window_and_forgets_the_history() -> None:
    collector = EventCollector(10)
    collector.add_event(event(), START)
    assert collector.add_event(fall(), START) is None
    old = taken(collector.add_event(event(at_s=-3600.0, began_s=-3600.0), START))
    assert len(old.incidents) == 2
    (incident,) = collector.history().incidents
    assert incident.started_ns == START - HOUR
    assert taken(collector.flush()).start_ns == START - HOUR


def test_speech_that_is_known_late_is_no_jump() -> None:
    collector = EventCollector(10)
    collector.add_event(event(at_s=30.0, began_s=30.0), START)
    assert collector.add_transcript(speech(at_s=2.0), START) is None
    assert taken(collector.flush()).start_ns == START + 2 * S


def test_a_clock_that_is_set_back_does_not_hold_a_window_open() -> None:
    collector = EventCollector(10)
    collector.add_event(event(), START)
    assert collector.due(START - HOUR, 30.0, 5.0) is None
    assert collector.due(START - HOUR + 5 * S, 30.0, 5.0) is not None


def test_the_worst_level_and_the_nearest_distance_stay() -> None:
    record = EventRecord(10)
    record.add_event(event(level=SafetyLevel.DANGER, values={"distance_m": 1.2}))
    incident = record.add_event(
        event(
            phase="ongoing",
            at_s=3.0,
            level=SafetyLevel.CAUTION,
            values={"distance_m": float("nan")},
        )
    )
    assert incident.level is SafetyLevel.DANGER
    assert incident.nearest_m == 1.2


def test_the_record_keeps_the_newest() -> None:
    record = EventRecord(3)
    for n in range(5):
        record.add_event(event(f"e-{n}", began_s=n))
        record.add_transcript(speech(str(n), at_s=n))
    window = record.window(START, START)
    assert [i.event_id for i in window.incidents] == ["e-2", "e-3", "e-4"]
    assert [t.text for t in window.transcripts] == ["2", "3", "4"]
