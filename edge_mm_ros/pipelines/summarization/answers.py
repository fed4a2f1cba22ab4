"""Deterministic answers to questions about what happened and what was said."""

from __future__ import annotations

from edge_mm_ros.datatypes import InvalidInput, SafetyLevel
from edge_mm_ros.pipelines.summarization.facts import event_sentences, speech_sentence
from edge_mm_ros.pipelines.summarization.lexicon import FREE_STEMS, NUMBER_WORDS, with_synonyms
from edge_mm_ros.pipelines.summarization.plain_text import one_line, stem, stems, tokens
from edge_mm_ros.pipelines.summarization.record import EventWindow, Incident
from edge_mm_ros.pipelines.summarization.times import Times

NO_RECORD = "I have no record of that."
MAX_QUESTION_CHARS = 1_000

_SPEECH = with_synonyms(stems("said"))
_DANGER = with_synonyms(stems("danger"))
_EVERYTHING = _DANGER | stems("happen happened events incidents summary report status record going")
_ASKING = stems(
    "what who whom whose which why how much long often far are do does did can could you please "
    "tell me describe list give anybody anyone anything everything ever just now recently not it "
    "i was were something people person persons somebody someone the robot"
)


def answer(question: str, record: EventWindow, now_ns: int) -> str:
    """What the record holds on a question.

    A condition answers where every content word of the question is about it: its rule, kind,
    class, track, sensor, level or message. Questions after words quote what was heard.

    Args:
        question: one question in English.
        record: everything that is remembered.
        now_ns: the time at which it is asked; times are told relative to it.

    Raises:
        InvalidInput: the question is empty or over 1000 characters long.
    """
    text = one_line(question)
    if not text:
        raise InvalidInput("empty", "the question is empty")
    if len(text) > MAX_QUESTION_CHARS:
        raise InvalidInput(
            "too_long",
            f"the question has {len(text)} characters; at most {MAX_QUESTION_CHARS} are read",
        )
    times = Times("ago", now_ns)
    asked = frozenset(_word(token) for token, _, _ in tokens(text.casefold()))
    content = asked - FREE_STEMS - _ASKING - _EVERYTHING
    if content & _SPEECH:
        wanted = content - _SPEECH
        said = [heard for heard in record.transcripts if wanted <= stems(heard.text)]
        return speech_sentence(said, times) or NO_RECORD
    if not content and not asked & _EVERYTHING:
        return NO_RECORD
    only_danger = bool(asked & _DANGER)
    found = [
        incident
        for incident in record.incidents
        if content <= _searchable(incident)
        and (incident.level is SafetyLevel.DANGER or not only_danger)
    ]
    sentences = event_sentences(found, record.start_ns, times)
    if not content and not only_danger:
        sentences.append(speech_sentence(record.transcripts, times))
    return " ".join(sentence for sentence in sentences if sentence) or NO_RECORD


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
