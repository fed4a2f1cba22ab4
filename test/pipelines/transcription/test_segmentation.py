"""Utterances out of voice probabilities."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription.segmentation import Span, UtteranceSegmenter

FRAME = 512
FRAME_S = 0.032


def spans_of(voice: list[float], **params: float) -> list[Span]:
    """Spans of frames whose samples all hold their own index."""
    segmenter = UtteranceSegmenter(SpeechTranscriberParams(**params))
    frames = [np.full(FRAME, index, np.float32) for index in range(len(voice))]
    return segmenter.push(frames, voice) + segmenter.flush()


def test_silence_has_no_utterance() -> None:
    assert spans_of([0.0] * 1000) == []


def test_speech_between_silences_is_one_utterance_with_its_places() -> None:
    (span,) = spans_of([0.0] * 100 + [0.9] * 50 + [0.0] * 100, pre_roll_s=0.32)
    assert (span.first, span.last) == (100 * FRAME, 150 * FRAME)
    assert span.samples[0] == 90
    assert span.samples[-1] == 159
    assert abs(span.voiced_s - 50 * FRAME_S) < 1e-9
    assert abs(span.voice_probability - 0.9) < 1e-6


def test_a_short_pause_does_not_end_an_utterance_and_a_long_one_does() -> None:
    pause = [0.0] * 20
    assert len(spans_of([0.9] * 20 + pause + [0.9] * 20 + [0.0] * 100, end_silence_s=1.0)) == 1
    assert len(spans_of([0.9] * 20 + pause + [0.9] * 20 + [0.0] * 100, end_silence_s=0.5)) == 2


def test_between_the_thresholds_speech_goes_on_but_does_not_begin() -> None:
    assert spans_of([0.4] * 100) == []
    (span,) = spans_of([0.9] * 10 + [0.4] * 60 + [0.9] * 10 + [0.0] * 60)
    assert span.last == 80 * FRAME


def test_a_click_is_no_utterance() -> None:
    assert spans_of([0.0] * 50 + [0.9] * 2 + [0.0] * 100, min_speech_s=0.1) == []


def test_what_goes_on_at_the_end_is_flushed() -> None:
    (span,) = spans_of([0.0] * 10 + [0.9] * 30)
    assert span.last == 40 * FRAME


def test_long_speech_is_cut_at_its_best_pause() -> None:
    voice = [0.9] * 100
    voice[70:75] = [0.55] * 5
    first, second = spans_of([*voice, *[0.9] * 20, *[0.0] * 60], max_utterance_s=100 * FRAME_S)
    assert 70 * FRAME < first.last <= 75 * FRAME
    assert second.first == first.last
    assert second.last == 120 * FRAME


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 40)), max_size=30),
    st.integers(1, 60),
)
def test_utterances_keep_their_order_and_length_and_cover_all_speech(
    runs: list[tuple[float, int]], split: int
) -> None:
    voice = [probability for probability, length in runs for _ in range(length)]
    params = {"max_utterance_s": 4.0, "min_speech_s": 0.0}
    spans = spans_of(voice, **params)
    for one, other in itertools.pairwise(spans):
        assert one.last <= other.first
    for span in spans:
        assert 0 <= span.first < span.last <= len(voice) * FRAME
        assert len(span.samples) <= (4.0 + 2 * FRAME_S) * 16_000
    spoken = {i for i, probability in enumerate(voice) if probability >= 0.5}
    covered = {i for span in spans for i in range(span.first // FRAME, span.last // FRAME)}
    assert spoken <= covered

    segmenter = UtteranceSegmenter(SpeechTranscriberParams(**params))
    frames = [np.full(FRAME, index, np.float32) for index in range(len(voice))]
    again = []
    for begin in range(0, len(voice), split):
        again += segmenter.push(frames[begin : begin + split], voice[begin : begin + split])
    again += segmenter.flush()
    assert [(s.first, s.last) for s in again] == [(s.first, s.last) for s in spans]
