"""The deterministic writer."""

from __future__ import annotations

from edge_mm_ros.pipelines.summarization.facts import event_sentences, overview, speech_sentence
from edge_mm_ros.pipelines.summarization.record import EventWindow
from edge_mm_ros.pipelines.summarization.times import Times

AUTHOR = "template"


def write_template(window: EventWindow, times: Times) -> str:
    """A summary of a window: how much, what in the order of its begin, and what was said."""
    sentences = [
        overview(window, times),
        *event_sentences(window.incidents, window.start_ns, times),
        speech_sentence(window.transcripts, times),
    ]
    return " ".join(sentence for sentence in sentences if sentence)
