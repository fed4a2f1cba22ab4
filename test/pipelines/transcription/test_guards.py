"""What is believed of a recogniser's text, and what is taken for invented."""

from __future__ import annotations

import math
from typing import Any

import pytest

from edge_mm_ros.backends import TranscribedSegment
from edge_mm_ros.datatypes import SpokenWord
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription.guards import (
    loops,
    spoken_text,
    why_doubted,
    why_refused,
    without_remarks,
)

LIMITS = SpeechTranscriberParams()


def segment(text: str = "Stop the robot.", **values: Any) -> TranscribedSegment:
    given: dict[str, Any] = {
        "start_s": 0.0,
        "end_s": 2.0,
        "average_log_probability": -0.4,
        "no_speech_probability": 0.1,
        "compression_ratio": 1.0,
    }
    return TranscribedSegment(text=text, **(given | values))


def test_clear_speech_is_believed() -> None:
    assert why_refused(segment(), 1.0, LIMITS) == ""


@pytest.mark.parametrize(
    ("text", "values", "voiced_s", "reason"),
    [
        ("", {}, 1.0, "no words"),
        (".", {}, 1.0, "no words"),
        ("[BLANK_AUDIO]", {}, 1.0, "no words"),
        ("(wind blowing) ♪", {}, 1.0, "no words"),
        ("Go to the next one.", {"compression_ratio": 14.5}, 9.0, "loop"),
        ("Go to the next one.", {"average_log_probability": -1.7}, 9.0, "too uncertain"),
        ("Go.", {"average_log_probability": math.nan}, 9.0, "too uncertain"),
        (
            "Go on.",
            {"average_log_probability": -0.3, "no_speech_probability": 0.9},
            9.0,
            "no speech",
        ),
        ("one two three four five six seven", {}, 0.2, "7 words in 0.2 s"),
        ("Thank you for watching!", {"no_speech_probability": 0.9}, 9.0, "makes of silence"),
        ("I love you, I love you.", {"average_log_probability": -0.86}, 9.0, "makes of silence"),
        ("I love you, I love you.", {"no_speech_probability": 0.0}, 9.0, "makes of silence"),
        ("Thank you.", {"no_speech_probability": 0.3}, 9.0, "makes of silence"),
        ("go on and on " * 3, {}, 9.0, "loop"),
        ("no " * 7, {}, 9.0, "loop"),
        ("you", {"average_log_probability": -0.82}, 9.0, "makes of silence"),
        ("Bye-bye.", {"no_speech_probability": 0.55}, 9.0, "makes of silence"),
    ],
)
def test_inventions_are_refused_with_the_reason(
    text: str, values: dict[str, Any], voiced_s: float, reason: str
) -> None:
    assert reason in why_refused(segment(text, **values), voiced_s, LIMITS)


@pytest.mark.parametrize(
    ("text", "compression_ratio", "expected"),
    [
        ("go on and on " * 3, 1.0, True),
        ("Go to the next one.", 14.5, True),
        ("Help me, help me, help me!", 1.0, False),
        (".", 14.5, False),
    ],
)
def test_a_loop_is_told_from_people_who_repeat_themselves(
    text: str, compression_ratio: float, expected: bool
) -> None:
    assert loops(segment(text, compression_ratio=compression_ratio), LIMITS) is expected


@pytest.mark.parametrize(
    ("probabilities", "values", "reason"),
    [
        ((0.9, 0.8), {"no_speech_probability": 0.45, "average_log_probability": -0.7}, "unclear"),
        ((0.6, 0.2, 0.3), {}, "doubtful"),
        ((0.9, 0.8), {"no_speech_probability": 0.45, "average_log_probability": -0.3}, ""),
        ((0.6, 0.7), {"no_speech_probability": 0.3, "average_log_probability": -0.8}, ""),
    ],
)
def test_babble_is_told_from_speech_by_two_measures_together(
    probabilities: tuple[float, ...], values: dict[str, float], reason: str
) -> None:
    words = [SpokenWord("word", 0, 1, probability) for probability in probabilities]
    found = why_doubted(segment("some words", **values), words)
    assert (reason in found) if reason else not found


@pytest.mark.parametrize("text", ["Help me, help me, help me!", "No, no, no, no."])
def test_people_who_repeat_themselves_are_believed(text: str) -> None:
    assert why_refused(segment(text), 3.0, LIMITS) == ""


def test_polite_people_are_believed_where_they_are_heard_clearly() -> None:
    assert why_refused(segment("Thank you.", no_speech_probability=0.1), 0.5, LIMITS) == ""


def test_remarks_are_taken_out_of_speech() -> None:
    assert spoken_text(" [door] Stop  the robot (coughs). ") == "Stop the robot ."


def test_a_remark_of_several_words_is_taken_out() -> None:
    text = "[door slams] Stop! (he (coughs) * sighs * now ♪"
    said = [SpokenWord(part, i, i + 1, 0.9) for i, part in enumerate(text.split())]
    assert [word.text for word in without_remarks(said)] == ["Stop!", "now"]
