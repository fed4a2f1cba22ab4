"""Words that sound alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.phonetics import alike, find_phrase, sounds_of


@pytest.mark.parametrize(
    ("heard", "wanted"),
    [
        ("stop", "stop"),
        ("stopp", "stop"),
        ("stob", "stop"),
        ("helb", "help"),
        ("robbot", "robot"),
        ("fone", "phone"),
        ("emergensy", "emergency"),
        ("стоп", "стоп"),
    ],
)
def test_what_may_be_the_same_word_is_found(heard: str, wanted: str) -> None:
    assert alike(heard, wanted)
    assert alike(wanted, heard)


@pytest.mark.parametrize(
    ("heard", "wanted"),
    [
        ("step", "stop"),
        ("top", "stop"),
        ("shop", "stop"),
        ("stoop", "stop"),
        ("stopped", "stop"),
        ("held", "help"),
        ("yelp", "help"),
        ("fall", "fell"),
        ("danger", "dancer"),
        ("go", "koh"),
        ("стол", "стоп"),
    ],
)
def test_other_words_are_not(heard: str, wanted: str) -> None:
    assert not alike(heard, wanted)


def test_a_phrase_is_found_word_by_word() -> None:
    assert find_phrase(["please", "stopp", "now"], ["stop", "now"]) == 1
    assert find_phrase(["stop"], ["stop", "now"]) is None
    assert find_phrase([], ["stop"]) is None


@given(st.text(max_size=20))
def test_every_word_sounds_like_itself(word: str) -> None:
    assert alike(word, word)
    assert isinstance(sounds_of(word.lower()), str)
