"""Utterances in, transcripts out: while they grow, and when they end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import (
    BackendError,
    TranscribedSegment,
    TranscribedWord,
    TranscriptionModel,
    TranscriptionResult,
)
from edge_mm_ros.backends.speech_samples import compression_ratio
from edge_mm_ros.datatypes import SpokenWord, Transcript
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.phonetics import alike
from edge_mm_ros.pipelines.stamps import to_ns
from edge_mm_ros.pipelines.transcription.agreement import GrowingText, continuation, key_of
from edge_mm_ros.pipelines.transcription.confidence import confidence
from edge_mm_ros.pipelines.transcription.guards import (
    loops,
    why_doubted,
    why_refused,
    without_remarks,
)
from edge_mm_ros.pipelines.transcription.hearing import HeardBefore, Sound, ending_with
from edge_mm_ros.pipelines.transcription.resampling import SAMPLE_RATE_HZ
from edge_mm_ros.pipelines.transcription.segmentation import Ending, Utterance
from edge_mm_ros.runtime import ModelHost

# A word that ends so near to a cut may go on behind it.
_CUT_MARGIN_S = 0.35
# The same, while somebody goes on speaking and the next hypothesis comes soon. What follows a word
# often mends it; but the first words are waited for.
_HOLD_BACK_S = 0.6
_HOLD_BACK_FIRST_S = 0.3
# So much speech holds a word.
_SURELY_S = 0.4


@dataclass(frozen=True)
class Recognition:
    """What became of one utterance.

    Attributes:
        transcript: what was said; None where nothing of it is believed, or nothing is new.
        refused: why parts of the recogniser's text are left out, one line each.
    """

    transcript: Transcript | None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Hypothesis:
    """What the recogniser made of an utterance, as far as it is believed."""

    end_ns: int
    whole: bool
    words: tuple[SpokenWord, ...]
    language: str
    refused: tuple[str, ...]


class Recognizer:
    """Recognises one utterance after the other, each as often as it is shown."""

    def __init__(self, host: ModelHost, params: SpeechTranscriberParams) -> None:
        self._host = host
        self.params = params
        self._before = HeardBefore()
        self._timed = True
        self._start_ns: int | None = None
        self._text = GrowingText()
        self._last: _Hypothesis | None = None

    @property
    def params(self) -> SpeechTranscriberParams:
        """Limits, model and language in force."""
        return self._params

    @params.setter
    def params(self, params: SpeechTranscriberParams) -> None:
        self._params = params
        self._urgent_words = frozenset(
            key_of(word) for phrase in params.urgent_phrases for word in phrase.split()
        )

    def reset(self) -> None:
        """Forget what was heard."""
        self._before.reset()
        self._begin()

    def recognize(self, utterance: Utterance) -> Recognition:
        """Text of an utterance, as far as it is believed: final where it is complete.

        What is told of an utterance that goes on is never taken back.

        Raises:
            BackendError: the model cannot transcribe, or it failed.
            EdgeMmError: the model cannot be loaded.
        """
        if utterance.start_ns != self._start_ns:
            self._begin(utterance.start_ns)
        heard = self._heard(utterance)
        if utterance.complete:
            return self._finish(utterance, heard)
        if heard.refused and len(heard.words) == len(self._text.told):
            # What is not believed says nothing against the hypothesis before.
            return Recognition(None, heard.refused)
        hold_back_s = _HOLD_BACK_S if self._text.told else _HOLD_BACK_FIRST_S
        until_ns = None if heard.whole else utterance.end_ns - to_ns(hold_back_s)
        grown = self._text.hear(heard.words, until_ns, self._urgent_words)
        if not grown:
            return Recognition(None, heard.refused)
        return Recognition(self._transcript(utterance, self._text.told, heard), heard.refused)

    def has_told(self, utterance: Utterance) -> bool:
        """Whether some of an utterance was told."""
        return utterance.start_ns == self._start_ns and bool(self._text.told)

    def warm_up(self) -> None:
        """Recognise half a second of silence: loads the model and tries the language.

        Raises:
            EdgeMmError: the model cannot be loaded, or does not know the language.
        """
        self._transcribe(np.zeros(SAMPLE_RATE_HZ // 2, dtype=np.float32))

    def _begin(self, start_ns: int | None = None) -> None:
        self._start_ns = start_ns
        self._text = GrowingText()
        self._last = None

    def _heard(self, utterance: Utterance) -> _Hypothesis:
        last = self._last
        if last is not None and last.whole and last.end_ns == utterance.end_ns:
            return last  # only silence has come since
        sound = Sound(utterance.samples, utterance.samples_ns)
        told: tuple[SpokenWord, ...] = ()
        if self._timed:
            told = self._text.told
            sound = self._before.with_context(utterance, told, self.params.context_s)
        result = TranscriptionResult((), last.language if last else "", 0.0, after_prefix=True)
        if len(sound.samples):
            result = self._transcribe(sound.samples, sound.prefix)
            if self._all_seems_said(utterance, told, sound, result):
                sound = Sound(utterance.samples, utterance.samples_ns)
                # Behind its own full stop the decoder has to go on.
                if self._before.end_with(result.prefix_ending):
                    sound = self._before.with_context(utterance, told, self.params.context_s)
                result = self._transcribe(sound.samples, sound.prefix)
            elif self._loops_on(utterance, sound, result):
                sound = Sound(utterance.samples, utterance.samples_ns)
                result = self._transcribe(sound.samples)
        self._last = self._believed(utterance, told, sound, result)
        return self._last

    @staticmethod
    def _all_seems_said(
        utterance: Utterance,
        told: Sequence[SpokenWord],
        sound: Sound,
        result: TranscriptionResult,
    ) -> bool:
        """Whether the decoder ended behind the utterance before, though surely more is said."""
        said = bool(told or result.segments)
        return bool(sound.told) and not said and utterance.voiced_s >= _SURELY_S

    def _loops_on(self, utterance: Utterance, sound: Sound, result: TranscriptionResult) -> bool:
        """Whether the decoder repeats what was told instead of what is said at last."""
        last = utterance.ending is not Ending.GOES_ON
        repeats = any(loops(segment, self.params) for segment in result.segments)
        return last and bool(sound.told) and repeats

    def _finish(self, utterance: Utterance, heard: _Hypothesis) -> Recognition:
        cut = utterance.ending is Ending.CUT and self._timed
        words = heard.words
        if cut:
            until_ns = utterance.end_ns - to_ns(_CUT_MARGIN_S)
            words = tuple(word for word in words if word.end_ns <= until_ns)
        words = self._text.finish(words)
        if words and self._timed:
            self._before.remember(utterance, words)
        else:
            self._before.reset()
        self._begin()
        if not words:
            return Recognition(None, heard.refused)
        return Recognition(self._transcript(utterance, words, heard), heard.refused)

    def _believed(
        self,
        utterance: Utterance,
        told: tuple[SpokenWord, ...],
        sound: Sound,
        result: TranscriptionResult,
    ) -> _Hypothesis:
        """All words of an utterance: those that were told, and what the result adds to them."""
        said = [_placed(segment, sound.begin_ns) for segment in result.segments]
        # An engine that tells no words cannot tell either which of them were heard before.
        self._timed = all(segment.words for segment in result.segments)
        skipped = 0
        if not result.after_prefix:
            skipped = continuation(sound.told, [word for part in said for word in part])
        words = list(told)
        refused: list[str] = []
        for segment, part in zip(result.segments, said):
            new = without_remarks(part[skipped:])
            skipped = max(0, skipped - len(part))
            if part and not new and sound.told:
                continue
            evidence = _evidence(segment, [*told, *new])
            reason = why_refused(evidence, utterance.voiced_s, self.params)
            # A false alarm stops the robot; one that is missed may hurt somebody.
            if not reason and not told and not self._urgent(new):
                reason = why_doubted(segment, new)
            if reason:
                refused.append(reason)
            else:
                words += new
        if result.after_prefix and told and len(words) > len(told):
            words[len(told) - 1] = ending_with(told[-1], result.prefix_ending)
        return _Hypothesis(
            utterance.end_ns,
            utterance.ending in (Ending.PAUSES, Ending.ENDED),
            tuple(words),
            result.language,
            tuple(refused),
        )

    def _urgent(self, words: Sequence[SpokenWord]) -> bool:
        keys = [key_of(word.text) for word in words]
        return any(alike(key, urgent) for key in keys for urgent in self._urgent_words)

    def _transcript(
        self, utterance: Utterance, words: Sequence[SpokenWord], heard: _Hypothesis
    ) -> Transcript:
        return Transcript(
            text=" ".join(word.text for word in words),
            start_ns=utterance.start_ns,
            end_ns=_end_ns(utterance, words),
            confidence=confidence(words),
            language=heard.language,
            is_final=utterance.complete,
            frame_id=utterance.frame_id,
            words=tuple(words),
        )

    def _transcribe(self, samples: NDArray[np.float32], prefix: str = "") -> TranscriptionResult:
        name = self.params.transcription_model
        with self._host.lease(name) as model:
            if not isinstance(model, TranscriptionModel):
                raise BackendError(f"model '{name}' does not transcribe speech")
            return model.transcribe(samples, self.params.language, prefix)


def _end_ns(utterance: Utterance, words: Sequence[SpokenWord]) -> int:
    if utterance.ending is Ending.ENDED:
        return utterance.end_ns
    return max(utterance.start_ns, words[-1].end_ns)


def _placed(segment: TranscribedSegment, begin_ns: int) -> list[SpokenWord]:
    """The words of a segment with their capture times."""
    return [
        SpokenWord(
            word.text,
            begin_ns + to_ns(word.start_s),
            begin_ns + to_ns(word.end_s),
            word.probability,
        )
        for word in segment.words or _interpolated(segment)
    ]


def _interpolated(segment: TranscribedSegment) -> list[TranscribedWord]:
    """Words of an engine that tells only segments: each takes time by its letters."""
    texts = segment.text.split()
    ends = np.cumsum([len(text) + 1 for text in texts], dtype=float)
    if not texts:
        return []
    ends *= (segment.end_s - segment.start_s) / ends[-1]
    starts = [0.0, *ends[:-1]]
    probability = math.exp(min(0.0, segment.average_log_probability))
    return [
        TranscribedWord(text, segment.start_s + start, segment.start_s + end, probability)
        for text, start, end in zip(texts, starts, ends.tolist())
    ]


def _evidence(segment: TranscribedSegment, words: Sequence[SpokenWord]) -> TranscribedSegment:
    """A segment as if it had only these words."""
    text = " ".join(word.text for word in words)
    if len(words) == len(segment.words or segment.text.split()):
        return segment
    mean = float(np.mean([math.log(max(word.probability, 1e-6)) for word in words] or [0.0]))
    return replace(
        segment,
        text=text,
        average_log_probability=mean,
        compression_ratio=compression_ratio(text),
    )
