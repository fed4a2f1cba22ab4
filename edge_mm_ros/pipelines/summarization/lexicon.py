"""Words that a report may use whatever happened, and words that claim more than they seem to."""

from __future__ import annotations

from edge_mm_ros.pipelines.summarization.plain_text import stem, stems


def _all(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


NEGATIONS = _all(
    "no not never none nobody nothing nowhere neither nor cannot without hardly barely t false",
    "falsely denied absent safe safely fine okay ok harmless clear normal",
)
"""Words that turn a fact round or play it down: only verbatim names may hold them."""

NUMBER_WORDS = {
    word: float(value)
    for value, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}

FREE_STEMS = frozenset(
    stem(word)
    for word in _all(
        "a about after again ago alert alerts all also an and another any around as at away be",
        "became become been before began begin being between both but by came come continued",
        "detail detected did during each end ended ending event events every finally first",
        "following for from further goes going had happened has have her his in incident",
        "incidents including interval into is it its kind last lasted lasting later level m",
        "many meters metres moment more most noted noticed observed occurred occurring of on",
        "once ongoing or other others over overall part period present record recorded",
        "recording register registered report reported rule rules s safety same second seconds",
        "seen sensor sensors several shows since so some start started still summary than that the",
        "their them then there these they this those through time times to together total twice",
        "until up utc was were when where which while who whose will with within would",
    )
)
"""Stems of function words and of the words of every report."""

PERSON_STEMS = stems("person people individual human pedestrian someone somebody")

_FAMILIES = (
    PERSON_STEMS,
    *map(
        stems,
        (
            "fall fallen fell",
            "inside enter entry intrusion intruded zone area",
            "near nearer nearest close closer closest distance away",
            "said say spoken speak heard hear word speech keyword voice",
            "stale silent missing lost",
            "danger dangerous hazard hazardous",
            "track tracked",
        ),
    ),
)


def with_synonyms(found: frozenset[str]) -> frozenset[str]:
    """The stems, and those of words that mean the same in a report."""
    return found.union(*(family for family in _FAMILIES if family & found))
