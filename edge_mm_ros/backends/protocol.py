"""What a backend is: the life of a model, and what a loaded model can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import EdgeMmError


class BackendError(EdgeMmError):
    """An engine is missing, cannot load a model, or failed while running it."""


class InputRefused(BackendError):
    """What a caller gave does not fit the model: says nothing against the engine."""


class NothingToBuild(BackendError):
    """A backend compiles nothing ahead for this device: the model is ready as it is."""


@dataclass(frozen=True)
class Probe:
    """Whether a backend can run on a device, and if not, why and what mends it."""

    available: bool
    reason: str = ""


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape (None where dynamic) and numpy dtype of an input or output."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class ModelArtifact:
    """A verified model.

    Attributes:
        name: the model's name.
        path: the file or folder that the engine loads; ``.`` where only remotes have the model.
        task: ``detection``, ``voice_activity``, ``transcription`` or ``generation``.
        digest: SHA-256 of the model's files in hexadecimal; empty where it is not known.
        inputs: what the manifest declares of the inputs; empty where it declares nothing.
        labels: class names of the manifest; empty where it has none.
    """

    name: str
    path: Path
    task: str
    digest: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class TranscribedWord:
    """A word, with times in seconds from the start of the samples.

    Attributes:
        text: with its punctuation.
        start_s: begin.
        end_s: end.
        probability: mean over its tokens, 0 to 1.
    """

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class TranscribedSegment:
    """A stretch of text, with times in seconds from the start of the samples.

    Attributes:
        text: what was understood.
        start_s: begin.
        end_s: end.
        average_log_probability: mean over its tokens, natural logarithm.
        no_speech_probability: 0 to 1.
        compression_ratio: length of the text over that of its zlib form; high for repetitions.
        words: its words; empty where the engine does not tell them apart.
    """

    text: str
    start_s: float
    end_s: float
    average_log_probability: float
    no_speech_probability: float
    compression_ratio: float
    words: tuple[TranscribedWord, ...] = ()


@dataclass(frozen=True)
class TranscriptionResult:
    """What was said.

    Attributes:
        segments: in their order.
        language: ISO 639-1.
        language_probability: how sure the model is of it, 0 to 1.
        after_prefix: whether the segments hold only what follows the given prefix.
        prefix_ending: the punctuation that the prefix's last word bears, where they do.
    """

    segments: tuple[TranscribedSegment, ...]
    language: str
    language_probability: float
    after_prefix: bool = False
    prefix_ending: str = ""


@runtime_checkable
class LoadedModel(Protocol):
    """A model in memory."""

    @property
    def memory_bytes(self) -> int:
        """Measured growth of the process by this model."""
        ...

    @property
    def device(self) -> str:
        """The device really used, for example ``cpu`` or ``cuda:0``."""
        ...

    @property
    def device_memory_bytes(self) -> int:
        """Memory of the accelerator that it takes; 0 where it runs on the processor."""
        ...

    @property
    def report(self) -> Mapping[str, str]:
        """What the engine says of itself, for diagnostics: providers in use, cache, and so on."""
        ...

    def warm_up(self) -> None:
        """Run once on synthetic input, so that the first real call is not slow."""
        ...

    def close(self) -> None:
        """Give all memory back; the model cannot be used any more."""
        ...


@runtime_checkable
class TensorModel(LoadedModel, Protocol):
    """A model from arrays to arrays."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """Declared inputs, in order."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """Declared outputs, in order."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """The model file's own metadata."""
        ...

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """All outputs for one set of inputs.

        Raises:
            InputRefused: an input has another name, shape or dtype, or is not finite.
            BackendError: the engine failed.
        """
        ...


@runtime_checkable
class TranscriptionModel(LoadedModel, Protocol):
    """A speech recogniser."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """Text of float32 (n,) mono samples at 16 kHz, -1 to 1.

        Args:
            samples: the sound.
            language: ISO 639-1; empty: detect it.
            prefix: what is known to be said at the beginning of the sound; a model that cannot
                take it hears the whole (`TranscriptionResult.after_prefix`).
        """
        ...


@runtime_checkable
class GenerationModel(LoadedModel, Protocol):
    """A language model."""

    def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        grammar: str = "",
        keep_prompt: bool = False,
    ) -> Iterator[str]:
        """Pieces of the answer to a chat (``role`` and ``content`` each).

        Closing the iterator cancels the generation.

        Args:
            messages: the chat.
            max_tokens: length of the answer at most.
            temperature: 0: always the most probable token.
            seed: of the sampling.
            grammar: GBNF that the answer follows, where the engine can; empty: none.
            keep_prompt: a following chat that begins with the same messages, or is the same, need
                not be read anew, where the engine can.
        """
        ...


class Backend(Protocol):
    """An inference engine."""

    name: str

    def probe(self, device: str) -> Probe:
        """Whether it can run on `device`, cheaply: nothing is loaded."""
        ...

    def load(self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]) -> LoadedModel:
        """Load a model.

        Raises:
            BackendError: names the file, the reason and the mend.
        """
        ...


@runtime_checkable
class EngineBuilder(Protocol):
    """A backend that compiles a model for a device, which can be done ahead."""

    def build(
        self,
        artifact: ModelArtifact,
        device: str,
        options: Mapping[str, Any],
        progress: Callable[[str], None],
    ) -> Path:
        """Compile the model into the engine cache, or find it there.

        Args:
            artifact: the model.
            device: as for `Backend.load`.
            options: as for `Backend.load`.
            progress: is told what goes on, a line at a time.

        Returns:
            the file or folder in the cache.

        Raises:
            NothingToBuild: nothing is compiled ahead for this device.
            BackendError: the device is not there, or the model cannot be compiled for it.
        """
        ...
