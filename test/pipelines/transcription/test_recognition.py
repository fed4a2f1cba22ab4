"""Growing utterances through a recogniser that hears exactly what the sound holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_mm_ros.backends import TranscribedSegment, TranscribedWord, TranscriptionResult
from edge_mm_ros.datatypes import Transcript
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription import Recognizer
from edge_mm_ros.pipelines.transcription.segmentation import (
    Ending,
    Span,
    Utterance,
    UtteranceSegmenter,
)

S = 1_000_000_000
START = 1_700_000_000 * S
RATE = 16_000
FRAME = 512
Said = list[tuple[str, float, float]]


class ScriptedWhisper:
    """Knows what is said when; the samples tell which stretch of it is asked.

    A word of which a part is missing comes out wrong; times are off by up to 40 ms. Asked with a
    prefix, it tells what follows that, where it takes one.
    """

    memory_bytes = device_memory_bytes = 0
    device = "cpu"

    def __init__(
        self, said: Said, *, timed: bool = True, takes_prefix: bool = True, **measures: float
    ) -> None:
        self.said = said
        self.timed = timed
        self.takes_prefix = takes_prefix
        self.measures = measures
        self.report: dict[str, str] = {}
        self.asked: list[float] = []
        self.prefixes: list[str] = []
        self._random = np.random.default_rng(7)

    def warm_up(self) -> None:
        """Nothing to warm."""

    def close(self) -> None:
        """Nothing to free."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """The words between the first sample and the last."""
        after_prefix = bool(prefix) and self.takes_prefix
        self.prefixes.append(prefix)
        begin_s = float(samples[0]) / RATE
        end_s = begin_s + len(samples) / RATE
        self.asked.append(len(samples) / RATE)
        words = []
        for text, start, end in self.said:
            if end <= begin_s + 0.05 or start >= end_s - 0.05:
                continue
            whole = start >= begin_s - 0.02 and end <= end_s + 0.02
            off = self._random.uniform(-0.04, 0.04, 2)
            words.append(
                TranscribedWord(
                    text if whole else "uh",
                    max(0.0, start - begin_s + off[0]),
                    min(end_s, end) - begin_s + off[1],
                    0.9,
                )
            )
        if after_prefix:
            heard = [word.text for word in words]
            last = prefix.split()[-1]
            words = words[heard.index(last) + 1 if last in heard else len(prefix.split()) :]
        if not words:
            return TranscriptionResult((), "en", 1.0, after_prefix)
        given_measures = {
            "average_log_probability": -0.2,
            "no_speech_probability": 0.0,
            "compression_ratio": 1.0,
            **self.measures,
        }
        segment = TranscribedSegment(
            " ".join(word.text for word in words),
            words[0].start_s,
            words[-1].end_s,
            **given_measures,
            words=tuple(words) if self.timed else (),
        )
        return TranscriptionResult((segment,), "en", 1.0, after_prefix)


class ScriptedHost:
    """Lends one model."""

    def __init__(self, model: ScriptedWhisper) -> None:
        self.model = model

    @contextmanager
    def lease(self, _name: str) -> Iterator[ScriptedWhisper]:
        """The model."""
        yield self.model


def utterance_of(span: Span) -> Utterance:
    return Utterance(
        span.samples,
        START + span.first * S // RATE,
        START + span.last * S // RATE,
        span.voiced_s,
        span.voice_probability,
        "ear",
        (span.first - span.begin) / RATE,
        span.ending,
    )


def utterances(said: Said, params: SpeechTranscriberParams) -> list[Utterance]:
    count = int((said[-1][2] + 1.5) * RATE / FRAME)
    voice = np.zeros(count)
    for _, start, end in said:
        voice[int(start * RATE / FRAME) : int(end * RATE / FRAME) + 1] = 0.9
    frames = np.arange(count * FRAME, dtype=np.float32).reshape(count, FRAME)
    segmenter = UtteranceSegmenter(params)
    spans = segmenter.push(list(frames), voice.tolist()) + segmenter.flush()
    return [utterance_of(span) for span in spans]


def transcripts(
    said: Said, model: ScriptedWhisper | None = None, **changes: Any
) -> list[Transcript]:
    params = SpeechTranscriberParams(**changes)
    recognizer = Recognizer(ScriptedHost(model or ScriptedWhisper(said)), params)  # type: ignore[arg-type]
    found = [recognizer.recognize(each).transcript for each in utterances(said, params)]
    return [each for each in found if each is not None]


def finals(found: list[Transcript]) -> str:
    return " ".join(each.text for each in found if each.is_final)


def spoken(lengths: list[tuple[float, float]]) -> Said:
    """Words none like the other, each with its length and the gap behind it."""
    random = np.random.default_rng(3)
    said, at_s = [], 0.5
    for length_s, gap_s in lengths:
        text = "".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 7))
        said.append((text, at_s, at_s + length_s))
        at_s += length_s + gap_s
    return said


def texts(said: Said) -> str:
    return " ".join(text for text, _, _ in said)


@pytest.mark.parametrize("takes_prefix", [True, False])
def test_ten_minutes_of_speech_without_a_pause_lose_and_double_nothing(takes_prefix: bool) -> None:
    random = np.random.default_rng(11)
    lengths = [(random.uniform(0.15, 0.6), random.uniform(0.0, 0.08)) for _ in range(1500)]
    said = spoken(lengths)
    assert said[-1][2] > 600.0
    model = ScriptedWhisper(said, takes_prefix=takes_prefix)
    found = transcripts(said, model, context_s=3.0)
    assert finals(found) == texts(said)
    # What was told is not heard again, but for the context: no hypothesis takes longer than others.
    assert max(model.asked) <= 3.0 + 2.5


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.15, 0.9), st.sampled_from([0.0, 0.05, 0.3, 0.7, 3.0])),
        min_size=1,
        max_size=60,
    ),
    st.booleans(),
    st.sampled_from([0.0, 3.0]),
)
def test_every_word_is_told_once_and_none_is_taken_back(
    lengths: list[tuple[float, float]], takes_prefix: bool, context_s: float
) -> None:
    said = spoken(lengths)
    found = transcripts(said, ScriptedWhisper(said, takes_prefix=takes_prefix), context_s=context_s)
    assert finals(found) == texts(said)
    told: dict[int, tuple[str, ...]] = {}
    for each in found:
        words = tuple(each.text.split())
        before = told.get(each.start_ns, ())
        assert words[: len(before)] == before
        told[each.start_ns] = words


def test_the_words_told_before_are_the_prefix_of_what_is_heard_next() -> None:
    said = spoken([(0.4, 0.1)] * 4 + [(0.4, 0.8)] + [(0.4, 0.1)] * 3)
    model = ScriptedWhisper(said)
    found = transcripts(said, model, incremental=False, context_s=1.2)
    assert finals(found) == texts(said)
    # The second utterance is heard behind those words of the first that lie within 1.2 s.
    assert model.prefixes == ["", texts(said[3:5])]


class SaysAllIsSaid(ScriptedWhisper):
    """Tells nothing behind a prefix, as a decoder does that takes it for a whole sentence."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """Nothing, or all."""
        result = super().transcribe(samples, language, prefix)
        return replace(result, segments=()) if prefix else result


def test_where_nothing_follows_the_words_before_an_utterance_is_heard_alone() -> None:
    said = spoken([(0.5, 0.1), (0.5, 0.8), (0.5, 0.1), (0.5, 0.0)])
    model = SaysAllIsSaid(said)
    assert finals(transcripts(said, model, incremental=False)) == texts(said)
    assert model.prefixes == ["", texts(said[:2]), ""]


class StopsAtAFullStop(ScriptedWhisper):
    """Ends each open sentence that it is told, and goes on only behind one that has ended."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """A full stop, or what follows one."""
        result = super().transcribe(samples, language, prefix.rstrip("."))
        self.prefixes[-1] = prefix
        if prefix and not prefix.endswith("."):
            return replace(result, segments=(), prefix_ending=".")
        return result


def test_where_the_decoder_ends_the_sentence_before_it_goes_on_behind_that() -> None:
    said = spoken([(0.5, 0.1), (0.5, 0.8), (0.5, 0.1), (0.5, 0.8), (0.5, 0.1), (0.5, 0.0)])
    model = StopsAtAFullStop(said)
    assert finals(transcripts(said, model, incremental=False, context_s=1.2)) == texts(said)
    assert model.prefixes[1:3] == [texts(said[:2]), f"{texts(said[:2])}."]


class EndsSentences(ScriptedWhisper):
    """Puts a full stop behind what it hears."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """The words, of which the last ends with a full stop."""
        result = super().transcribe(samples, language, prefix.rstrip("."))
        self.prefixes[-1] = prefix
        (segment,) = result.segments
        *before, last = segment.words
        words = (*before, replace(last, text=f"{last.text}."))
        return replace(result, segments=(replace(segment, words=words),))


def test_an_utterance_that_ended_keeps_its_full_stop_in_the_prefix_of_the_next() -> None:
    said = spoken([(0.5, 0.1), (0.5, 0.8), (0.5, 0.1), (0.5, 0.0)])
    model = EndsSentences(said)
    transcripts(said, model, incremental=False)
    assert model.prefixes == ["", f"{texts(said[:2])}."]


class LoopsBehindAPrefix(ScriptedWhisper):
    """Repeats what it was told before."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """A loop, or what is said."""
        result = super().transcribe(samples, language, prefix)
        if not prefix:
            return result
        return replace(
            result, segments=tuple(replace(s, compression_ratio=9.0) for s in result.segments)
        )


def test_where_the_decoder_repeats_the_words_before_an_utterance_is_heard_alone() -> None:
    said = spoken([(0.5, 0.1), (0.5, 0.8), (0.5, 0.1), (0.5, 0.0)])
    model = LoopsBehindAPrefix(said)
    assert finals(transcripts(said, model, incremental=False)) == texts(said)
    assert model.prefixes == ["", texts(said[:2]), ""]


class DoubtsOnce(ScriptedWhisper):
    """Is too unsure of its second hypothesis for any word of it to be believed."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """The words, once with a low probability."""
        result = super().transcribe(samples, language, prefix)
        if len(self.asked) != 2:
            return result
        unsure = (replace(s, average_log_probability=-3.0) for s in result.segments)
        return replace(result, segments=tuple(unsure))


def test_a_hypothesis_that_is_not_believed_does_not_part_two_that_agree() -> None:
    said = spoken([(0.25, 0.0)] * 8)
    params = SpeechTranscriberParams()
    recognizer = Recognizer(ScriptedHost(DoubtsOnce(said)), params)  # type: ignore[arg-type]
    told = [recognizer.recognize(each).transcript for each in utterances(said, params)[:3]]
    assert told[:2] == [None, None]
    assert told[2] is not None
    assert told[2].text == said[0][0]


@pytest.mark.parametrize(("words", "told"), [("we walk on", False), ("stop at once", True)])
def test_an_urgent_word_is_believed_where_others_are_taken_for_babble(
    words: str, told: bool
) -> None:
    said = [(word, 0.5 + 0.4 * i, 0.9 + 0.4 * i) for i, word in enumerate(words.split())]
    measures = {"no_speech_probability": 0.45, "average_log_probability": -0.7}
    found = finals(transcripts(said, ScriptedWhisper(said, **measures), urgent_phrases=("stop",)))
    assert bool(found) is told


def test_it_knows_of_which_utterance_it_has_told() -> None:
    said = spoken([(0.4, 0.0)] * 6)
    params = SpeechTranscriberParams()
    recognizer = Recognizer(ScriptedHost(ScriptedWhisper(said)), params)  # type: ignore[arg-type]
    grown = utterances(said, params)
    assert not recognizer.has_told(grown[0])
    first = next(each for each in grown if recognizer.recognize(each).transcript is not None)
    assert recognizer.has_told(first)
    assert not recognizer.has_told(replace(first, start_ns=first.start_ns + 1))


class EndsDifferently(ScriptedWhisper):
    """Takes each prefix for the end of a clause."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """The words, and a comma behind what was told."""
        return replace(super().transcribe(samples, language, prefix), prefix_ending=",")


def test_the_punctuation_of_a_told_word_is_that_of_the_last_hypothesis() -> None:
    said = spoken([(0.4, 0.05)] * 4)
    found = transcripts(said, EndsDifferently(said))
    assert found[0].text == said[0][0]
    assert found[-1].text.split()[0] == f"{said[0][0]},"


def test_words_bear_capture_stamps() -> None:
    said = spoken([(0.4, 0.1)] * 5)
    (final,) = [each for each in transcripts(said) if each.is_final]
    for word, (text, start, end) in zip(final.words, said):
        assert word.text == text
        assert (word.start_ns - START) / S == pytest.approx(start, abs=0.05)
        assert (word.end_ns - START) / S == pytest.approx(end, abs=0.05)


def test_text_comes_while_somebody_speaks() -> None:
    said = spoken([(0.4, 0.05)] * 10)
    found = transcripts(said)
    assert [each.is_final for each in found] == [False] * (len(found) - 1) + [True]
    assert len(found) >= 5
    assert found[0].text == said[0][0]
    assert len({each.start_ns for each in found}) == 1


def test_the_pause_is_recognised_once_and_not_again_at_the_end() -> None:
    said = spoken([(0.25, 0.0)])
    model = ScriptedWhisper(said)
    found = transcripts(said, model, hypothesis_step_s=5.0)
    assert [(each.text, each.is_final) for each in found] == [
        (texts(said), False),
        (texts(said), True),
    ]
    assert len(model.asked) == 1


def test_an_engine_without_words_gets_no_context_and_its_words_are_placed() -> None:
    said = spoken([(0.4, 0.1), (0.4, 0.8), (0.4, 0.1), (0.4, 0.0)])
    found = transcripts(said, ScriptedWhisper(said, timed=False), incremental=False)
    assert finals(found) == texts(said)
    (first, second) = [each for each in found if each.is_final]
    assert first.words[0].end_ns <= first.words[1].start_ns
    assert second.words[-1].end_ns <= second.end_ns + S // 10


@pytest.mark.parametrize(
    ("measures", "reason"),
    [
        ({"average_log_probability": -2.0}, "too uncertain"),
        ({"compression_ratio": 9.0}, "loop"),
        ({"average_log_probability": -0.9, "no_speech_probability": 0.9}, "no speech"),
    ],
)
def test_what_is_refused_is_told_neither_early_nor_late(
    measures: dict[str, float], reason: str
) -> None:
    said = spoken([(0.4, 0.05)] * 6)
    params = SpeechTranscriberParams()
    model = ScriptedWhisper(said, **measures)
    recognizer = Recognizer(ScriptedHost(model), params)  # type: ignore[arg-type]
    results = [recognizer.recognize(each) for each in utterances(said, params)]
    assert all(each.transcript is None for each in results)
    assert reason in results[-1].refused[0]


def test_a_cut_leaves_the_word_that_it_goes_through_to_what_follows() -> None:
    said = spoken([(0.5, 0.0)] * 8)
    params = SpeechTranscriberParams(max_utterance_s=2.0, incremental=False)
    found = [each for each in utterances(said, params) if each.complete]
    assert found[0].ending is Ending.CUT
    assert finals(transcripts(said, max_utterance_s=2.0)) == texts(said)
