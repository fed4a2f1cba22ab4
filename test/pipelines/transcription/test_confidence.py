"""Confidence: the share of right words that is to be expected."""

from __future__ import annotations

import pytest

from edge_mm_ros.datatypes import SpokenWord
from edge_mm_ros.pipelines.transcription.confidence import chance_of, confidence


def word(probability: float) -> SpokenWord:
    return SpokenWord("stop", 0, 1, probability)


# Shares of right words among 803 of the recordings in pink noise, by the recogniser's probability.
@pytest.mark.parametrize(
    ("told", "right"), [(0.26, 0.33), (0.45, 0.60), (0.75, 0.87), (0.85, 0.94), (0.98, 1.0)]
)
def test_words_are_as_often_right_as_is_said(told: float, right: float) -> None:
    assert chance_of(word(told)) == pytest.approx(right, abs=0.07)


def test_confidence_is_the_mean_over_the_words() -> None:
    assert confidence([word(0.5), word(0.9)]) == pytest.approx(
        (chance_of(word(0.5)) + chance_of(word(0.9))) / 2
    )
    assert confidence([]) == 0.0


def test_no_probability_is_too_small_or_too_large() -> None:
    assert 0.0 < chance_of(word(0.0)) < 0.01
    assert 0.99 < chance_of(word(1.0)) < 1.0
