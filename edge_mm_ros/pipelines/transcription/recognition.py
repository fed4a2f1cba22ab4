"""Utterances in, transcripts out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendError, TranscriptionModel, TranscriptionResult
from edge_mm_ros.datatypes import Transcript
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription.guards import confidence, spoken_text, why_refused
from edge_mm_ros.pipelines.transcription.resampling import SAMPLE_RATE_HZ
from edge_mm_ros.pipelines.transcription.segmentation import Utterance
from edge_mm_ros.runtime import ModelHost


@dataclass(frozen=True)
class Recognition:
    """What became of one utterance.

    Attributes:
        transcript: what was said; None where nothing of it is believed.
        refused: why parts of the recogniser's text are left out, one line each.
    """

    transcript: Transcript | None
    refused: tuple[str, ...] = ()


class Recognizer:
    """Recognises utterances one by one; nothing of one influences the next."""

    def __init__(self, host: ModelHost, params: SpeechTranscriberParams) -> None:
        self._host = host
        self.params = params

    def recognize(self, utterance: Utterance) -> Recognition:
        """Text of an utterance, as far as it is believed.

        Raises:
            BackendError: the model cannot transcribe, or it failed.
            EdgeMmError: the model cannot be loaded.
        """
        params = self.params
        result = self._transcribe(utterance.samples)
        believed, refused = [], []
        for segment in result.segments:
            reason = why_refused(segment, utterance.voiced_s, params)
            if reason:
                refused.append(reason)
            else:
                believed.append(segment)
        if not believed:
            return Recognition(None, tuple(refused))
        transcript = Transcript(
            text=" ".join(spoken_text(segment.text) for segment in believed),
            start_ns=utterance.start_ns,
            end_ns=utterance.end_ns,
            confidence=confidence(believed),
            language=result.language,
            is_final=True,
            frame_id=utterance.frame_id,
        )
        return Recognition(transcript, tuple(refused))

    def warm_up(self) -> None:
        """Recognise half a second of silence: loads the model and tries the language.

        Raises:
            EdgeMmError: the model cannot be loaded, or does not know the language.
        """
        self._transcribe(np.zeros(SAMPLE_RATE_HZ // 2, dtype=np.float32))

    def _transcribe(self, samples: NDArray[np.float32]) -> TranscriptionResult:
        name = self.params.transcription_model
        with self._host.lease(name) as model:
            if not isinstance(model, TranscriptionModel):
                raise BackendError(f"model '{name}' does not transcribe speech")
            return model.transcribe(samples, self.params.language)
