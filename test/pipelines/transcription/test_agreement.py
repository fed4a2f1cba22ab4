"""Growing texts: what is told stays, and no word is lost or said twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.datatypes import SpokenWord
from edge_mm_ros.pipelines.transcription.agreement import (
    GrowingText,
    agreed,
    continuation,
    key_of,
)

S = 1_000_000_000


def words(text: str, start_s: float = 0.0, each_s: float = 0.4) -> list[SpokenWord]:
    """One word after the other, each of the same length."""
    starts = [round((start_s + i * each_s) * S) for i in range(len(text.split()) + 1)]
    return [
        SpokenWord(word, start, end, 0.9)
        for word, start, end in zip(text.split(), starts, starts[1:])
    ]


def text_of(told: tuple[SpokenWord, ...]) -> str:
    return " ".join(word.text for word in told)


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert key_of("Stop!") == key_of("stop,") == "stop"
    assert key_of("Don\u2019t") == key_of("don't") == "don't"
    assert key_of("...") == "..."


def test_nothing_is_told_on_the_word_of_one_hypothesis() -> None:
    text = GrowingText()
    assert not text.hear(words("it was the"), until_ns=9 * S)
    assert text.told == ()


def test_what_two_hypotheses_agree_on_is_told_but_for_the_last_word() -> None:
    text = GrowingText()
    text.hear(words("It was the beast"), until_ns=9 * S)
    assert text.hear(words("it was the best of times"), until_ns=9 * S)
    assert text_of(text.told) == "it was the"
    assert text.hear(words("it was the best of times it"), until_ns=9 * S)
    assert text_of(text.told) == "it was the best of times"
    one = GrowingText()
    one.hear(words("it was"), until_ns=9 * S)
    one.hear(words("it was"), until_ns=9 * S)
    assert text_of(one.told) == "it"


def test_words_at_the_end_of_the_sound_wait() -> None:
    text = GrowingText()
    for _ in range(2):
        text.hear(words("it was the best of"), until_ns=round(0.9 * S))
    assert text_of(text.told) == "it was"


def test_a_doubtful_word_waits_with_all_that_follows() -> None:
    sure = words("it was the best of times", each_s=0.25)
    doubtful = [*sure[:2], replace(sure[2], probability=0.4), *sure[3:]]
    text = GrowingText()
    for _ in range(3):
        text.hear(doubtful, until_ns=9 * S)
    assert text_of(text.told) == "it was"
    text.hear(sure, until_ns=9 * S)
    assert text_of(text.told) == "it was the best of"


def test_a_doubtful_word_waits_for_a_second_of_what_follows() -> None:
    said = words("it was the best of times and the worst")
    doubtful = [*said[:2], replace(said[2], probability=0.4), *said[3:]]
    text = GrowingText()
    for count in (4, 5, 5):  # up to 0.8 s more
        text.hear(doubtful[:count], until_ns=9 * S)
    assert text_of(text.told) == "it was"
    text.hear(doubtful[:6], until_ns=9 * S)
    assert text_of(text.told) == "it was the best of"


def test_an_utterance_does_not_begin_with_a_doubtful_word() -> None:
    invented = [replace(word, probability=0.4) for word in words("i love you so much indeed")]
    text = GrowingText()
    for _ in range(4):
        assert not text.hear(invented, until_ns=9 * S)


def test_a_refrain_waits_until_something_else_is_said() -> None:
    refrain = "and so it goes "
    text = GrowingText()
    for count in (2, 2, 3):
        assert not text.hear(words(refrain * count), until_ns=9 * S)
    assert text.hear(words(refrain * 2 + "round and"), until_ns=9 * S)
    assert text.finish(words(refrain * 2 + "round")) == tuple(words(refrain * 2 + "round"))
    urgent = GrowingText()
    for _ in range(2):
        urgent.hear(words("help me help me"), until_ns=9 * S, urgent={"help"})
    assert text_of(urgent.told) == "help me help"


def test_told_words_take_the_newest_punctuation() -> None:
    text = GrowingText()
    text.hear(words("Fall."))
    text.hear(words("Fall, then"), until_ns=9 * S)
    assert text_of(text.told) == "Fall,"


def test_in_a_pause_all_words_are_whole() -> None:
    text = GrowingText()
    assert text.hear(words("Stop the robot."))
    assert text_of(text.told) == "Stop the robot."


@pytest.mark.parametrize("heard", ["Stop!", "stopp", "Stob"])
def test_an_urgent_word_does_not_wait(heard: str) -> None:
    text = GrowingText()
    text.hear(words(heard), until_ns=0, urgent={"stop"})
    assert text.told == ()
    assert text.hear(words(heard), until_ns=0, urgent={"stop"})
    assert text_of(text.told) == heard


def test_a_word_that_comes_back_changed_is_neither_lost_nor_doubled() -> None:
    told = words("ask not what you")
    heard = words("ask not what your country can")
    assert continuation(told, heard) == 4
    # One word was told too many: the one after it is still new.
    assert continuation(words("epoch of the"), words("epoch of incredulity it was")) == 2


def test_the_same_words_at_another_time_are_new() -> None:
    assert continuation(words("try again"), words("try again", start_s=3.0)) == 0
    said_twice = words("try again") + words("try again", start_s=3.0)
    assert continuation(words("try again"), said_twice) == 2


def test_the_final_text_keeps_what_was_told_and_mends_its_punctuation() -> None:
    text = GrowingText()
    text.hear(words("stop the robot"))
    final = text.finish(words("Stop the robot, somebody fell."))
    assert text_of(final) == "Stop the robot, somebody fell."
    text = GrowingText()
    text.hear(words("stop a robot"))
    assert text_of(text.finish(words("Stop the robot now"))) == "stop a robot now"
    assert text_of(text.finish([])) == "stop a robot"


SENTENCE = "a long way from here to there and then back again over the hill to the old mill"
SAID = tuple(SENTENCE.split())


@given(st.lists(st.integers(1, len(SAID)), min_size=1, max_size=12), st.data())
def test_what_was_told_is_never_taken_back(ends: list[int], data: st.DataObject) -> None:
    said = words(" ".join(SAID))
    text = GrowingText()
    for end in sorted(ends):
        heard = list(said[:end])
        if data.draw(st.booleans()):  # the last word is cut off, and misheard
            last = heard.pop()
            heard.append(SpokenWord("hm", last.start_ns, last.end_ns, 0.2))
        before = text.told
        text.hear(heard, until_ns=heard[-1].end_ns - S // 5)
        assert text.told[: len(before)] == before
    final = text.finish(said)
    assert [word.text for word in final] == list(SAID)
    assert agreed(text.told, final) == len(text.told)
