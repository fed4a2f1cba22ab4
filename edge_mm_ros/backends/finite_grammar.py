"""Grammars in GBNF without repetition, and the tokens that they leave to choose from.

Most of a text under such a grammar is forced. A decoder that knows this asks the model only where
there is a choice and reads what lies between in batches, as it reads a prompt (jump-forward
decoding, L. Zheng and others, "SGLang: Efficient Execution of Structured Language Model Programs",
2024).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

_TOKEN = re.compile(
    r'\s*(?:(?P<literal>"(?:[^"\\]|\\["\\])*")|(?P<name>[A-Za-z]\w*)|(?P<mark>[()|?]))'
)
_RULE = re.compile(r"(?P<name>[A-Za-z]\w*)\s*::=(?P<body>.*)")
_ROOT = "root"
_MAX_DEPTH = 50


class NotFinite(Exception):
    """A grammar has what is not read here: repetition, classes of characters, recursion."""


@dataclass(frozen=True)
class _Text:
    text: str


@dataclass(frozen=True)
class _Sequence:
    parts: tuple[_Node, ...]


@dataclass(frozen=True)
class _Choice:
    options: tuple[_Node, ...]


_Node: TypeAlias = "_Text | _Sequence | _Choice"
# What is still to be derived: a node, and what comes after it.
_Stack: TypeAlias = "tuple[_Node, _Stack] | None"


class FiniteGrammar:
    """A grammar that was read.

    Args:
        source: GBNF: one rule a line, of literals, names, groups, alternatives and ``?``.

    Raises:
        NotFinite: it is another one.
    """

    def __init__(self, source: str) -> None:
        bodies: dict[str, str] = {}
        for line in source.strip().splitlines():
            found = _RULE.fullmatch(line.strip())
            if found is None:
                raise NotFinite(f"not a rule: {line:.80}")
            bodies[found["name"]] = found["body"].rstrip()
        self._nodes: dict[str, _Node] = {}
        self._root = self._rule(_ROOT, bodies, 0)

    def begin(self) -> _Stack:
        """Where a derivation begins."""
        return (self._root, None)

    def _rule(self, name: str, bodies: Mapping[str, str], depth: int) -> _Node:
        if name not in self._nodes:
            if name not in bodies or depth > _MAX_DEPTH:
                raise NotFinite(f"rule {name} is missing or refers to itself")
            tokens = _tokens(bodies[name])
            self._nodes[name] = self._alternatives(tokens, bodies, depth + 1)
            if tokens:
                raise NotFinite(f"rule {name} has a bracket too many")
        return self._nodes[name]

    def _alternatives(
        self, tokens: list[tuple[str, str]], bodies: Mapping[str, str], depth: int
    ) -> _Node:
        """Takes tokens up to the bracket that closes; that stays."""
        options: list[list[_Node]] = [[]]
        while tokens and tokens[0] != ("mark", ")"):
            kind, text = tokens.pop(0)
            if kind == "literal":
                options[-1].append(_Text(re.sub(r"\\(.)", r"\1", text[1:-1])))
            elif kind == "name":
                options[-1].append(self._rule(text, bodies, depth))
            elif text == "(":
                options[-1].append(self._alternatives(tokens, bodies, depth))
                if not tokens:
                    raise NotFinite("a bracket is not closed")
                tokens.pop(0)
            elif text == "|":
                options.append([])
            elif options[-1]:
                options[-1].append(_Choice((options[-1].pop(), _Text(""))))
            else:
                raise NotFinite("a question mark has nothing before it")
        sequences: tuple[_Node, ...] = tuple(_Sequence(tuple(option)) for option in options)
        return sequences[0] if len(sequences) == 1 else _Choice(sequences)


class Derivation:
    """A text that grows token by token, and which tokens may come next.

    Args:
        grammar: what it follows.
        tokens_of: splits a literal into tokens.
        end: the token that ends a text.
    """

    def __init__(
        self, grammar: FiniteGrammar, tokens_of: Callable[[str], tuple[int, ...]], end: int
    ) -> None:
        self._tokens_of = tokens_of
        self._end = end
        self._threads = self._expanded([((), grammar.begin())])

    def choices(self) -> list[int]:
        """The tokens that may come next, in ascending order."""
        return sorted({tokens[0] for tokens, _ in self._threads})

    def take(self, token: int) -> None:
        """Go on with one of them."""
        kept = [(tokens[1:], rest) for tokens, rest in self._threads if tokens[0] == token]
        self._threads = self._expanded(kept)

    def _expanded(
        self, threads: list[tuple[tuple[int, ...], _Stack]]
    ) -> list[tuple[tuple[int, ...], _Stack]]:
        """The same, each with its next token known."""
        found = []
        for tokens, rest in threads:
            if tokens:
                found.append((tokens, rest))
                continue
            for text, after in _leads(rest):
                found.append((self._tokens_of(text) if text else (self._end,), after))
        return found


def _leads(stack: _Stack) -> list[tuple[str, _Stack]]:
    """Each way on: the text up to the next choice, or none at the end, and what comes after."""
    found: list[tuple[str, _Stack]] = []
    work: list[tuple[str, _Stack]] = [("", stack)]
    while work:
        text, rest = work.pop()
        while rest is not None and not isinstance(rest[0], _Choice):
            node, rest = rest
            if isinstance(node, _Text):
                text += node.text
            else:
                assert isinstance(node, _Sequence)
                for part in reversed(node.parts):
                    rest = (part, rest)
        if text or rest is None:
            found.append((text, rest))
            continue
        choice, after = rest
        assert isinstance(choice, _Choice)
        work += [("", (option, after)) for option in reversed(choice.options)]
    return found


def _tokens(body: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(body):
        match = _TOKEN.match(body, at)
        if match is None:
            raise NotFinite(f"not read from: {body[at : at + 40]}")
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return found
