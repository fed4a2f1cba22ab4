"""Cuts utterances out of frames with their voice probability, and shows them while they grow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.stamps import to_ns
from edge_mm_ros.pipelines.transcription.resampling import SAMPLE_RATE_HZ
from edge_mm_ros.pipelines.transcription.voice_activity import FRAME_SAMPLES

_FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
_PAUSE_FRAMES = 5
# A voice that falls below this share of what it was a moment ago may be about to end.
_FADING = 0.92
_MOMENT_FRAMES = 6
_SILENT_FRAMES = 2
_BEGIN_S = 1.2
_FIRST_STEPS = 1.2


class Ending(Enum):
    """How an utterance stands."""

    GOES_ON = "goes on"
    PAUSES = "pauses"
    """It goes on, but nothing was said for a moment: the words so far are whole."""
    ENDED = "ended"
    CUT = "cut"
    """It was too long: what follows belongs to it, and the cut may go through a word."""


@dataclass(frozen=True, eq=False)
class Span:
    """An utterance by its place in the stream.

    Attributes:
        samples: float32 (n,), 16 kHz, with some sound before and after the speech.
        begin: position of the first of them in the stream.
        first: position of the first spoken sample in the stream.
        last: position just after the last spoken sample.
        voiced_s: how long it was surely speech.
        voice_probability: mean over those frames.
        ending: whether it goes on.
    """

    samples: NDArray[np.float32]
    begin: int
    first: int
    last: int
    voiced_s: float
    voice_probability: float
    ending: Ending


@dataclass(frozen=True, eq=False)
class Utterance:
    """Speech between two silences, or what was heard of it so far.

    Attributes:
        samples: float32 (n,), mono, 16 kHz, with some sound before and after the speech.
        start_ns: capture time of the first spoken sample; the same for all of one utterance.
        end_ns: capture time just after the last spoken sample.
        voiced_s: how long it was surely speech.
        voice_probability: mean over those frames, 0 to 1.
        frame_id: the microphone's frame.
        lead_s: how much of the samples comes before the first spoken one.
        ending: whether it goes on.
    """

    samples: NDArray[np.float32]
    start_ns: int
    end_ns: int
    voiced_s: float
    voice_probability: float
    frame_id: str
    lead_s: float = 0.0
    ending: Ending = Ending.ENDED

    @property
    def complete(self) -> bool:
        """Whether nothing more will come of it."""
        return self.ending in (Ending.ENDED, Ending.CUT)

    @property
    def samples_ns(self) -> int:
        """Capture time of the first of all samples."""
        return self.start_ns - to_ns(self.lead_s)


def without_outdated(utterances: Iterable[Utterance]) -> list[Utterance]:
    """Utterances without those that one further on says all of and more."""
    kept: list[Utterance] = []
    for utterance in utterances:
        if kept and kept[-1].start_ns == utterance.start_ns and not kept[-1].complete:
            kept.pop()
        kept.append(utterance)
    return kept


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

    Attributes:
        speaking: whether an utterance is going on.
        fading: whether it may be about to pause.
    """

    def __init__(self, params: SpeechTranscriberParams) -> None:
        self.params = params
        self.reset()

    def reset(self) -> None:
        """Forget all frames; the next one is at position 0."""
        self._frames = _Frames()
        self.speaking = False
        self.fading = False
        self._silent = 0
        self._unshown = 0
        self._said = 0

    def push(self, frames: Sequence[NDArray[np.float32]], voice: Sequence[float]) -> list[Span]:
        """The utterances that end with these frames (512 samples each), and those that grow.

        One that grows is shown every `hypothesis_step_s` and when it pauses; where it is shown
        depends on the sound alone, not on how many frames come at once.
        """
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
        span = self._take(len(self._frames.voice), Ending.ENDED) if self.speaking else None
        self.speaking = False
        return [] if span is None else [span]

    @property
    def pausing(self) -> bool:
        """Whether it is silent, though not yet for `settle_s`."""
        return self._silent >= _SILENT_FRAMES

    def _step(self, probability: float) -> Span | None:
        params = self.params
        if not self.speaking:
            if probability < params.speech_threshold:
                self._frames.drop(len(self._frames.voice) - _frames_of(params.pre_roll_s))
                return None
            self.speaking = True
            self._silent = self._unshown = self._said = 0
        if probability >= params.speech_threshold:
            self._silent = 0
        elif probability < params.silence_threshold or self._silent:
            self._silent += 1
        self._unshown += 1
        self._said += 1
        if self._silent >= _frames_of(params.end_silence_s):
            self.speaking = False
            return self._take(len(self._frames.voice), Ending.ENDED)
        if len(self._frames.voice) >= _frames_of(params.max_utterance_s):
            return self._take(self._best_pause(), Ending.CUT)
        if not params.incremental:
            return None
        if self._silent == _frames_of(params.settle_s):
            return self._shown(Ending.PAUSES)
        self.fading = self._silent > 0 or self._is_fainter(probability)
        if self._unshown >= self._frames_until_shown() and not self.fading:
            return self._shown(Ending.GOES_ON)
        return None

    def _is_fainter(self, probability: float) -> bool:
        return probability < _FADING * max(self._frames.voice[-_MOMENT_FRAMES:])

    def _frames_until_shown(self) -> int:
        """The first words are waited for: once there may be one, it is shown more often."""
        step_s = self.params.hypothesis_step_s
        first = _frames_of(_FIRST_STEPS * step_s)
        if self._said <= first:
            return first
        return _frames_of(step_s / 2 if self._said <= _frames_of(_BEGIN_S) else step_s)

    def _shown(self, ending: Ending) -> Span | None:
        self._unshown = 0
        return self._span(len(self._frames.voice), ending)

    def _best_pause(self) -> int:
        """The quietest place of the second half: the lowest mean over five frames."""
        voice = np.asarray(self._frames.voice)
        means = np.convolve(voice, np.ones(_PAUSE_FRAMES) / _PAUSE_FRAMES, mode="valid")
        half = len(means) // 2
        return half + int(np.argmin(means[half:])) + _PAUSE_FRAMES // 2 + 1

    def _take(self, end: int, ending: Ending) -> Span | None:
        """Take the first `end` frames as an utterance; the rest stays."""
        span = self._span(end, ending)
        self._unshown = 0
        # The end of the silence serves as the pre-roll of the next utterance.
        padding = _frames_of(self.params.pre_roll_s)
        self._frames.drop(end if self.speaking else max(0, end - padding))
        return span

    def _span(self, end: int, ending: Ending) -> Span | None:
        """The first `end` frames; None where too little of them is speech."""
        voice = np.asarray(self._frames.voice[:end])
        spoken = np.flatnonzero(voice >= self.params.speech_threshold)
        if len(spoken) == 0 or len(spoken) * _FRAME_S < self.params.min_speech_s:
            return None
        padding = _frames_of(self.params.pre_roll_s)
        first, last = int(spoken[0]), int(spoken[-1]) + 1
        begin = max(0, first - padding)
        return Span(
            samples=np.concatenate(self._frames.samples[begin : min(end, last + padding)]),
            begin=(self._frames.begin + begin) * FRAME_SAMPLES,
            first=(self._frames.begin + first) * FRAME_SAMPLES,
            last=(self._frames.begin + last) * FRAME_SAMPLES,
            voiced_s=len(spoken) * _FRAME_S,
            voice_probability=float(voice[spoken].mean()),
            ending=ending,
        )


def _frames_of(seconds: float) -> int:
    return math.ceil(seconds / _FRAME_S)
