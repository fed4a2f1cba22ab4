"""Sound to text: utterances are cut out of the sound, recognised, and guarded."""

from edge_mm_ros.pipelines.transcription.pipeline import TranscriptionPipeline
from edge_mm_ros.pipelines.transcription.reception import ReceptionStamps
from edge_mm_ros.pipelines.transcription.recognition import Recognition, Recognizer
from edge_mm_ros.pipelines.transcription.segmentation import Utterance
from edge_mm_ros.pipelines.transcription.utterances import UtteranceFinder

__all__ = [
    "ReceptionStamps",
    "Recognition",
    "Recognizer",
    "TranscriptionPipeline",
    "Utterance",
    "UtteranceFinder",
]
