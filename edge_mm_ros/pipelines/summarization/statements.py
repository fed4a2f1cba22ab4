"""What an event's message states: who, and what of it, without the measured values."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAST = {
    "is": "was",
    "are": "were",
    "was": "was",
    "were": "were",
    "has": "had",
    "have": "had",
    "lies": "lay",
    "lie": "lay",
}
_PLURAL = {"was": "were"}
_VERB = re.compile(rf"(?P<subject>.+?) (?P<verb>{'|'.join(_PAST)}) (?P<rest>.+)")
_MEASURED = re.compile(
    r",? \d+(?:\.\d+)? m away$|,? for \d+(?:\.\d+)? s now$|,? after \d+(?:\.\d+)? s$"
)
_OVER = (
    (re.compile(r" (is|are) no longer seen (?=in zone |nearer than )"), r" \1 "),
    (re.compile(r" (is|are) no longer seen(?= by camera |$)"), r" \1 seen"),
)


@dataclass(frozen=True)
class Statement:
    """A clause in the past tense.

    Attributes:
        subject: who or what, for example ``person 3``.
        verb: ``was``, ``were``, ``had`` or ``lay``; empty where the message is no such clause.
        rest: what follows, for example ``in zone 'bay'``.
    """

    subject: str
    verb: str
    rest: str

    @property
    def clause(self) -> str:
        """The whole."""
        return " ".join(part for part in (self.subject, self.verb, self.rest) if part)


def statement_of(message: str, label: str = "") -> Statement | None:
    """The statement of a message; None where it is no clause with a known verb.

    Args:
        message: one plain line without the final stop.
        label: class of the object concerned; a message that begins with it begins with a name.
    """
    text = without_measurements(message)
    found = _VERB.fullmatch(text)
    if found is None:
        return None
    subject = lowered(found["subject"], label)
    if subject and subject == label.lower() and not subject.startswith(("a ", "an ", "the ")):
        subject = f"{'an' if subject[0] in 'aeiou' else 'a'} {subject}"
    return Statement(subject, _PAST[found["verb"]], found["rest"])


def begun(message: str) -> str:
    """What the message of an end says of what has ended; empty where it does not say it."""
    text = without_measurements(message)
    for pattern, instead in _OVER:
        if pattern.search(text):
            return pattern.sub(instead, text, count=1)
    return ""


def without_measurements(message: str) -> str:
    """A message without a distance or a length of time at its end."""
    text = message
    while (shorter := _MEASURED.sub("", text)) != text:
        text = shorter
    return text


def lowered(text: str, label: str = "") -> str:
    """A text with a small first letter, unless it begins with a name.

    Args:
        text: it begins as a sentence does.
        label: a name that it may begin with.
    """
    # A sentence begins with a capital; a word that has more of them is a name.
    begin = text.partition(" ")[0]
    sentence = begin.isascii() and begin == begin.capitalize()
    if label and text.startswith(label):
        return text
    return text[:1].lower() + text[1:] if sentence else text


def plural_of(verb: str) -> str:
    """The verb for more than one subject."""
    return _PLURAL.get(verb, verb)
