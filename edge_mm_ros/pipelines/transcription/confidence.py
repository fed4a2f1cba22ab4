"""How far a transcript can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_mm_ros.datatypes import SpokenWord

# Of a logistic fit (Platt 1999) to whether each word was right: docs/decisions/speech.md.
_SLOPE = 1.36
_OFFSET = 0.48
_EDGE = 1e-3


def chance_of(word: SpokenWord) -> float:
    """How likely a word is right, 0 to 1: the recogniser's own probability, calibrated."""
    probability = min(max(word.probability, _EDGE), 1.0 - _EDGE)
    log_odds = math.log(probability / (1.0 - probability))
    return 1.0 / (1.0 + math.exp(-(_SLOPE * log_odds + _OFFSET)))


def confidence(words: Sequence[SpokenWord]) -> float:
    """The share of a text's words that is expected to be right, 0 to 1; 0 without words."""
    return sum(map(chance_of, words)) / len(words) if words else 0.0
