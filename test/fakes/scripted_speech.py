"""Speech whose words are known: sound, a voice detector and a recogniser that belong together.

Each sample tells its own place in the sound, and nothing else: 0 is silence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import (
    BackendRegistry,
    ModelArtifact,
    Probe,
    TensorSpec,
    TranscribedSegment,
    TranscribedWord,
    TranscriptionResult,
)
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.runtime import ModelHost

RATE = 16_000
_SCALE = 2**24  # float32 holds the places exactly
Said = Sequence[tuple[str, float, float]]
Answer = Callable[[NDArray[np.float32]], TranscriptionResult]


def sound_of(said: Said, total_s: float) -> NDArray[np.float32]:
    """The sound (n,) in which words are said from a begin to an end, seconds."""
    places = np.arange(round(total_s * RATE), dtype=np.float64) / _SCALE
    voiced = np.zeros(len(places), np.bool_)
    for _, start_s, end_s in said:
        voiced[round(start_s * RATE) : round(end_s * RATE)] = True
    return np.where(voiced, places, 0.0).astype(np.float32)


def begin_s(samples: NDArray[np.float32]) -> float | None:
    """Where in the sound its samples begin; None where all is silent."""
    voiced = np.flatnonzero(samples)
    if not len(voiced):
        return None
    return (float(samples[voiced[0]]) * _SCALE - float(voiced[0])) / RATE


def segment(words: Said, **measures: float) -> TranscribedSegment:
    """Words with their times in the samples, clearly heard."""
    given = {
        "average_log_probability": -0.2,
        "no_speech_probability": 0.0,
        "compression_ratio": 1.0,
        **measures,
    }
    return TranscribedSegment(
        " ".join(text for text, *_ in words),
        words[0][1],
        words[-1][2],
        **given,
        words=tuple(TranscribedWord(*word, 0.9) for word in words),
    )


class _Model:
    memory_bytes = device_memory_bytes = 0
    device = "cpu"
    report: Mapping[str, str] = {}

    def warm_up(self) -> None: ...

    def close(self) -> None: ...


class Ears(_Model):
    """Takes for voice what is not 0.

    Attributes:
        waits_for: it hears nothing before that, where a test says so.
    """

    waits_for: threading.Event | None = None

    metadata: Mapping[str, str] = {}
    inputs: Sequence[TensorSpec] = ()
    outputs: Sequence[TensorSpec] = ()

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        if self.waits_for is not None:
            self.waits_for.wait()
        voiced = (feeds["input"][:, 64:] != 0.0).mean(axis=1)
        probabilities = np.where(voiced > 0.5, 0.9, 0.0).astype(np.float32)
        return {"speech_probs": probabilities, "hn": feeds["h"], "cn": feeds["c"]}


class Scribe(_Model):
    """Hears each word that is whole; cannot take a prefix.

    Attributes:
        said: all words.
        answer: what it answers instead, where a test says so.
    """

    def __init__(self, said: Said) -> None:
        self.said = said
        self.answer: Answer = self.heard

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        return self.answer(samples)

    def heard(self, samples: NDArray[np.float32]) -> TranscriptionResult:
        """The words between the first sample and the last."""
        first_s = begin_s(samples)
        if first_s is None:
            return TranscriptionResult((), "en", 1.0)
        last_s = first_s + len(samples) / RATE
        words = [
            (text, start_s - first_s, end_s - first_s)
            for text, start_s, end_s in self.said
            if start_s >= first_s - 0.001 and end_s <= last_s + 0.001
        ]
        return TranscriptionResult((segment(words),) if words else (), "en", 1.0)


class _Backend:
    name = "scripted_speech"

    def __init__(self, ears: Ears, scribe: Scribe) -> None:
        self._models = {"ear": ears, "scribe": scribe}

    def probe(self, device: str) -> Probe:
        return Probe(True)

    def load(self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]) -> Any:
        return self._models[artifact.name]


def speech_host(folder: Path, ears: Ears, scribe: Scribe) -> ModelHost:
    """A host with the models ``ear`` and ``scribe``, whose files are written to a folder."""
    for name, task in (("ear", "voice_activity"), ("scribe", "transcription")):
        (folder / f"{name}.bin").write_bytes(b"weights")
        (folder / f"{name}.yaml").write_text(
            f"name: {name}\ntask: {task}\npath: {name}.bin\nchain: ['scripted_speech:cpu']\n"
        )
    return ModelHost(ModelRepository([folder]), BackendRegistry([_Backend(ears, scribe)]))
