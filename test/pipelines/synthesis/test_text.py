"""Texts of others, made fit to be spoken."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.synthesis import speakable


def kinds(text: str, limit: int = 200, language: str = "en") -> list[str]:
    return [notice.kind for notice in speakable(text, limit, language).notices]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("\0\0", "nothing_to_say"),
        ("?!... --", "nothing_to_say"),
    ],
)
def test_what_cannot_be_said_is_refused(text: str, kind: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        speakable(text, 200)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Person\0 7\x1b[2J fell.\r\nHelp\u202e!", "Person 7 (2J fell. Help !"),
        ("[[h@l'oU]] {x}", "((h@l'oU)) (x)"),  # no phonemes, which both programs would take
        ("**Stop** `rm -rf` <speak>now</speak>", "Stop rm -rf speak now /speak"),
        ("aaaaaaaaaa!!!!!!!!", "aaa!!!"),
        ("cafe\u0301", "café"),
    ],
)
def test_control_characters_and_markup_go(text: str, said: str) -> None:
    assert speakable(text, 200).text == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2.1 m away", "2.1 metres away"),
        ("1 m away, 1.0 s ago", "1 metre away, 1.0 second ago"),
        ("at 1.5 m/s, 20%", "at 1.5 metres per second, 20 percent"),
        ("in 3 minutes, 4x4 mm", "in 3 minutes, 4x4 mm"),
        ("version 1.2.3 s", "version 1.2.3 s"),
        ("30 m.", "30 metres."),
    ],
)
def test_units_are_written_out_in_english(text: str, said: str) -> None:
    assert speakable(text, 200).text == said
    assert speakable(text, 200, "de").text == text


def test_a_long_text_is_cut_after_a_sentence() -> None:
    fit = speakable("Person 3 is near. It is 2.5 away. Then nothing else happened at all.", 40)
    assert fit.text == "Person 3 is near. It is 2.5 away."
    assert [notice.kind for notice in fit.notices] == ["too_long"]
    assert "68 characters is cut after 33" in str(fit.notices[0])


def test_without_a_sentence_it_is_cut_after_a_word_and_without_words_anywhere() -> None:
    assert speakable("one two three four five six", 20).text == "one two three four"
    assert speakable("ab" * 50, 20).text == "ab" * 10


def test_a_text_of_exactly_the_limit_stays() -> None:
    text = "Person 3 is near. Go!"
    assert speakable(text, len(text)).text == text
    assert kinds(text, len(text)) == []


def test_a_hundred_kilobytes_are_cut_and_told() -> None:
    fit = speakable("The press is clear. " * 5000, 500)
    assert len(fit.text) <= 500
    assert fit.text.endswith("clear.")
    assert [notice.kind for notice in fit.notices] == ["too_long"]


def test_another_script_is_spoken_and_told() -> None:
    assert speakable("что случилось?", 200).text == "что случилось?"
    assert kinds("что случилось?") == ["script"]
    assert kinds("что случилось?", language="ru") == []
    assert kinds("Zone Ω is clear") == []
    assert kinds("12:30") == []


@given(st.text(max_size=3000), st.integers(20, 300))
def test_whatever_comes_is_one_bounded_line_or_refused(text: str, limit: int) -> None:
    try:
        fit = speakable(text, limit)
    except InvalidInput:
        return
    assert 0 < len(fit.text) <= limit
    assert not any(
        unicodedata.category(char) in {"Cc", "Cs", "Co"} or char in "\n\r[]{}<>"
        for char in fit.text
    )
    fit.text.encode("utf-8")
