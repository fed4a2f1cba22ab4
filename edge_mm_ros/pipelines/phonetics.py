"""Words that sound alike, by their letters.

A recogniser writes "Stob!" or "stopp" for a spoken "stop", never a word that begins or ends with
quite another sound. A word's key keeps the order of its consonants, where those that differ by
voice alone (b and p, d and t) are one, and the class of each vowel: other than the keys of
Soundex and Metaphone it tells "step" from "stop". The letters are read as in English, roughly;
other alphabets are compared as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_SPELLINGS: Sequence[tuple[str, str]] = (
    ("tch", "C"),
    ("sch", "C"),
    ("ch", "C"),
    ("sh", "C"),
    ("ph", "f"),
    ("gh", ""),
    ("wh", "w"),
    ("ck", "k"),
    ("c", "k"),
    ("qu", "kw"),
    ("kn", "n"),
    ("wr", "r"),
    ("mb", "m"),
    ("th", "d"),
    ("dg", "C"),
    ("x", "ks"),
    ("q", "k"),
    ("z", "s"),
    ("j", "C"),
    ("b", "p"),
    ("v", "f"),
    ("d", "t"),
    ("g", "k"),
    ("ee", "i"),
    ("ea", "i"),
    ("ie", "i"),
    ("oo", "u"),
    ("ou", "u"),
    ("ow", "o"),
    ("oa", "o"),
    ("au", "o"),
    ("aw", "o"),
    ("ai", "e"),
    ("ay", "e"),
    ("ei", "e"),
    ("y", "i"),
)
# A short word has too few sounds to be told by them from others.
_MIN_LETTERS = 4


def sounds_of(word: str) -> str:
    """The key of a word in lower case: words with the same one sound alike."""
    letters = unicodedata.normalize("NFKD", word)
    letters = "".join(c for c in letters if c.isalnum() and not unicodedata.combining(c))
    if not letters.isascii():
        return word
    letters = re.sub(r"c(?=[eiy])", "s", letters)
    for spelling, sound in _SPELLINGS:
        letters = letters.replace(spelling, sound)
    letters = re.sub(r"(.)\1+", r"\1", letters)
    return re.sub(r"(?<=[^aeiou])e$", "", letters)


def alike(heard: str, wanted: str) -> bool:
    """Whether a word that was heard may be the wanted one; both in lower case."""
    if heard == wanted:
        return True
    if min(len(heard), len(wanted)) < _MIN_LETTERS:
        return False
    return sounds_of(heard) == sounds_of(wanted)


def find_phrase(heard: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where a phrase, or what sounds alike, begins in a text, word by word; None: nowhere."""
    for begin in range(len(heard) - len(wanted) + 1):
        if all(alike(one, other) for one, other in zip(heard[begin:], wanted)):
            return begin
    return None
