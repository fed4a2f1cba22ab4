"""What was said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpokenWord:
    """A word and when it was said.

    Attributes:
        text: with its punctuation.
        start_ns: capture time of its begin, nanoseconds.
        end_ns: capture time of its end, nanoseconds.
        probability: the recogniser's own, 0 to 1.
    """

    text: str
    start_ns: int
    end_ns: int
    probability: float


@dataclass(frozen=True)
class Transcript:
    """Speech as text.

    Attributes:
        text: what was understood, stripped; never empty where ``is_final``.
        start_ns: capture time of the first spoken sample, nanoseconds.
        end_ns: capture time just after the last spoken sample, nanoseconds.
        confidence: 0 to 1.
        language: ISO 639-1 code, for example ``en``.
        is_final: False while the utterance goes on: words are added, none is taken back.
        frame_id: the microphone's frame.
        words: its words; empty where only the text is known.
    """

    text: str
    start_ns: int
    end_ns: int
    confidence: float
    language: str
    is_final: bool
    frame_id: str
    words: tuple[SpokenWord, ...] = ()
