"""Decoding by llama.cpp under a finite grammar: the model is asked only where there is a choice."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from edge_mm_ros.backends.finite_grammar import Derivation, FiniteGrammar
from edge_mm_ros.backends.llama_cpp_prompt import PART_TOKENS


def write_by_choices(
    engine: Any,
    llama: Any,
    grammar: FiniteGrammar,
    *,
    max_tokens: int,
    temperature: float,
    seed: int,
) -> Iterator[str]:
    """Pieces of an answer to what `llama` has read so far, one for each token.

    An empty piece comes after each part of the answer that was read again.

    Args:
        engine: the package ``llama_cpp``.
        llama: its loaded model; it has evaluated the prompt.
        grammar: what the answer follows.
        max_tokens: length at most; a longer answer is cut off.
        temperature: of the choice; 0: always the most probable token.
        seed: of the choice.

    Raises:
        ValueError: the answer does not fit into the context.
    """
    rng = np.random.default_rng(seed)
    end = llama.token_eos()

    @cache
    def tokens_of(text: str) -> tuple[int, ...]:
        return tuple(llama.tokenize(text.encode(), add_bos=False, special=False))

    derivation = Derivation(grammar, tokens_of, end)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    unread: list[int] = []
    for _ in range(max_tokens):
        choices = derivation.choices()
        if len(choices) > 1:
            for _ in _read(llama, unread):
                yield ""
            unread.clear()
            token = choices[_chosen(engine, llama, choices, temperature, rng)]
        else:
            token = choices[0]
        if token == end:
            return
        derivation.take(token)
        unread.append(token)
        yield decoder.decode(llama.detokenize([token]))


def splits_text_exactly(llama: Any) -> bool:
    """Whether a text may be split into tokens part by part, as byte-level vocabularies allow."""
    return str(llama.metadata.get("tokenizer.ggml.model")) == "gpt2"


def _read(llama: Any, tokens: list[int]) -> Iterator[None]:
    if llama.n_tokens + len(tokens) >= llama.n_ctx():
        raise ValueError(f"the answer exceeds context window of {llama.n_ctx()}")
    for at in range(0, len(tokens), PART_TOKENS):
        llama.eval(tokens[at : at + PART_TOKENS])
        yield


def _chosen(
    engine: Any, llama: Any, choices: list[int], temperature: float, rng: np.random.Generator
) -> int:
    """Index of the token that the model prefers, or draws."""
    address = engine.llama_get_logits_ith(llama.ctx, -1)
    logits = np.ctypeslib.as_array(address, (llama.n_vocab(),))[choices].astype(np.float64)
    if temperature <= 0.0:
        return int(np.argmax(logits))
    weights = np.exp((logits - logits.max()) / temperature)
    return int(rng.choice(len(choices), p=weights / weights.sum()))
