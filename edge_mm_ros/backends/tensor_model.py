"""What the models of all local tensor engines do alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import BackendError, TensorSpec
from edge_mm_ros.backends.tensor_checks import (
    check_feeds,
    is_static,
    refuse_not_finite,
    synthetic_inputs,
)


class CheckedTensorModel(ABC):
    """Checks what goes into an engine and what comes out.

    Attributes:
        inputs: declared inputs, in order.
        outputs: declared outputs, in order.
        metadata: what the model's file says beside.
        report: what the engine says of itself.
    """

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    metadata: Mapping[str, str]
    report: dict[str, str]

    def __init__(self, name: str) -> None:
        """Name the model, for messages."""
        self._name = name

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """All outputs for one set of inputs.

        An output stays as it is for as long as anything refers to it; its memory is used again
        after that, where all sizes of the model are fixed.

        Raises:
            InputRefused: an input has another name, shape or dtype, or is not finite.
            BackendError: the model is closed, the engine failed, or an output is not finite.
        """
        check_feeds(self._name, self.inputs, feeds)
        outputs = self._infer(feeds)
        refuse_not_finite(self._name, feeds, outputs)
        return outputs

    def warm_up(self) -> None:
        """Run once on synthetic input.

        Raises:
            BackendError: although every size is declared, the engine failed, or an output is not
                finite.
        """
        try:
            self.run(synthetic_inputs(self.inputs, self.metadata))
        except BackendError:
            # With sizes that are only guessed a failure says nothing about the model.
            if is_static(self.inputs):
                raise

    @abstractmethod
    def _infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the engine on inputs whose names, shapes and dtypes are right."""
