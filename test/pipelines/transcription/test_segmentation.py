"""Utterances out of voice probabilities."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription.segmentation import (
    Ending,
    Span,
    Utterance,
    UtteranceSegmenter,
    without_outdated,
)

FRAME = 512
FRAME_S = 0.032


def spans_of(voice: list[float], **params: Any) -> list[Span]:
    """Spans of frames whose samples all hold their own index; only whole ones unless asked."""
    given_params = {"incremental": False, **params}
    segmenter = UtteranceSegmenter(SpeechTranscriberParams(**given_params))
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
    assert (first.ending, second.ending) == (Ending.CUT, Ending.ENDED)


def shown(voice: list[float], **params: Any) -> list[tuple[str, int]]:
    spans = spans_of(voice, **{"incremental": True, **params})
    return [(span.ending.value, span.last // FRAME) for span in spans]


def test_an_utterance_is_shown_as_it_grows_and_once_when_it_pauses() -> None:
    voice = [0.0] * 10 + [0.9] * 75 + [0.0] * 40
    found = shown(voice, hypothesis_step_s=20 * FRAME_S, settle_s=4 * FRAME_S)
    # In the first 1.2 s (37 frames) it is shown twice as often, once there may be a word.
    steps = [("goes on", last) for last in (34, 44, 64, 84)]
    assert found == [*steps, ("pauses", 85), ("ended", 85)]


def test_a_voice_that_fades_is_not_shown_until_it_pauses_or_comes_back() -> None:
    loud, faint = [0.95] * 10, [0.6] * 2
    steps = {"hypothesis_step_s": 10 * FRAME_S, "settle_s": 4 * FRAME_S}
    # The first hypothesis is due at the twelfth frame.
    ends = shown(loud + [0.95] + faint + [0.0] * 40, **steps)
    assert ends == [("pauses", 13), ("ended", 13)]
    comes_back = shown(loud + [0.95] + faint + loud + [0.0] * 40, **steps)
    assert comes_back[0] == ("goes on", 14)


def test_it_tells_when_a_voice_fades_and_when_it_is_silent() -> None:
    segmenter = UtteranceSegmenter(SpeechTranscriberParams())
    told = []
    for probability in (0.9, 0.9, 0.7, 0.9, 0.4, 0.1, 0.1, 0.9):
        segmenter.push([np.zeros(FRAME, np.float32)], [probability])
        told.append((segmenter.fading, segmenter.pausing))
    fading = [False, False, True, False, True, True, True, False]
    assert told == list(zip(fading, [False] * 6 + [True, False]))


def test_a_voice_that_is_always_faint_is_shown() -> None:
    assert ("goes on", 12) in shown([0.55] * 20 + [0.0] * 40, hypothesis_step_s=10 * FRAME_S)


def test_speech_that_pauses_and_goes_on_is_shown_in_each_pause() -> None:
    voice = [0.9] * 8 + [0.0] * 6 + [0.9] * 8 + [0.0] * 40
    found = shown(voice, hypothesis_step_s=5.0, settle_s=4 * FRAME_S, end_silence_s=0.5)
    assert found == [("pauses", 8), ("pauses", 22), ("ended", 22)]


def test_too_little_speech_is_not_shown() -> None:
    assert shown([0.9] * 3 + [0.0] * 40, min_speech_s=0.2, hypothesis_step_s=0.1) == []


def test_what_is_shown_depends_on_the_sound_and_not_on_how_it_comes() -> None:
    voice = [0.0] * 7 + [0.9] * 60 + [0.2] * 9 + [0.8] * 30 + [0.0] * 30
    whole = shown(voice)
    segmenter = UtteranceSegmenter(SpeechTranscriberParams())
    frames = [np.zeros(FRAME, np.float32)] * len(voice)
    found = []
    for begin in range(0, len(voice), 11):
        found += segmenter.push(frames[begin : begin + 11], voice[begin : begin + 11])
    found += segmenter.flush()
    assert [(span.ending.value, span.last // FRAME) for span in found] == whole


def test_what_a_later_one_says_as_well_is_outdated() -> None:
    def utterance(start_ns: int, ending: Ending) -> Utterance:
        return Utterance(np.zeros(1, np.float32), start_ns, 9, 1.0, 0.9, "ear", 0.0, ending)

    first = [utterance(1, Ending.GOES_ON), utterance(1, Ending.PAUSES), utterance(1, Ending.CUT)]
    second = [utterance(5, Ending.GOES_ON), utterance(5, Ending.GOES_ON)]
    assert without_outdated([*first, *second]) == [first[-1], second[-1]]
    assert without_outdated([]) == []


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 40)), max_size=30),
    st.integers(1, 60),
)
def test_utterances_keep_their_order_and_length_and_cover_all_speech(
    runs: list[tuple[float, int]], split: int
) -> None:
    voice = [probability for probability, length in runs for _ in range(length)]
    params = {"max_utterance_s": 4.0, "min_speech_s": 0.0, "incremental": False}
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
