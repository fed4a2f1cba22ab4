"""Texts of others made fit to be spoken; they stay data, whatever they say."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from edge_mm_ros.datatypes import InvalidInput

# What of a giant text is looked at, for each character that may be spoken.
_READ_AHEAD = 4
_JOINERS = "\u200c\u200d"  # invisible, but letters of some scripts hang on them
# Both programs take "[[...]]" for phonemes, and markup is noise when it is read out.
_MARKUP = str.maketrans("[{]}*_#`|\\~^<>", "(())          ")
_RUN = re.compile(r"(\S)\1{3,}")
_SENTENCE_END = re.compile(r"[.!?…。！？](?=[\"')”’]*\s)")
_LATIN = re.compile(r"[A-Za-z]")
_UNIT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) ?(m/s|km/h|km|cm|mm|m|s|ms|min|h|kg|°C|%)(?![\w/])")
_UNIT_NAMES = {
    "m/s": ("metre per second", "metres per second"),
    "km/h": ("kilometre per hour", "kilometres per hour"),
    "km": ("kilometre", "kilometres"),
    "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"),
    "m": ("metre", "metres"),
    "s": ("second", "seconds"),
    "ms": ("millisecond", "milliseconds"),
    "min": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "kg": ("kilogram", "kilograms"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "%": ("percent", "percent"),
}


@dataclass(frozen=True)
class Speakable:
    """A text fit to be spoken.

    Attributes:
        text: one line without control characters and markup.
        notices: what was done to it, or is odd about it, that somebody should know.
    """

    text: str
    notices: tuple[InvalidInput, ...] = ()


def speakable(text: str, max_characters: int, language: str = "en") -> Speakable:
    """A text as it is given to a voice.

    Control characters and markup go, runs of one character become short, and in English units
    are written out. A long text is cut after a sentence, else after a word.

    Args:
        text: anything.
        max_characters: of the result at most.
        language: of the voice (ISO 639-1, perhaps with a region).

    Raises:
        InvalidInput: of the kind ``empty`` or ``nothing_to_say``: there is no letter or digit.
    """
    if not text or text.isspace():
        raise InvalidInput("empty", "the text to be spoken is empty")
    english = language.partition("-")[0] == "en"
    line = _plain(text[: max_characters * _READ_AHEAD])
    if not any(char.isalnum() for char in line):
        raise InvalidInput("nothing_to_say", "the text to be spoken has no letter and no digit")
    if english:
        line = _UNIT.sub(_unit_in_words, line)
    notices = []
    cut = _cut(line, max_characters)
    if len(cut) < len(line) or len(text) > max_characters * _READ_AHEAD:
        notices.append(
            InvalidInput(
                "too_long",
                f"a text of {len(text)} characters is cut after {len(cut)} (max_characters)",
            )
        )
    if english and not _LATIN.search(cut) and any(char.isalpha() for char in cut):
        notices.append(
            InvalidInput(
                "script",
                f"a text without a Latin letter is spoken by a voice for '{language}', which may "
                "not read it; choose a voice of its language",
            )
        )
    return Speakable(cut, tuple(notices))


def _plain(text: str) -> str:
    kept = "".join(
        " " if unicodedata.category(char)[0] == "C" and char not in _JOINERS else char
        for char in unicodedata.normalize("NFC", text)
    )
    return _RUN.sub(r"\1\1\1", " ".join(kept.translate(_MARKUP).split()))


def _unit_in_words(match: re.Match[str]) -> str:
    number, unit = match.groups()
    one, many = _UNIT_NAMES[unit]
    return f"{number} {one if float(number) == 1.0 else many}"


def _cut(line: str, limit: int) -> str:
    if len(line) <= limit:
        return line
    head = line[: limit + 1]  # an end of sentence shows by the space after it
    ends = [match.end() for match in _SENTENCE_END.finditer(head)]
    if ends:
        return head[: ends[-1]]
    return head[:limit].rpartition(" ")[0] or head[:limit]
