"""Which tokens a grammar without repetition leaves to choose from."""

from __future__ import annotations

import random

import pytest
from fakes.gbnf import random_text
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.backends.finite_grammar import Derivation, FiniteGrammar, NotFinite

END = 0


def letters(text: str) -> tuple[int, ...]:
    """One token for each letter."""
    return tuple(ord(letter) for letter in text)


def derived(grammar: str, rng: random.Random) -> tuple[str, int]:
    """A text, every choice by chance, and how many choices there were."""
    derivation, text, choices = Derivation(FiniteGrammar(grammar), letters, END), "", 0
    while True:
        options = derivation.choices()
        choices += len(options) > 1
        token = rng.choice(options)
        if token == END:
            return text, choices
        derivation.take(token)
        text += chr(token)


def all_of(grammar: str) -> set[str]:
    return {derived(grammar, random.Random(seed))[0] for seed in range(200)}


@pytest.mark.parametrize(
    ("grammar", "texts"),
    [
        ('root ::= "ab"', {"ab"}),
        ('root ::= "a" ("b" | "c")?', {"a", "ab", "ac"}),
        ('root ::= "on" | "one" | "other"', {"on", "one", "other"}),
        ('root ::= x " " x\nx ::= "a" | "b"', {"a a", "a b", "b a", "b b"}),
        ('root ::= "a"? "a"? "b"', {"b", "ab", "aab"}),
        (r'root ::= "say \"a\\b\""', {'say "a\\b"'}),
        ('root ::= ("m" | "m off")? ("." | ",b")', {".", ",b", "m.", "m,b", "m off.", "m off,b"}),
    ],
)  # fmt: skip
def test_every_text_of_the_grammar_and_no_other_can_be_derived(
    grammar: str, texts: set[str]
) -> None:
    assert all_of(grammar) == texts


def test_what_is_forced_is_no_choice() -> None:
    text, choices = derived(
        'root ::= "a long beginning " ("x" | "y") " and an end"', random.Random(1)
    )
    assert len(text) > 20
    assert choices == 1


@pytest.mark.parametrize(
    "grammar",
    [
        "",
        "root ::= [a-z]+",
        'root ::= "a"*',
        'root ::= "a" root',
        'root ::= x\nx ::= y\ny ::= x',
        "root ::= missing",
        'root ::= ("a"',
        'root ::= "a")',
        "root ::= ?",
        'root ::= "a\\n"',
        'other ::= "a"',
        "nonsense",
    ],
)  # fmt: skip
def test_any_other_grammar_is_left_to_the_engine(grammar: str) -> None:
    with pytest.raises(NotFinite):
        FiniteGrammar(grammar)


@given(st.text(alphabet='ab"|()? :=\n', max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    try:
        grammar = FiniteGrammar(f"root ::= {text}")
    except NotFinite:
        return
    Derivation(grammar, letters, END).choices()


def accepts(grammar: str, text: str) -> bool:
    derivation = Derivation(FiniteGrammar(grammar), letters, END)
    for token in letters(text):
        if token not in derivation.choices():
            return False
        derivation.take(token)
    return END in derivation.choices()


@given(st.integers(0, 1000))
def test_it_reads_a_grammar_as_another_reader_does(seed: int) -> None:
    grammar = 'root ::= a (" " b)? "."\na ::= "x" | "xy" ("z" | "w")?\nb ::= ("p"? "q" | "r")'
    text = random_text(grammar, random.Random(seed))
    assert accepts(grammar, text)
    assert not accepts(grammar, f"{text}.")
    assert not accepts(grammar, text[:-1])
