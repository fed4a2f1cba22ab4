"""Random texts of a grammar in GBNF: literals, names, groups, alternatives and ``?``."""

from __future__ import annotations

import random
import re
from typing import Any

_TOKEN = re.compile(r'\s*(?:(?P<literal>"(?:[^"\\]|\\.)*")|(?P<name>[a-z]\w*)|(?P<mark>[()|?]))')


def random_text(grammar: str, rng: random.Random) -> str:
    """One text that the grammar allows, every choice by chance."""
    rules = {}
    for line in grammar.strip().splitlines():
        name, _, body = line.partition("::=")
        rules[name.strip()] = _parse(_tokens(body))
    return _derive(rules["root"], rules, rng)


def _tokens(body: str) -> list[tuple[str, str]]:
    found, at = [], 0
    body = body.rstrip()
    while at < len(body):
        match = _TOKEN.match(body, at)
        assert match is not None, f"not understood from: {body[at:]}"
        found.append((str(match.lastgroup), str(match[str(match.lastgroup)])))
        at = match.end()
    return found


def _parse(tokens: list[tuple[str, str]]) -> list[list[Any]]:
    """Alternatives, each a sequence; takes tokens up to the closing bracket."""
    alternatives: list[list[Any]] = [[]]
    while tokens:
        kind, text = tokens.pop(0)
        if text == ")" and kind == "mark":
            break
        if kind == "literal":
            alternatives[-1].append(re.sub(r"\\(.)", r"\1", text[1:-1]))
        elif kind == "name":
            alternatives[-1].append(("rule", text))
        elif text == "(":
            alternatives[-1].append(("group", _parse(tokens)))
        elif text == "?":
            alternatives[-1].append(("maybe", alternatives[-1].pop()))
        else:
            alternatives.append([])
    return alternatives


def _derive(alternatives: list[list[Any]], rules: dict[str, Any], rng: random.Random) -> str:
    return "".join(_element(each, rules, rng) for each in rng.choice(alternatives))


def _element(element: Any, rules: dict[str, Any], rng: random.Random) -> str:
    if isinstance(element, str):
        return element
    kind, inner = element
    if kind == "rule":
        return _derive(rules[inner], rules, rng)
    if kind == "group":
        return _derive(inner, rules, rng)
    return _element(inner, rules, rng) if rng.random() < 0.5 else ""
