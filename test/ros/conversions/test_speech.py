"""Transcripts as LiveSpeech and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("hri_msgs")

from hri_msgs.msg import LiveSpeech

from edge_mm_ros.datatypes import InvalidInput, SpokenWord, Transcript
from edge_mm_ros.ros.conversions import speech
from edge_mm_ros.ros.conversions.speech import (
    transcript_from_msg,
    transcript_to_msg,
    words_to_msg,
)

SAID = Transcript("Stop!", 3_000_000_007, 4_000_000_000, 0.75, "en", True, "mic")


def test_the_fields_of_a_final_transcript() -> None:
    message = transcript_to_msg(SAID)
    assert (message.final, message.incremental) == ("Stop!", "")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 7)
    assert message.header.frame_id == "mic"
    assert message.confidence == 0.75
    assert message.locale == "en"


def test_a_hypothesis_is_incremental() -> None:
    hypothesis = replace(SAID, is_final=False)
    message = transcript_to_msg(hypothesis)
    assert (message.final, message.incremental) == ("", "Stop!")
    assert not transcript_from_msg(message).is_final


def test_all_but_the_end_comes_back() -> None:
    assert transcript_from_msg(transcript_to_msg(SAID)) == replace(SAID, end_ns=SAID.start_ns)


def test_older_releases_have_a_language_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    class Older:
        def __init__(self) -> None:
            self.header = LiveSpeech().header
            self.incremental = self.final = self.language = ""
            self.confidence = 0.0

    monkeypatch.setattr(speech, "LiveSpeech", Older)
    monkeypatch.setattr(speech, "_LANGUAGE_FIELD", "language")
    message = transcript_to_msg(SAID)
    assert message.language == "en"
    assert transcript_from_msg(message).language == "en"


@pytest.mark.parametrize("locale", ["en_US", "en-GB", "EN", "en"])
def test_a_locale_is_its_language(locale: str) -> None:
    assert transcript_from_msg(LiveSpeech(final="Hi", locale=locale)).language == "en"


def test_speech_without_text_or_with_no_number_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no text"):
        transcript_from_msg(LiveSpeech(final=" "))
    with pytest.raises(InvalidInput, match="not a number"):
        transcript_from_msg(LiveSpeech(final="Hi", confidence=math.nan))


@given(st.text(), st.text(), st.floats(), st.text(max_size=9))
def test_any_message_is_a_transcript_or_invalid_input(
    final: str, incremental: str, confidence: float, locale: str
) -> None:
    message = LiveSpeech(final=final, incremental=incremental, confidence=confidence, locale=locale)
    try:
        transcript = transcript_from_msg(message)
    except InvalidInput:
        return
    assert transcript.text
    assert 0.0 <= transcript.confidence <= 1.0


def test_the_times_of_words_go_beside() -> None:
    said = replace(SAID, words=(SpokenWord("Stop!", 3_100_000_000, 3_500_000_000, 0.87654321),))
    assert json.loads(words_to_msg(said).data) == {
        "start_ns": 3_000_000_007,
        "end_ns": 4_000_000_000,
        "final": True,
        "language": "en",
        "frame_id": "mic",
        "words": [
            {
                "word": "Stop!",
                "start_ns": 3_100_000_000,
                "end_ns": 3_500_000_000,
                "probability": 0.8765,
            }
        ],
    }
