"""A leased model: the protocol of the loaded one, with fallback behind every call."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import (
    GenerationModel,
    LoadedModel,
    TensorModel,
    TensorSpec,
    TranscriptionModel,
    TranscriptionResult,
)
from edge_mm_ros.model_repository import ModelManifest
from edge_mm_ros.runtime.model_slot import ModelSlot

Kind = TypeVar("Kind")


class LeasedModel:
    """What every leased model has; it is valid while its lease lasts."""

    def __init__(self, slot: ModelSlot) -> None:
        self._slot = slot

    @property
    def identity(self) -> Hashable:
        """Changes when another candidate or version took over."""
        return self._slot.serving().identity

    @property
    def manifest(self) -> ModelManifest:
        """The manifest in force; another one after a swap."""
        return self._slot.manifest

    @property
    def memory_bytes(self) -> int:
        """Measured growth of the process by this model."""
        return self._model.memory_bytes

    @property
    def device(self) -> str:
        """The device in use, for example ``cpu``."""
        return self._model.device

    @property
    def device_memory_bytes(self) -> int:
        """Memory of the accelerator that it takes."""
        return self._model.device_memory_bytes

    @property
    def report(self) -> Mapping[str, str]:
        """What the engine says of itself."""
        return self._model.report

    def warm_up(self) -> None:
        """Run once on synthetic input."""
        self._slot.call(lambda model: model.warm_up())

    def close(self) -> None:
        """Nothing: the model belongs to its host."""

    @property
    def _model(self) -> LoadedModel:
        return self._slot.serving().model


class LeasedTensorModel(LeasedModel):
    """From arrays to arrays."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """Declared inputs, in order."""
        return cast(TensorModel, self._model).inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """Declared outputs, in order."""
        return cast(TensorModel, self._model).outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        """The model file's own metadata."""
        return cast(TensorModel, self._model).metadata

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """All outputs for one set of inputs.

        Raises:
            InputRefused: an input has another name, shape or dtype, or is not finite.
            BackendError: every candidate failed.
        """
        return self._slot.call(lambda model: cast(TensorModel, model).run(feeds))


class LeasedTranscriptionModel(LeasedModel):
    """A speech recogniser."""

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """Text of float32 (n,) mono samples at 16 kHz, -1 to 1; empty language: detect it.

        Args:
            samples: the sound.
            language: ISO 639-1.
            prefix: what is known to be said at its beginning; see `TranscriptionModel`.

        Raises:
            InputRefused: samples or language do not fit the model.
            BackendError: every candidate failed.
        """
        return self._slot.call(
            lambda model: cast(TranscriptionModel, model).transcribe(samples, language, prefix)
        )


class LeasedGenerationModel(LeasedModel):
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
        """Pieces of the answer to a chat; closing the iterator cancels the generation.

        `grammar` and `keep_prompt` are wishes, which an engine may not know.

        Raises:
            InputRefused: on iteration, where the prompt does not fit the model.
            BackendError: on iteration, where every candidate failed, or one did half-way.
        """
        return self._slot.stream(
            lambda model: cast(GenerationModel, model).generate(
                messages,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
                grammar=grammar,
                keep_prompt=keep_prompt,
            )
        )


_KINDS: tuple[tuple[type, type[LeasedModel]], ...] = (
    (TensorModel, LeasedTensorModel),
    (TranscriptionModel, LeasedTranscriptionModel),
    (GenerationModel, LeasedGenerationModel),
)


# By type: to look at a protocol takes longer than all else of a lease.
_views: dict[type, type[LeasedModel]] = {}


def leased_model(slot: ModelSlot) -> LeasedModel:
    """The view of a slot that fits what its model can do."""
    model = slot.serving().model
    view = _views.get(type(model))
    if view is None:
        view = next((view for kind, view in _KINDS if isinstance(model, kind)), LeasedModel)
        _views[type(model)] = view
    return view(slot)
