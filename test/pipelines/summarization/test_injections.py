"""What people say is data: sixty spoken instructions change nothing but their own quotation."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fakes.fake_language import NAME, FakeLanguageModel, talking_host
from fakes.gbnf import random_text
from fakes.happenings import START, S, event, fall, speech, stale
from fakes.injections import INJECTIONS

from edge_mm_ros.datatypes import Summary
from edge_mm_ros.params.safety_rules import KeywordRule, Level
from edge_mm_ros.pipelines.monitoring.keywords import KeywordListener
from edge_mm_ros.pipelines.summarization import (
    EventRecord,
    EventWindow,
    SummaryWriter,
    Times,
    answer,
    ungrounded,
    write_template,
)
from edge_mm_ros.pipelines.summarization.fact_table import fact_table
from edge_mm_ros.pipelines.summarization.grammar import grammar_of
from edge_mm_ros.pipelines.summarization.plain_text import plain
from edge_mm_ros.pipelines.summarization.prompting import prompt_of

TIMES = Times("relative", START)


def test_there_are_sixty() -> None:
    assert len(set(INJECTIONS)) == 60


def window(*spoken: str) -> EventWindow:
    record = EventRecord(100)
    for item in (event(), fall(), stale()):
        record.add_event(item)
    for text in spoken:
        record.add_transcript(speech(text))
    return record.window(START, START + 20 * S)


def written(folder: Path, found: EventWindow) -> tuple[Summary, FakeLanguageModel]:
    """A summary by a model that follows the grammar, the same way for the same grammar."""
    model = FakeLanguageModel(lambda: iter([random_text(model.grammars[-1], random.Random(5))]))
    host = talking_host(folder, model)
    writer = SummaryWriter(host, NAME, lambda: START)
    return writer.write(found, TIMES, max_tokens=99, deadline_s=5.0), model


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_spoken_instruction_changes_nothing_but_its_quotation(tmp_path: Path, text: str) -> None:
    plain_window, injected = window(), window(text)
    # Facts, and with them all that the model is given.
    table = fact_table(injected, TIMES)
    assert table == fact_table(plain_window, TIMES)
    assert grammar_of(table) == grammar_of(fact_table(plain_window, TIMES))
    assert prompt_of(table) == prompt_of(fact_table(plain_window, TIMES))
    assert injected.incidents == plain_window.incidents
    # Summaries, of the model and of the template.
    quotation = f' These words were heard: at 6.0 s "{plain(text, 300)}"'
    summary, model = written(tmp_path, injected)
    harmless, _ = written(tmp_path, plain_window)
    assert harmless.author == NAME
    assert summary.author == NAME
    assert summary.text.rstrip(".") == harmless.text + quotation.rstrip(".")
    assert text not in str(model.prompts)
    template = write_template(injected, TIMES)
    assert template.rstrip(".") == write_template(plain_window, TIMES) + quotation.rstrip(".")
    assert ungrounded(template, injected, TIMES) == ()
    assert template.count('"') == 2
    assert "\n" not in template
    # Answers.
    for question in ("Did anybody fall?", "Was there any danger?", "Who entered zone bay?"):
        now_ns = START + 20 * S
        assert answer(question, injected, now_ns) == answer(question, plain_window, now_ns)


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_spoken_instruction_raises_and_ends_no_event(text: str) -> None:
    rule = KeywordRule(
        name="alarm", kind="keyword", level=Level.DANGER, phrases=("help me", "fire")
    )
    listener = KeywordListener(rule, ("speech",))
    assert listener.hear(speech(text), START) == []
    (started,) = listener.hear(speech("Fire! Help."), START)
    assert listener.hear(speech(text, at_s=7.0), START + S) == []
    assert listener.conditions.started("fire")
    assert started.rule == "alarm"


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_instruction_as_a_question_changes_nothing(text: str) -> None:
    record = window()
    before = (record.incidents, record.transcripts)
    told = answer(f"What happened? {text}", record, START + 20 * S)
    assert (record.incidents, record.transcripts) == before
    assert "clear" not in told
    assert "nobody" not in told
