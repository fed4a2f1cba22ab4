"""A second reader of summaries, which knows nothing of how they are written.

It reads any English text about an event log, sentence by sentence: a sentence is true where one
condition of the log, or all conditions of one rule that say the same, explain each of its numbers
in the role in which it stands, each of its names and each of its other words. It shares no code
with the summarizer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge_mm_ros.bench.language_logs import NS_PER_S, EventLog
from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel

_STOP = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'\u00c0-\u9fff])")
_SPEECH = re.compile(r"(?:Besides \d+ earlier utterances, these|These) words were heard: (.*)$")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+")
_WORD_NUMBERS = {
    word: number
    for number, word in enumerate(
        ("once", "twice", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=1
    )
} | {"both": 2}


def _all(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_PLAIN_WORDS = _all(
    "a about after again all also an and another any are as at away be became been before began",
    "begin both but by came confidence detected during each end ended ends event events",
    "everything first for from goes going had happened has have heard in incident incidents is it",
    "its kind last lasted lasting later least level long m max min more most near nearest next",
    "noted object observed occurred of on once only other others over people period person",
    "persons recorded report reported rule rules s safety said same second seconds seen sensor",
    "sensors since so some somebody someone started still that the their them then there these",
    "they this time times to total track tracks twice under until up utc was went were when where",
    "which while with within words",
)
_DENIALS = _all(
    "no not never none nobody nothing neither nor without cannot clear safe fine okay ok false",
    "normal harmless absent stopped avoided",
)
_SPAN = r"(\d+(?:\.\d+)?) s (?:to|and) (\d+(?:\.\d+)?) s"
_ROLES = (
    (re.compile(r"\bfrom before (\d+(?:\.\d+)?) s(?= to)", re.I), "origin"),
    (re.compile(r"\b(?:(?:since|from) )?before (\d+(?:\.\d+)?) s\b", re.I), "origin"),
    (re.compile(rf"\b(?:from|between) {_SPAN}\b", re.I), "span"),
    (re.compile(r"\bfrom (\d+(?:\.\d+)?) s on\b", re.I), "begin"),
    (re.compile(r"(?<= )to (\d+(?:\.\d+)?) s\b"), "last"),
    (re.compile(r"\bonce (each)\b", re.I), "each"),
    (re.compile(r"\b(?:until|ended at) (\d+(?:\.\d+)?) s\b"), "end"),
    (re.compile(r"\bat (\d+(?:\.\d+)?) s\b", re.I), "begin"),
    (re.compile(r"\b(?:for|lasted|lasting|after) (\d+(?:\.\d+)?) s\b"), "length"),
    (re.compile(r"\b(\d+(?:\.\d+)?) m away\b"), "distance"),
    (re.compile(r"\bnearest (\d+(?:\.\d+)?) m\b"), "distance"),
    (
        re.compile(rf"\b(\d+|{'|'.join(tuple(_WORD_NUMBERS)[2:-1])}) times\b|\b(twice)\b", re.I),
        "count",
    ),
    (re.compile(r"\ball (\d+)\b|\b(\d+) of them\b|\b(both)\b|\b(\d+)(?= still)"), "going_on"),
    (re.compile(r"\bconfidence (\d\.\d\d)\b"), "confidence"),
    (re.compile(r"\band (\d+) others\b|\band (\d+) more\b"), "others"),
)


@dataclass
class _Condition:
    """What the events of one id and begin tell."""

    rule: str
    kind: str
    label: str
    track: str
    word: str
    level: SafetyLevel
    begin_s: float
    sensors: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    end_s: float | None = None

    @property
    def stated(self) -> str:
        """Its message without who and how much."""
        text = min(self.messages, key=len, default="")
        text = re.sub(r", \d+(\.\d+)? m away.*$|, for \d.*$| after \d+(\.\d+)? s$", "", text)
        return re.sub(r"^.*?(?= (?:is|are|has|have) )", "", text)

    @property
    def who(self) -> str:
        """Its subject."""
        text = next((text for text in self.messages), "")
        return re.sub(r" (?:is|are|has|have) .*$", "", text)


def faults_of(text: str, log: EventLog) -> tuple[str, ...]:
    """What a text says that the log does not have, one line each; empty where all is true."""
    conditions = _conditions(log.events)
    faults: list[str] = []
    for sentence in _sentences(text, log, faults):
        if _is_overview(sentence, conditions, log):
            continue
        if not any(_explains(group, sentence, log) for group in _groups(conditions)):
            faults.append(f"nothing in the log explains: {sentence}")
    return tuple(faults)


def missing_dangers(text: str, log: EventLog) -> tuple[str, ...]:
    """Rules with a condition at level danger that no true sentence of the text tells of."""
    conditions = _conditions(log.events)
    spoken = " ".join(transcript.text for transcript in log.transcripts).lower()
    told: set[int] = set()
    for sentence in _sentences(text, log, []):
        for group in _groups(conditions):
            if _explains(group, sentence, log) and _names_it(group, sentence):
                told |= {id(condition) for condition in group}
    return tuple(
        dict.fromkeys(
            condition.rule
            for condition in conditions
            if condition.level is SafetyLevel.DANGER
            and id(condition) not in told
            and not (condition.word and condition.word in spoken and condition.word in text.lower())
        )
    )


def _conditions(events: Iterable[SafetyEvent]) -> list[_Condition]:
    found: dict[tuple[str, int], _Condition] = {}
    for event in events:
        begin_s = (event.started_ns) / NS_PER_S
        condition = found.setdefault(
            (event.event_id, event.started_ns),
            _Condition(event.rule, event.kind, event.label, event.track_id,
                       str(event.values.get("word", "")), event.level, begin_s),
        )  # fmt: skip
        condition.sensors.add(event.sensor)
        distance = event.values.get("distance_m")
        if isinstance(distance, float):
            condition.distances.append(distance)
        confidence = event.values.get("confidence")
        if isinstance(confidence, float):
            condition.confidences.append(confidence)
        if event.phase is EventPhase.ENDED:
            condition.end_s = event.stamp_ns / NS_PER_S
        else:
            text = event.message.rstrip(".")
            condition.messages.append(text[:1].lower() + text[1:])
        if event.level is SafetyLevel.DANGER:
            condition.level = SafetyLevel.DANGER
    return list(found.values())


def _groups(conditions: Sequence[_Condition]) -> list[list[_Condition]]:
    """Each condition, and those of one rule that state the same, together."""
    together: dict[tuple[str, str, str, str], list[_Condition]] = {}
    for each in conditions:
        together.setdefault((each.rule, each.label, each.word, each.stated), []).append(each)
    return [[each] for each in conditions] + [group for group in together.values() if group[1:]]


def _sentences(text: str, log: EventLog, faults: list[str]) -> list[str]:
    """The sentences but the quotation of speech, which is checked here."""
    found = _SPEECH.search(text)
    if found is not None:
        said = [" ".join(t.text.split()).replace('"', "'") for t in log.transcripts]
        for quote in re.findall(r'"([^"]*)"', found[1]):
            if not any(quote in each for each in said):
                faults.append(f"nobody said: {quote}")
        text = text[: found.start()]
    return [part.strip() for part in _STOP.split(text) if part.strip()]


def _is_overview(sentence: str, conditions: Sequence[_Condition], log: EventLog) -> bool:
    """Whether it counts all events rightly."""
    more = re.fullmatch(r"There (?:was|were) (\d+) more events?\.", sentence)
    if more is not None:
        return 0 < int(more[1]) < max(2, len(conditions))
    if sentence == "No safety event was recorded.":
        return not conditions
    found = re.fullmatch(
        r"(?:From (?P<a>[\d.]+) s to (?P<b>[\d.]+) s there (?:was|were) )?(?:There (?:was|were) )?"
        r"(?P<n>\d+) (?:safety )?events?(?: (?:was|were) recorded)?"
        r"(?: from (?P<c>[\d.]+) s to (?P<d>[\d.]+) s)?"
        r"(?P<danger>, (?:(?P<k>\d+|both|all \d+) of them )?at level danger)?\.",
        sentence,
    )
    if found is None:
        return False
    dangers = sum(each.level is SafetyLevel.DANGER for each in conditions)
    said = 0
    if found["danger"]:
        said = {"both": 2, "": 1}.get(found["k"] or "") or int(found["k"].removeprefix("all "))
        if found["k"] and not found["k"].isdigit() and said != len(conditions):
            return False
    length_s = (log.end_ns - log.begin_ns) / NS_PER_S
    begin, end = found["a"] or found["c"], found["b"] or found["d"]
    times = begin is None or (float(begin) == 0.0 and abs(float(end) - length_s) < 0.06)
    return int(found["n"]) == len(conditions) and said == dangers and times


def _explains(group: Sequence[_Condition], sentence: str, log: EventLog) -> bool:
    origin_s = log.begin_ns / NS_PER_S
    rest = sentence.rstrip(".")
    listed = re.search(r"tracks (\d+(?:, \d+)*(?: and \d+(?! more|\d))?)", rest)
    if listed is not None:
        if not set(_NUMBER.findall(listed[1])) <= {each.track for each in group}:
            return False
        rest = rest.replace(listed[0], " ")
    for name in sorted(_names(group), key=len, reverse=True):
        rest = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", rest, flags=re.I)
    true = _true_values(group, origin_s)
    for pattern, role in _ROLES:
        for found in pattern.finditer(rest):
            given = [value for value in found.groups() if value is not None]
            if not _fits(role, given, true):
                return False
        rest = pattern.sub(" ", rest)
    if _NUMBER.search(rest):
        return False
    words = {word.lower() for word in _WORD.findall(rest)}
    if words & {"still", "going", "goes"} and not true["going_on"][0]:
        return False
    known = {w.lower() for each in group for m in each.messages for w in _WORD.findall(m)}
    known |= {w.lower() for each in group for w in _WORD.findall(f"{each.rule} {each.label}")}
    known |= {each.level.value for each in group} | {"said", *_past(known)}
    return not words & _DENIALS and words <= _PLAIN_WORDS | known


def _past(words: set[str]) -> set[str]:
    return {"was", "were", "had", "fell"} if "fallen" in words else {"was", "were", "had"}


def _names(group: Sequence[_Condition]) -> set[str]:
    """What may stand in a sentence word for word."""
    names = set()
    for each in group:
        names |= {f"'{each.rule}'", f"'{each.label}'", f"'{each.word}'", f'"{each.word}"'}
        names |= {f"'{each.track}'", f"{each.label} {each.track}", each.who, *each.messages}
        names |= {f"'{sensor}'" for sensor in each.sensors} | {f"level {each.level.value}"}
        names |= {each.stated.strip(), re.sub(r"^ (?:is|are|has|have) ", "", each.stated)}
        if each.track:
            names |= {f"track {each.track}", f"tracks {each.track}"}
    return {name for name in names if len(name) > 2 and name not in {"''", '""'}}


def _true_values(group: Sequence[_Condition], origin_s: float) -> dict[str, list[float]]:
    begins = sorted(each.begin_s - origin_s for each in group)
    ends = [each.end_s - origin_s for each in group if each.end_s is not None]
    lengths = [each.end_s - each.begin_s for each in group if each.end_s is not None]
    distances = [distance for each in group for distance in each.distances]
    whole = len(ends) == len(group)
    all_confidences = [value for each in group for value in each.confidences]
    return {
        "origin": [0.0] if begins[0] < 0 else [],
        "begin": [begins[0]],
        "end": [max(ends)] if ends else [],
        # The last of several may be told by its begin or, once all are over, by its end.
        "last": (begins[-1:] if group[1:] else []) + ([max(ends)] if whole else []),
        "length": lengths if len(group) == 1 else [],
        "distance": [min(distances), *(distances if len(group) == 1 else ())] if distances else [],
        "confidence": [max(all_confidences)] if all_confidences else [],
        "count": [len(group)],
        "each": [len({each.who for each in group})],
        "going_on": [sum(each.end_s is None for each in group)],
        "others": [
            len({each.who for each in group}) - 1,
            len({each.track for each in group}) - 8,
            len({sensor for each in group for sensor in each.sensors}) - 4,
        ],
    }


def _fits(role: str, given: Sequence[str], true: dict[str, list[float]]) -> bool:
    values = [float(_WORD_NUMBERS.get(value.lower(), -1)) if value.isalpha() else float(value)
              for value in given]  # fmt: skip
    if role == "each":
        return true["each"] == true["count"]
    if role == "span":
        return _near(values[0], true["begin"]) and _near(values[1], true["last"])
    if role == "confidence":
        return any(abs(values[0] - each) < 0.00501 for each in true[role])
    return all(_near(value, true[role]) for value in values)


def _near(value: float, true: Iterable[float]) -> bool:
    """Whether a figure, told to a tenth, is one of the true ones."""
    return any(abs(value - each) < 0.0501 for each in true)


def _names_it(group: Sequence[_Condition], sentence: str) -> bool:
    """Whether a sentence says who or what it is about, or which rule."""
    folded = sentence.lower()
    for each in group:
        about = {each.who.lower(), f"'{each.rule.lower()}'", f"{each.label} {each.track}".lower()}
        if any(name.strip() and name in folded for name in about):
            return True
    return bool(group[0].word) and f'"{group[0].word}"' in folded
