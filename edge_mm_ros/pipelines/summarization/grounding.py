"""Checks that a summary names only what is in the events.

A lexical check, clause by clause: all numbers, names and content words of a clause must come from
one and the same kind of event, quoted speech must be verbatim, and no dangerous event may be left
out. It cannot tell whether the true words of one clause stand in a true order; the template's
sentences always are true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from edge_mm_ros.datatypes import SafetyLevel
from edge_mm_ros.pipelines.summarization.fact_table import Fact, fact_of
from edge_mm_ros.pipelines.summarization.facts import (
    NO_EVENT,
    QUOTE_CHARS,
    Group,
    group_sentence,
    grouped,
    more_events,
    overview,
    remainder,
    speech_sentence,
    split_by_weight,
    worst,
)
from edge_mm_ros.pipelines.summarization.lexicon import (
    FREE_STEMS,
    NEGATIONS,
    NUMBER_WORDS,
    PERSON_STEMS,
    with_synonyms,
)
from edge_mm_ros.pipelines.summarization.plain_text import (
    numbers,
    one_line,
    plain,
    stem,
    stems,
    tokens,
)
from edge_mm_ros.pipelines.summarization.record import EventWindow, Incident
from edge_mm_ros.pipelines.summarization.times import Times

_QUOTED = re.compile(r'"([^"]*)"')
_MAX_ALIKE = 8
_MAX_READ = 50  # incidents of one group whose own figures a text may give
_BETWEEN_CLAUSES = re.compile(r"[.;:!?](?=\s|$)|\s(?:and|while|then|but)\s")
_SPEECH_FRAME = stems("besides earlier utterances these words were heard said")

Token = tuple[str, int, int]
Span = tuple[int, int]


@dataclass(frozen=True)
class _Source:
    """What a clause may draw on.

    Attributes:
        spans: where its names and sentences stand word for word in the text.
        numbers: its numbers.
        stems: the stems of its words.
    """

    spans: tuple[Span, ...]
    numbers: frozenset[float]
    stems: frozenset[str]

    def fault(self, token: Token) -> str:
        """Why a word or number is not from here; empty where it is."""
        text, begin, end = token
        if any(first <= begin and end <= last for first, last in self.spans):
            return ""
        if text[0].isdecimal() or text in NUMBER_WORDS:
            value = NUMBER_WORDS[text] if text in NUMBER_WORDS else float(text)
            return "" if value in self.numbers else f"the number {text}"
        if text in NEGATIONS:
            return f"it denies or plays down with '{text}'"
        known = stem(text) in FREE_STEMS or stem(text) in self.stems
        return "" if known else f"'{text}'"


def ungrounded(text: str, window: EventWindow, times: Times) -> tuple[str, ...]:
    """What in a text is not in the events of a window; empty where the text is grounded.

    Args:
        text: the summary.
        window: the events that it tells of.
        times: how it tells times.

    Returns:
        one line for each fault.
    """
    folded = one_line(text).casefold()
    faults = [] if folded else ["it is empty"]
    if folded.count('"') % 2:
        faults.append("a quotation has no end")
    quotes = list(_QUOTED.finditer(folded))
    faults += [
        f'nobody said "{quote.group(1)}"'
        for quote in quotes
        if not _was_said(quote.group(1), window)
    ]
    groups = grouped(window.incidents)
    facts = [fact_of("", group, window, times) for group in groups]
    sources = _sources(folded, groups, facts, window, times, tuple(q.span() for q in quotes))
    for clause in _clauses(folded):
        faults += _faults_of_clause(clause, sources)
    faults += [
        f"it leaves out the danger '{group[0].rule or group[0].message}'"
        for group, fact in zip(groups, facts)
        if worst(group) is SafetyLevel.DANGER
        and not _occurrences(folded, [fact.clause])
        and not _mentions(folded, group, groups)
    ]
    return tuple(dict.fromkeys(faults))


def _clauses(folded: str) -> list[list[Token]]:
    """The words and numbers of each clause."""
    ends = [match.start() for match in _BETWEEN_CLAUSES.finditer(folded)] + [len(folded)]
    clauses: list[list[Token]] = [[] for _ in ends]
    index = 0
    for token in tokens(folded):
        while token[1] >= ends[index]:
            index += 1
        clauses[index].append(token)
    return clauses


def _faults_of_clause(clause: Sequence[Token], sources: Sequence[_Source]) -> list[str]:
    """Nothing where one source has it all, else what no source has, else that they are mixed."""
    if any(not any(map(source.fault, clause)) for source in sources):
        return []
    by_source = [[source.fault(token) for token in clause] for source in sources]
    nowhere = [faults[0] for faults in zip(*by_source) if all(faults)]
    if nowhere:
        return [f if f.startswith("it ") else f"{f} is in no event" for f in nowhere]
    text = " ".join(token for token, _, _ in clause)
    return [f"no single event has all of '{text}'"]


def _sources(
    folded: str,
    groups: Sequence[Group],
    facts: Sequence[Fact],
    window: EventWindow,
    times: Times,
    quotes: tuple[Span, ...],
) -> list[_Source]:
    """One for each group of events, one for the whole, one for the speech."""
    found = []
    for whole, fact in zip(groups, facts):
        group = whole[:_MAX_READ]
        told = [group_sentence(part, window.start_ns, times) for part in (whole, *zip(group))]
        names = " ".join(f"{i.rule} {i.label} {i.sensor} {i.track_id}" for i in group)
        names += " ".join((" ", *(s for i in group for s in (*i.sensors, *i.silent))))
        found.append(
            _Source(
                (
                    *quotes,
                    *_occurrences(folded, [*_names(group), fact.subject, fact.predicate]),
                ),
                _numbers([*told, names, fact.subject, fact.figures]),
                with_synonyms(frozenset[str]().union(*(_words_of(incident) for incident in group))),
            )
        )
    more = remainder(split_by_weight(groups)[1])
    heard = " ".join(transcript.text for transcript in window.transcripts).casefold()
    untold = _untold(
        folded,
        [
            (fact.clause, len(group))
            for group, fact in zip(groups, facts)
            if not (group[0].word and group[0].word.casefold() in heard)
        ],
    )
    levels = " ".join(incident.level.value for incident in window.incidents)
    denial = () if window.incidents else tuple(_occurrences(folded, [NO_EVENT]))
    found.append(
        _Source(
            (*quotes, *denial, *_occurrences(folded, [more] if more else [])),
            _numbers([overview(window, times), more, *map(more_events, untold)]),
            with_synonyms(stems(levels)),
        )
    )
    speech = speech_sentence(window.transcripts, times)
    if speech:
        found.append(_Source(quotes, _numbers([speech]), _SPEECH_FRAME))
    return found


def _untold(folded: str, clauses: Sequence[tuple[str, int]]) -> frozenset[int]:
    """How many events a text may say that there were more.

    Events of different rules may be told in the same words; then it is any of them that is told.

    Args:
        folded: the text.
        clauses: what each kind of event is told as, and how many events it is.
    """
    alike: dict[str, list[int]] = {}
    for clause, count in clauses:
        alike.setdefault(clause, []).append(count)
    found = {0}
    for clause, counts in alike.items():
        left = max(0, len(counts) - len(_occurrences(folded, [clause])))
        if len(counts) > _MAX_ALIKE:
            sums = {sum(sorted(counts)[:left])}
        else:
            sums = {sum(chosen) for chosen in combinations(counts, left)}
        found = {before + more for before in found for more in sums}
    return frozenset(found)


def _numbers(facts: Iterable[str]) -> frozenset[float]:
    """The numbers outside of quotations, and whole ones that come of rounding them."""
    exact = numbers(" ".join(_QUOTED.sub(" ", fact) for fact in facts))
    return frozenset(exact) | {float(round(value)) for value in exact if math.isfinite(value)}


def _was_said(quote: str, window: EventWindow) -> bool:
    """Whether a quotation stands word for word in a transcript or is a spoken keyword."""
    wanted = quote.strip(" .,;:!?") or quote
    said = [plain(transcript.text, QUOTE_CHARS) for transcript in window.transcripts]
    said += [incident.word for incident in window.incidents if incident.word]
    return bool(quote) and any(_occurrences(text.casefold(), [wanted]) for text in said)


def _names(incidents: Iterable[Incident]) -> list[str]:
    """What may stand in a text word for word: sentences as they are, names as reports quote."""
    found: dict[str, None] = {}
    for incident in incidents:
        names = (
            *(incident.rule, incident.kind, incident.label, incident.sensor, incident.track_id),
            *(*incident.sensors, *incident.silent),
        )
        found |= {f"'{name}'": None for name in names if name}
        found[f"level {incident.level.value}"] = None
        if incident.message:
            found[incident.message] = None
    return list(found)


def _occurrences(folded: str, phrases: Iterable[str]) -> list[Span]:
    """Where phrases stand in a case-folded text as whole words, overlapping ones included."""
    spans = []
    for phrase in phrases:
        wanted = phrase.casefold()
        begin = folded.find(wanted)
        while begin >= 0:
            end = begin + len(wanted)
            if not (_joined(folded, begin) or _joined(folded, end)):
                spans.append((begin, end))
            begin = folded.find(wanted, begin + 1)
    return spans


def _joined(text: str, index: int) -> bool:
    """Whether a word goes on across this place."""
    return 0 < index < len(text) and text[index - 1].isalnum() and text[index].isalnum()


def _content(incident: Incident) -> frozenset[str]:
    """What an incident is about."""
    return stems(f"{incident.rule} {incident.kind} {incident.label} {incident.message}")


def _words_of(incident: Incident) -> frozenset[str]:
    """The stems that a clause about an incident may use."""
    more = [incident.sensor, *incident.sensors, incident.level.value]
    if incident.confidence is not None:
        more.append("confidence")
    if incident.silent:
        more.append("missed")
    if incident.track_id:
        more.append(f"track {incident.track_id}")
    if incident.nearest_m is not None:
        more.append("nearest")
    if incident.word:
        more.append("said")
    return _content(incident) | stems(" ".join(more))


def _mentions(folded: str, group: Group, others: Iterable[Group]) -> bool:
    """Whether a text tells of a group of incidents, and not only of others."""
    first = group[0]
    if first.word:
        return bool(_occurrences(folded, [first.word]))
    phrases = {f"'{first.rule}'"} if first.rule else set()
    phrases |= {incident.message for incident in group if incident.message}
    if _occurrences(folded, phrases):
        return True
    content = _about(group)
    own = content.difference(*(_about(other) for other in others if other is not group))
    told = with_synonyms(stems(folded) - FREE_STEMS)
    if own and not own & told:
        return False
    if not own and 2 * len(content & told) < len(content):
        return False
    # Somebody must be named, at least as a person.
    tracks = [incident.track_id for incident in group if incident.track_id]
    if not tracks and not content & PERSON_STEMS:
        return True
    return bool(content & PERSON_STEMS & told) or any(_is_named(folded, t) for t in tracks)


def _is_named(folded: str, track_id: str) -> bool:
    if track_id.isdecimal():  # 7 is not in 7.5
        return float(track_id) in numbers(folded)
    return bool(_occurrences(folded, [track_id]))


def _about(group: Group) -> frozenset[str]:
    return frozenset[str]().union(*(_content(incident) for incident in group)) - FREE_STEMS
