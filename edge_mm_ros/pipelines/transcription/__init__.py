"""Sound to text: utterances are cut out of the sound, recognised as they grow, and guarded."""

from edge_mm_ros.pipelines.transcription.muting import OwnVoice
from edge_mm_ros.pipelines.transcription.pipeline import TranscriptionPipeline
from edge_mm_ros.pipelines.transcription.reception import ReceptionStamps
from edge_mm_ros.pipelines.transcription.recognition import Recognition, Recognizer
from edge_mm_ros.pipelines.transcription.segmentation import Ending, Utterance, without_outdated
from edge_mm_ros.pipelines.transcription.utterances import UtteranceFinder
from edge_mm_ros.pipelines.transcription.wake_phrase import WakePhrase

__all__ = [
    "Ending",
    "OwnVoice",
    "ReceptionStamps",
    "Recognition",
    "Recognizer",
    "TranscriptionPipeline",
    "Utterance",
    "UtteranceFinder",
    "WakePhrase",
    "without_outdated",
]
