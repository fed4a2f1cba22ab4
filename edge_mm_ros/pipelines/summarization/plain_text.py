"""Foreign text made fit for one line of a report, and taken apart into words and numbers."""

from __future__ import annotations

import re
import unicodedata

_DOUBLE_QUOTES = '"“”„‟«»〝〞＂'
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")


def one_line(text: str) -> str:
    """A text without line breaks and control characters, its double quotation marks all ``"``."""
    kept = "".join(
        '"' if char in _DOUBLE_QUOTES else " " if unicodedata.category(char)[0] == "C" else char
        for char in text
    )
    return " ".join(kept.split())


def plain(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters that holds no double quotation mark.

    Those belong to the report, which quotes speech with them; in the text they become single.
    """
    return one_line(text).replace('"', "'")[:limit].strip()


def tokens(text: str) -> list[tuple[str, int, int]]:
    """Numbers and words of a text, each with its begin and end."""
    return [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def words(text: str) -> list[str]:
    """The words of a text, without numbers, in lower case."""
    return [token for token, _, _ in tokens(text.casefold()) if not token[0].isdecimal()]


def numbers(text: str) -> list[float]:
    """The numbers of a text."""
    return [float(token) for token, _, _ in tokens(text) if token[0].isdecimal()]


def stem(word: str) -> str:
    """A word without its common endings, so that its forms compare equal."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3:
        word = word.removesuffix("e")
    return word[:-1] if len(word) > 2 and word[-1] == word[-2] else word


def stems(text: str) -> frozenset[str]:
    """The stems of a text's words."""
    return frozenset(stem(word) for word in words(text))


def named(name: str) -> str:
    """A name as it stands in a report: in single quotation marks, a number without."""
    return name if name.isdecimal() else f"'{name}'"


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def capitalized(text: str) -> str:
    """A text with a capital first letter, as a sentence begins."""
    return text[:1].upper() + text[1:]
