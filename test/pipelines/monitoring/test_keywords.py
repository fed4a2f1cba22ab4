"""Keywords: which texts have them, and for how long they count."""

from __future__ import annotations

from typing import Any

import pytest

from edge_mm_ros.datatypes import EventPhase, Transcript
from edge_mm_ros.params.safety_rules import KeywordRule
from edge_mm_ros.pipelines.monitoring.keywords import KeywordListener, says

S = 1_000_000_000


def listener(**changes: Any) -> KeywordListener:
    values = {
        "name": "alarm",
        "kind": "keyword",
        "level": "danger",
        "phrases": ("stop", "fell down"),
        "hold_s": 5.0,
        **changes,
    }
    return KeywordListener(KeywordRule(**values), ("speech",))


def transcript(
    text: str, at_s: float = 0, confidence: float = 0.9, final: bool = True
) -> Transcript:
    start_ns = round(at_s * S)
    return Transcript(text, start_ns, start_ns, confidence, "en", final, "microphone")


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("Stop the robot!", "stop", True),
        ("STOP.", "stop", True),
        ("please, stop", "stop", True),
        ("the bus stopped", "stop", False),
        ("nonstop", "stop", False),
        ("somebody fell down.", "fell down", True),
        ("somebody fell, down there", "fell down", True),
        ("fell right down", "fell down", False),
        ("down fell", "fell down", False),
        ("fell", "fell down", False),
        ("Hilfe, er ist gestürzt", "GESTÜRZT", True),
        ("", "stop", False),
    ],
)
def test_phrases_are_found_by_whole_words(text: str, phrase: str, expected: bool) -> None:
    assert says(text, phrase) is expected


def test_a_keyword_is_held_and_ends_at_its_hold_time() -> None:
    ears = listener()
    (started,) = ears.hear(transcript("Stop the robot", at_s=10), now_ns=12 * S)
    assert started.phase is EventPhase.STARTED
    assert started.event_id == "alarm-1"
    assert started.stamp_ns == started.started_ns == 10 * S
    assert started.values["word"] == "stop"
    assert started.values["confidence"] == 0.9
    assert started.values["text"] == "Stop the robot"
    assert started.evidence == ("speech",)
    assert ears.tick(17 * S - 1) == []
    (ended,) = ears.tick(18 * S)
    assert (ended.phase, ended.event_id, ended.stamp_ns) == (EventPhase.ENDED, "alarm-1", 17 * S)
    assert ears.tick(19 * S) == []


def test_a_hypothesis_and_its_final_text_are_one_event() -> None:
    ears = listener()
    (started,) = ears.hear(transcript("stop the", at_s=10, final=False), now_ns=10 * S)
    assert started.event_id == "alarm-1"
    assert ears.hear(transcript("Stop the robot.", at_s=10), now_ns=12 * S) == []
    assert ears.tick(16 * S) == []
    assert [event.event_id for event in ears.tick(17 * S)] == ["alarm-1"]


def test_a_final_text_after_the_hold_time_of_its_hypothesis_tells_nothing_new() -> None:
    ears = listener()
    ears.hear(transcript("stop", at_s=10, final=False), now_ns=10 * S)
    ears.tick(15 * S)
    assert ears.hear(transcript("Stop, please wait a while.", at_s=10), now_ns=17 * S) == []


def test_the_same_stamp_again_after_a_final_text_is_a_new_utterance() -> None:
    """A recording that is played again has the same stamps; its alarms must sound again."""
    ears = listener()
    ears.hear(transcript("stop", at_s=10), now_ns=10 * S)
    ears.tick(15 * S)
    (again,) = ears.hear(transcript("stop", at_s=10), now_ns=25 * S)
    assert (again.phase, again.event_id) == (EventPhase.STARTED, "alarm-2")


def test_two_phrases_are_two_events() -> None:
    ears = listener()
    events = ears.hear(transcript("Stop the robot, somebody fell down."), now_ns=0)
    assert [event.values["word"] for event in events] == ["stop", "fell down"]
    assert len({event.event_id for event in events}) == 2
    ears.hear(transcript("stop", at_s=3), now_ns=3 * S)
    assert [event.values["word"] for event in ears.tick(6 * S)] == ["fell down"]
    assert [event.values["word"] for event in ears.tick(9 * S)] == ["stop"]


def test_a_doubtful_transcript_does_not_count() -> None:
    assert listener().hear(transcript("stop", confidence=0.39), now_ns=0) == []
    assert len(listener().hear(transcript("stop", confidence=0.4), now_ns=0)) == 1


def test_hypotheses_can_be_left_out() -> None:
    ears = listener(incremental=False)
    assert ears.hear(transcript("stop", final=False), now_ns=0) == []
    assert len(ears.hear(transcript("stop"), now_ns=0)) == 1
