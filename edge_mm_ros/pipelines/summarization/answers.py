"""Deterministic answers to questions about what happened and what was said."""

from __future__ import annotations

import re
from dataclasses import replace

from edge_mm_ros.datatypes import InvalidInput, SafetyLevel
from edge_mm_ros.pipelines.summarization.facts import (
    event_sentences,
    number_of_events,
    speech_sentence,
)
from edge_mm_ros.pipelines.summarization.grounding import ungrounded
from edge_mm_ros.pipelines.summarization.lexicon import FREE_STEMS, NUMBER_WORDS, with_synonyms
from edge_mm_ros.pipelines.summarization.plain_text import one_line, stem, stems, tokens
from edge_mm_ros.pipelines.summarization.question_time import AskedTime, asked_time
from edge_mm_ros.pipelines.summarization.record import EventWindow, Incident
from edge_mm_ros.pipelines.summarization.times import Times

NO_RECORD = "I have no record of that."
UNPROVEN = (
    "There is a record of that, but my words for it did not pass their check; "
    "please read safety/events."
)
MAX_QUESTION_CHARS = 1_000
_LATIN = re.compile(r"[A-Za-z]")

_SPEECH = with_synonyms(stems("said"))
_DANGER = with_synonyms(stems("danger"))
_EVERYTHING = _DANGER | stems("happen happened events incidents summary report status record going")
_PLACING = stems("near by beside close next inside within")
_COUNTING = stems("many often")
_ASKING = stems(
    "what who whom whose which why how much long often far are do does did can could you please "
    "tell me describe list give anybody anyone anything everything ever just now recently not it "
    "i was were something people person persons somebody someone the robot there any "
    "yet so place time"
)


def answer(question: str, record: EventWindow, now_ns: int) -> str:
    """What the record holds on a question.

    A condition answers where every content word of the question is about it: its rule, kind, zone,
    class, track, sensor, level or message, and where it held at the time that is asked about.
    Questions after words quote what was heard. The answer passes the same check as a summary:
    what is in no event is not told, and no danger that was found is left out.

    Args:
        question: one question in English.
        record: everything that is remembered.
        now_ns: the time at which it is asked; times are told relative to it.

    Raises:
        InvalidInput: the question is empty, over 1000 characters long, or not in Latin script
            while none of its words is in the record.
    """
    text = _checked(question)
    times = Times("ago", now_ns)
    time = asked_time(text.casefold(), now_ns)
    asked = frozenset(_word(token) for token, _, _ in tokens(time.rest))
    content = asked - FREE_STEMS - _ASKING - _EVERYTHING
    if content - _PLACING:
        content -= _PLACING
    record = _within(record, time, now_ns)
    if content & _SPEECH:
        wanted = content - _SPEECH
        said = tuple(heard for heard in record.transcripts if wanted <= stems(heard.text))
        quoted = " ".join(heard.text for heard in said).casefold()
        words = tuple(
            incident
            for incident in record.incidents
            if incident.word
            and wanted <= stems(incident.word)
            and incident.word.casefold() not in quoted
        )
        return _told(replace(record, incidents=words, transcripts=said), asked, times)
    if not content and not asked & _EVERYTHING and time.rest == text.casefold():
        return NO_RECORD
    only_danger = bool(asked & _DANGER)
    found = tuple(
        incident
        for incident in record.incidents
        if content <= _searchable(incident)
        and (incident.level is SafetyLevel.DANGER or not only_danger)
    )
    if not found and content and not _LATIN.search(text):
        raise InvalidInput(
            "script", "the question has no word in Latin script; please ask in English"
        )
    said = () if content or only_danger or time.only_now else record.transcripts
    return _told(replace(record, incidents=found, transcripts=said), asked, times)


def _checked(question: str) -> str:
    # A question of any length is cut before anything looks at each of its characters.
    text = one_line(question[: MAX_QUESTION_CHARS + 1])
    if len(question) > MAX_QUESTION_CHARS:
        raise InvalidInput(
            "too_long",
            f"the question has {len(question)} characters; at most {MAX_QUESTION_CHARS} are read",
        )
    if not text:
        raise InvalidInput("empty", "the question is empty")
    return text


def _within(record: EventWindow, time: AskedTime, now_ns: int) -> EventWindow:
    """What of a record held, or was said, at the time that is asked about."""
    begin_ns, end_ns = time.begin_ns, time.end_ns

    def inside(first_ns: int, last_ns: int) -> bool:
        return (end_ns is None or first_ns <= end_ns) and (begin_ns is None or last_ns >= begin_ns)

    return replace(
        record,
        incidents=tuple(
            i
            for i in record.incidents
            if inside(i.started_ns, now_ns if i.ended_ns is None else i.ended_ns)
            and not (time.only_now and i.ended_ns is not None)
        ),
        transcripts=tuple(t for t in record.transcripts if inside(t.start_ns, t.end_ns)),
    )


def _told(found: EventWindow, asked: frozenset[str], times: Times) -> str:
    sentences = event_sentences(found.incidents, found.start_ns, times)
    if asked & _COUNTING and sentences:
        sentences.insert(0, number_of_events(found))
    sentences.append(speech_sentence(found.transcripts, times))
    text = " ".join(sentence for sentence in sentences if sentence)
    if not text:
        return NO_RECORD
    return UNPROVEN if ungrounded(text, found, times) else text


def _word(token: str) -> str:
    """A word's stem, a number in digits."""
    if token in NUMBER_WORDS:
        return f"{NUMBER_WORDS[token]:g}"
    return token if token[0].isdecimal() else stem(token)


def _searchable(incident: Incident) -> frozenset[str]:
    """Everything by which one may ask for an incident."""
    text = " ".join(
        (
            incident.rule,
            incident.kind,
            incident.label,
            incident.sensor,
            incident.message,
            incident.word,
            incident.level.value,
            f"track {incident.track_id}" if incident.track_id else "",
        )
    )
    return with_synonyms(frozenset(_word(token) for token, _, _ in tokens(text.casefold())))
