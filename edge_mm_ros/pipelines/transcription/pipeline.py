"""Sound in, transcripts out, in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge_mm_ros.datatypes import AudioChunk, InvalidInput, Transcript
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription.recognition import Recognizer
from edge_mm_ros.pipelines.transcription.segmentation import Utterance
from edge_mm_ros.pipelines.transcription.utterances import UtteranceFinder
from edge_mm_ros.runtime import ModelHost


class TranscriptionPipeline:
    """Finds utterances in a stream of sound and recognises them.

    A node that must not stop listening while it recognises runs the two halves, `UtteranceFinder`
    and `Recognizer`, on two threads instead.
    """

    def __init__(
        self,
        host: ModelHost,
        params: SpeechTranscriberParams,
        on_fault: Callable[[InvalidInput], None] = lambda _: None,
    ) -> None:
        self._finder = UtteranceFinder(host, params, on_fault)
        self._recognizer = Recognizer(host, params)

    def reset(self) -> None:
        """Forget everything that was heard."""
        self._finder.reset()
        self._recognizer.reset()

    def push(self, chunk: AudioChunk) -> list[Transcript]:
        """What was said in the utterances that end with this chunk, and in the one that goes on.

        Raises:
            InvalidInput: the chunk cannot be used.
            EdgeMmError: a model cannot be loaded, or it failed.
        """
        return self._recognized(self._finder.push(chunk))

    def flush(self) -> list[Transcript]:
        """What was said in the utterance that is going on."""
        return self._recognized(self._finder.flush())

    def _recognized(self, utterances: Iterable[Utterance]) -> list[Transcript]:
        results = [self._recognizer.recognize(utterance) for utterance in utterances]
        return [result.transcript for result in results if result.transcript is not None]
