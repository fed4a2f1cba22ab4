"""Questions after the wake phrase."""

from __future__ import annotations

import pytest

from edge_mm_ros.datatypes import Transcript
from edge_mm_ros.pipelines.transcription import WakePhrase

S = 1_000_000_000


def said(text: str, at_s: float = 0.0, final: bool = True) -> Transcript:
    return Transcript(text, round(at_s * S), round((at_s + 1) * S), 0.9, "en", final, "ear")


def ask(listener: WakePhrase, transcript: Transcript, phrase: str = "hey robot") -> str:
    return listener.question(transcript, phrase, 6.0)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Hey robot, what happened near the press?", "what happened near the press?"),
        ("Well, hey robbot what happened?", "what happened?"),
        ("What happened near the press?", ""),
        ("A robot, hey, what is it?", ""),
        ("Hey, Robot!", ""),
    ],
)
def test_what_follows_the_phrase_is_the_question(text: str, question: str) -> None:
    assert ask(WakePhrase(), said(text)) == question


def test_after_the_bare_phrase_the_next_utterance_is_the_question() -> None:
    listener = WakePhrase()
    assert ask(listener, said("Hey robot!")) == ""
    assert ask(listener, said("Who fell?", at_s=4)) == "Who fell?"
    assert ask(listener, said("And who else?", at_s=8)) == ""


def test_a_question_that_comes_too_late_is_none() -> None:
    listener = WakePhrase()
    ask(listener, said("Hey robot!"))
    assert ask(listener, said("Who fell?", at_s=7.5)) == ""


def test_hypotheses_and_robots_without_a_phrase_ask_nothing() -> None:
    assert ask(WakePhrase(), said("Hey robot, who", final=False)) == ""
    assert ask(WakePhrase(), said("Hey robot, who fell?"), phrase="") == ""
