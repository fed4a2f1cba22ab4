"""The robot's own voice is not transcribed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_mm_ros.datatypes import AudioChunk
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams


class OwnVoice:
    """Puts silence in the place of sound that came while the robot spoke, and just after.

    Time is counted in sound, so that a replay gives the same at any speed.
    """

    def __init__(self) -> None:
        self.speaking = False
        self.disbelieved = False
        self._left_s = 0.0
        self._muted_s = 0.0

    @property
    def mutes(self) -> bool:
        """Whether the next sound is left out."""
        return (self.speaking and not self.disbelieved) or self._left_s > 0.0

    def tell(self, speaking: bool, params: SpeechTranscriberParams) -> None:
        """Note that the robot begins or ends to speak."""
        if speaking:
            self._left_s = 0.0
        elif self.mutes:
            self._left_s = params.mute_tail_s
        if speaking != self.speaking:
            self._muted_s = 0.0
            self.disbelieved = False
        self.speaking = speaking

    def filtered(self, chunk: AudioChunk, params: SpeechTranscriberParams) -> AudioChunk:
        """A chunk, silent as far as the robot spoke."""
        if not self.mutes:
            return chunk
        length_s = chunk.duration_ns / 1e9
        count = len(chunk.samples)
        if self.speaking:
            self._muted_s += length_s
            # Whoever told it may be gone: a robot must not stay deaf for that.
            self.disbelieved = self._muted_s > params.max_mute_s
        else:
            count = min(count, round(self._left_s * chunk.sample_rate_hz))
            self._left_s = max(0.0, self._left_s - length_s)
        silence = np.zeros_like(chunk.samples[:count])
        return replace(chunk, samples=np.concatenate([silence, chunk.samples[count:]]))
