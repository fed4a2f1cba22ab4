"""Texts to sound: what is said next, when it is cut, and the programs that speak."""

from edge_mm_ros.pipelines.synthesis.alarms import AlarmFilter
from edge_mm_ros.pipelines.synthesis.engines import EngineFailed, Rendering, SpeechEngine, Voice
from edge_mm_ros.pipelines.synthesis.mouth import Mouth, Sounding, Turn
from edge_mm_ros.pipelines.synthesis.programs import EspeakNg, Piper, engines_of
from edge_mm_ros.pipelines.synthesis.queue import Importance, SpeechQueue, Utterance
from edge_mm_ros.pipelines.synthesis.renderer import Renderer
from edge_mm_ros.pipelines.synthesis.speech import Speech
from edge_mm_ros.pipelines.synthesis.text import Speakable, speakable

__all__ = [
    "AlarmFilter",
    "EngineFailed",
    "EspeakNg",
    "Importance",
    "Mouth",
    "Piper",
    "Renderer",
    "Rendering",
    "Sounding",
    "Speakable",
    "Speech",
    "SpeechEngine",
    "SpeechQueue",
    "Turn",
    "Utterance",
    "Voice",
    "engines_of",
    "speakable",
]
