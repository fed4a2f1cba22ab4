"""The time that a question asks about."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.summarization.lexicon import NUMBER_WORDS

_TENS = {
    "a": 1.0,
    "an": 1.0,
    "couple": 2.0,
    "few": 3.0,
    "half an": 0.5,
    "half a": 0.5,
    "eleven": 11.0,
    "twelve": 12.0,
    "fifteen": 15.0,
    "twenty": 20.0,
    "thirty": 30.0,
    "forty": 40.0,
    "fifty": 50.0,
    "sixty": 60.0,
    "ninety": 90.0,
}
_NUMBERS = {**NUMBER_WORDS, **_TENS}
_UNIT_S = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86400}
_NUMBER = "|".join([r"\d{1,6}(?:\.\d{1,3})?", *sorted(_NUMBERS, key=len, reverse=True)])
_UNIT = "|".join(_UNIT_S)
_CLOCK = r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?(?: ?(am|pm|utc|o'?clock))?"
_LAST = re.compile(
    rf"\b(?:(?:in|during|within|over|for) )?(?:the )?(?:last|past)(?: ({_NUMBER}))? ({_UNIT})s?\b"
)
_AGO = re.compile(rf"\b(since|before|after|until)? ?({_NUMBER}) ({_UNIT})s? ago\b")
_BETWEEN = re.compile(rf"\b(?:between|from) {_CLOCK} (?:and|to|until) {_CLOCK}(?![\w.])")
_SINCE = re.compile(rf"\b(since|after|before|until|at|around) {_CLOCK}(?![\w.])")
_DAY = re.compile(r"\b(since )?(today|yesterday|this (?:morning|afternoon|evening)|last night)\b")
_NOW = re.compile(r"\b(?:right now|now|currently|at the moment|still|at present)\b")
_DAY_S = 86400
_PARTS_OF_DAY_H = {
    "today": (0, 24),
    "yesterday": (-24, 0),
    "this morning": (0, 12),
    "this afternoon": (12, 18),
    "this evening": (18, 24),
    "last night": (-6, 6),
}
_AROUND_S = 60


@dataclass(frozen=True)
class AskedTime:
    """A span of time, and what is left of the question.

    Attributes:
        begin_ns, end_ns: the span; None where it is open.
        only_now: whether it asks for what goes on.
        rest: the question without the words that told the time.
    """

    begin_ns: int | None
    end_ns: int | None
    only_now: bool
    rest: str


def asked_time(question: str, now_ns: int) -> AskedTime:
    """The time that a question asks about; clock times are UTC, of the last 24 hours.

    Args:
        question: in lower case.
        now_ns: when it is asked.
    """
    for pattern, span in (
        (_LAST, _of_last),
        (_AGO, _of_ago),
        (_BETWEEN, _of_between),
        (_SINCE, _of_since),
        (_DAY, _of_day),
    ):
        found = pattern.search(question)
        if found is not None and (times := span(found, now_ns)) is not None:
            rest = f"{question[: found.start()]} {question[found.end() :]}"
            return AskedTime(*times, False, rest)
    found = _NOW.search(question)
    if found is not None:
        rest = f"{question[: found.start()]} {question[found.end() :]}"
        return AskedTime(None, None, True, rest)
    return AskedTime(None, None, False, question)


Span = tuple[int | None, int | None]


def _of_last(found: re.Match[str], now_ns: int) -> Span:
    number = 1.0 if found[1] is None else _number(found[1])
    return now_ns - _ns(number * _UNIT_S[found[2]]), now_ns


def _of_ago(found: re.Match[str], now_ns: int) -> Span:
    length_s = _number(found[2]) * _UNIT_S[found[3]]
    moment_ns = now_ns - _ns(length_s)
    around_ns = _ns(max(1.0, 0.1 * length_s))
    return _relative(found[1] or "at", moment_ns, around_ns)


def _of_between(found: re.Match[str], now_ns: int) -> Span | None:
    begin_ns, end_ns = _clock(found.groups()[:4], now_ns), _clock(found.groups()[4:], now_ns)
    if begin_ns is None or end_ns is None:
        return None
    if end_ns < begin_ns:  # it began before midnight
        begin_ns -= _ns(_DAY_S)
    return begin_ns, end_ns


def _of_since(found: re.Match[str], now_ns: int) -> Span | None:
    if not any((found[3], found[5])) and found[1] in {"at", "around"}:
        return None  # "at 3" may be a distance
    moment_ns = _clock(found.groups()[1:], now_ns)
    if moment_ns is None:
        return None
    around_ns = _ns(5 * _AROUND_S if found[1] == "around" else _AROUND_S)
    return _relative(found[1], moment_ns, around_ns)


def _of_day(found: re.Match[str], now_ns: int) -> Span:
    midnight_ns = now_ns - now_ns % _ns(_DAY_S)
    first_h, last_h = _PARTS_OF_DAY_H[found[2]]
    begin_ns, end_ns = midnight_ns + _ns(3600 * first_h), midnight_ns + _ns(3600 * last_h)
    return begin_ns, None if found[1] else end_ns


def _relative(word: str, moment_ns: int, around_ns: int) -> Span:
    if word in {"since", "after"}:
        return moment_ns, None
    if word in {"before", "until"}:
        return None, moment_ns
    return moment_ns - around_ns, moment_ns + around_ns


def _clock(parts: tuple[str | None, ...], now_ns: int) -> int | None:
    """The newest such time of day that is not in the future."""
    hour, minute, second = (int(part or 0) for part in parts[:3])
    if parts[3] == "pm" and hour < 12:
        hour += 12
    if parts[3] == "am" and hour == 12:
        hour = 0
    try:
        at = datetime.time(hour, minute, second)
    except ValueError:
        return None
    midnight_ns = now_ns - now_ns % _ns(_DAY_S)
    moment_ns = midnight_ns + _ns(3600 * at.hour + 60 * at.minute + at.second)
    return moment_ns if moment_ns <= now_ns else moment_ns - _ns(_DAY_S)


def _number(text: str) -> float:
    return _NUMBERS[text] if text in _NUMBERS else float(text)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
