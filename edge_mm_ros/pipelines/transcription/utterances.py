"""Chunks of sound in, utterances out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import AudioChunk, InvalidInput
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.transcription.resampling import SAMPLE_RATE_HZ, MonoResampler
from edge_mm_ros.pipelines.transcription.segmentation import (
    Ending,
    Span,
    Utterance,
    UtteranceSegmenter,
)
from edge_mm_ros.pipelines.transcription.timeline import Placement, StampTimeline, Stretch
from edge_mm_ros.pipelines.transcription.voice_activity import FRAME_SAMPLES, VoiceActivity
from edge_mm_ros.runtime import ModelHost


class UtteranceFinder:
    """Listens to one stream of sound; time comes from the chunks' stamps alone.

    Args:
        host: lends the voice activity model.
        params: thresholds and lengths; may be replaced while it runs.
        on_fault: told of faults of chunks that can be used all the same.
    """

    def __init__(
        self,
        host: ModelHost,
        params: SpeechTranscriberParams,
        on_fault: Callable[[InvalidInput], None] = lambda _: None,
    ) -> None:
        self._voice = VoiceActivity(host, params.voice_activity_model)
        self._segmenter = UtteranceSegmenter(params)
        self._timeline = StampTimeline()
        self._on_fault = on_fault
        self._frame_id = ""
        self._resampler = MonoResampler(SAMPLE_RATE_HZ)
        self._stretch: Stretch | None = None
        self._rest = np.zeros(0, dtype=np.float32)
        self._begun: tuple[int, int] = (-1, 0)

    @property
    def params(self) -> SpeechTranscriberParams:
        """Thresholds and lengths in force."""
        return self._segmenter.params

    @params.setter
    def params(self, params: SpeechTranscriberParams) -> None:
        self._segmenter.params = params

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on."""
        return self._segmenter.speaking

    def will_outdate(self, utterance: Utterance, told: bool) -> bool:
        """Whether a hypothesis that begins now would only make that of the coming pause wait.

        That one says all that this one would. May be asked from any thread.

        Args:
            utterance: what would be recognised.
            told: whether some of it was told already; else its first words are wanted soon, and
                only silence counts.
        """
        near = self._segmenter.pausing or (told and self._segmenter.fading)
        return near and utterance.ending is Ending.GOES_ON

    def warm_up(self) -> None:
        """Listen to one frame of silence, which is forgotten: loads the model and tries it.

        Raises:
            EdgeMmError: the model cannot be loaded, or is no voice activity detector.
        """
        self._voice.probabilities(np.zeros((1, FRAME_SAMPLES), dtype=np.float32))
        self._voice.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        self._timeline.reset()
        self._begin_stretch()

    def expect_gap(self) -> None:
        """Say that chunks before the next one were dropped: its stamp is not at fault."""
        self._timeline.expect_gap()

    def push(self, chunk: AudioChunk) -> list[Utterance]:
        """The utterances that end with this chunk, and the one that goes on, as it grows.

        Raises:
            InvalidInput: the chunk is empty, or its stamp shows that it cannot be right.
            BackendError: the voice activity model failed.
        """
        if len(chunk.samples) == 0:
            raise InvalidInput("empty", "a chunk of audio holds no samples")
        placement = self._timeline.place(chunk)
        found = []
        if placement.stretch is not self._stretch:
            found = self._finish()
            self._stretch = placement.stretch
            self._resampler = MonoResampler(chunk.sample_rate_hz)
        if placement.fault is not None:
            self._on_fault(placement.fault)
        self._frame_id = chunk.frame_id
        return found + self._hear(self._resampler.push(_fitted(chunk, placement)))

    def flush(self) -> list[Utterance]:
        """What is being said, as far as it was heard; listening then begins anew."""
        found = self._finish()
        self._timeline.reset()
        self._stretch = None
        return found

    def _finish(self) -> list[Utterance]:
        """End the present stretch."""
        found = []
        if self._stretch is not None:
            found = self._hear(self._resampler.flush())
            missing = -len(self._rest) % FRAME_SAMPLES
            found += self._hear(np.zeros(missing, dtype=np.float32))
            found += self._located(self._segmenter.flush())
        self._begin_stretch()
        return found

    def _begin_stretch(self) -> None:
        self._stretch = None
        self._rest = np.zeros(0, dtype=np.float32)
        self._begun = (-1, 0)
        self._voice.reset()
        self._segmenter.reset()

    def _hear(self, sound: NDArray[np.float32]) -> list[Utterance]:
        sound = np.concatenate([self._rest, sound])
        count = len(sound) // FRAME_SAMPLES
        frames = sound[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES)
        self._rest = sound[count * FRAME_SAMPLES :]
        probabilities = self._voice.probabilities(frames)
        return self._located(self._segmenter.push(list(frames), probabilities.tolist()))

    def _located(self, spans: list[Span]) -> list[Utterance]:
        stretch = self._stretch
        return [] if stretch is None else [self._utterance(span, stretch) for span in spans]

    def _utterance(self, span: Span, stretch: Stretch) -> Utterance:
        if self._begun[0] != span.first:
            # Drift moves the stamps slowly; an utterance begins at one time all the same.
            self._begun = (span.first, stretch.capture_ns(span.first))
        start_ns = self._begun[1]
        return Utterance(
            samples=span.samples,
            start_ns=start_ns,
            end_ns=start_ns + (span.last - span.first) * NS_PER_S // SAMPLE_RATE_HZ,
            voiced_s=span.voiced_s,
            voice_probability=span.voice_probability,
            frame_id=self._frame_id,
            lead_s=(span.first - span.begin) / SAMPLE_RATE_HZ,
            ending=span.ending,
        )


def _fitted(chunk: AudioChunk, placement: Placement) -> NDArray[np.float32]:
    samples = chunk.samples[placement.skip_samples :]
    if placement.silence_samples:
        silence = np.zeros((placement.silence_samples, samples.shape[1]), dtype=np.float32)
        samples = np.concatenate([silence, samples])
    return samples
