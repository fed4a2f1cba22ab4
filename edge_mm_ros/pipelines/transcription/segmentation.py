"""Cuts utterances out of frames with their voice probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription.resampling import SAMPLE_RATE_HZ
from edge_mm_ros.pipelines.transcription.voice_activity import FRAME_SAMPLES

_FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
_PAUSE_FRAMES = 5


@dataclass(frozen=True, eq=False)
class Span:
    """An utterance by its place in the stream.

    Attributes:
        samples: float32 (n,), 16 kHz, with some sound before and after the speech.
        first: position of the first spoken sample in the stream.
        last: position just after the last spoken sample.
        voiced_s: how long it was surely speech.
        voice_probability: mean over those frames.
    """

    samples: NDArray[np.float32]
    first: int
    last: int
    voiced_s: float
    voice_probability: float


@dataclass(frozen=True, eq=False)
class Utterance:
    """Speech between two silences.

    Attributes:
        samples: float32 (n,), mono, 16 kHz, with some sound before and after the speech.
        start_ns: capture time of the first spoken sample.
        end_ns: capture time just after the last spoken sample.
        voiced_s: how long it was surely speech.
        voice_probability: mean over those frames, 0 to 1.
        frame_id: the microphone's frame.
    """

    samples: NDArray[np.float32]
    start_ns: int
    end_ns: int
    voiced_s: float
    voice_probability: float
    frame_id: str


@dataclass
class _Frames:
    """Consecutive frames from position `begin` (in frames) on."""

    begin: int = 0
    samples: list[NDArray[np.float32]] = field(default_factory=list)
    voice: list[float] = field(default_factory=list)

    def drop(self, count: int) -> None:
        if count > 0:
            self.begin += count
            del self.samples[:count], self.voice[:count]


class UtteranceSegmenter:
    """Finds utterances: from a frame above the speech threshold to a long enough silence.

    Between the two thresholds speech goes on where it is and does not begin where it is not.
    """

    def __init__(self, params: SpeechTranscriberParams) -> None:
        self.params = params
        self.reset()

    def reset(self) -> None:
        """Forget all frames; the next one is at position 0."""
        self._frames = _Frames()
        self.speaking = False
        self._silent = 0

    def push(self, frames: Sequence[NDArray[np.float32]], voice: Sequence[float]) -> list[Span]:
        """The utterances that end with these frames (512 samples each)."""
        found = []
        for samples, probability in zip(frames, voice):
            self._frames.samples.append(samples)
            self._frames.voice.append(float(probability))
            span = self._step(float(probability))
            if span is not None:
                found.append(span)
        return found

    def flush(self) -> list[Span]:
        """The utterance that is going on, as far as it was heard."""
        span = self._take(len(self._frames.voice)) if self.speaking else None
        self.speaking = False
        return [] if span is None else [span]

    def _step(self, probability: float) -> Span | None:
        params = self.params
        if not self.speaking:
            if probability < params.speech_threshold:
                self._frames.drop(len(self._frames.voice) - _frames_of(params.pre_roll_s))
                return None
            self.speaking = True
            self._silent = 0
        if probability >= params.speech_threshold:
            self._silent = 0
        elif probability < params.silence_threshold or self._silent:
            self._silent += 1
        if self._silent >= _frames_of(params.end_silence_s):
            self.speaking = False
            return self._take(len(self._frames.voice))
        if len(self._frames.voice) >= _frames_of(params.max_utterance_s):
            return self._take(self._best_pause())
        return None

    def _best_pause(self) -> int:
        """The quietest place of the second half: the lowest mean over five frames."""
        voice = np.asarray(self._frames.voice)
        means = np.convolve(voice, np.ones(_PAUSE_FRAMES) / _PAUSE_FRAMES, mode="valid")
        half = len(means) // 2
        return half + int(np.argmin(means[half:])) + _PAUSE_FRAMES // 2 + 1

    def _take(self, end: int) -> Span | None:
        """Take the first `end` frames as an utterance; the rest stays."""
        voice = np.asarray(self._frames.voice[:end])
        spoken = np.flatnonzero(voice >= self.params.speech_threshold)
        samples = self._frames.samples[:end]
        begin = self._frames.begin
        padding = _frames_of(self.params.pre_roll_s)
        # The end of the silence serves as the pre-roll of the next utterance.
        self._frames.drop(end if self.speaking else max(0, end - padding))
        if len(spoken) == 0 or len(spoken) * _FRAME_S < self.params.min_speech_s:
            return None
        first, last = int(spoken[0]), int(spoken[-1]) + 1
        kept = samples[max(0, first - padding) : last + padding]
        return Span(
            samples=np.concatenate(kept),
            first=(begin + first) * FRAME_SAMPLES,
            last=(begin + last) * FRAME_SAMPLES,
            voiced_s=len(spoken) * _FRAME_S,
            voice_probability=float(voice[spoken].mean()),
        )


def _frames_of(seconds: float) -> int:
    return math.ceil(seconds / _FRAME_S)
