"""An engine of NVIDIA TensorRT on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import device_memory
from edge_mm_ros.backends.engines import first_line
from edge_mm_ros.backends.output_buffers import OutputBuffers
from edge_mm_ros.backends.protocol import BackendError, InputRefused, ModelArtifact
from edge_mm_ros.backends.tensor_checks import is_static, refuse_other_inputs
from edge_mm_ros.backends.tensor_model import CheckedTensorModel
from edge_mm_ros.backends.tensorrt_engine import Engine


class TensorRtModel(CheckedTensorModel):
    """An engine on a GPU; calls from several threads take turns.

    Attributes:
        inputs: inputs, in order.
        outputs: outputs, in order.
        metadata: none; engines keep no metadata of the file.
        device: ``cuda:N``.
        report: version, precision, and what became of the engine cache.
    """

    metadata: Mapping[str, str] = {}

    def __init__(
        self, artifact: ModelArtifact, engine: Engine, device: str, report: Mapping[str, str]
    ) -> None:
        """Take an engine over.

        Raises:
            BackendError: its inputs are not as the manifest declares.
        """
        super().__init__(artifact.name)
        self._engine: Engine | None = engine
        self._turn = threading.Lock()
        self._memory_bytes = 0
        self._device_memory_bytes = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._output_shapes: Mapping[str, tuple[int, ...]] = {}
        self.device = device
        self.report = dict(report)
        self.inputs = tuple(engine.inputs)
        self.outputs = tuple(engine.outputs)
        try:
            refuse_other_inputs(artifact, self.inputs)
        except BackendError:
            self.close()
            raise
        static = is_static(self.inputs) and is_static(self.outputs)
        self._buffers: OutputBuffers[None] | None = (
            OutputBuffers(self.outputs, lambda _: None) if static else None
        )

    def measured(self, memory_bytes: int, device_memory_bytes: int | None) -> None:
        """Note what it takes; None where the GPU's memory could not be measured."""
        self._memory_bytes = max(0, memory_bytes)
        self._device_memory_bytes = device_memory_bytes or 0
        if device_memory_bytes is None:
            self.report["device_memory"] = device_memory.NOT_MEASURED

    @property
    def memory_bytes(self) -> int:
        """Growth of the process by load and first run."""
        return self._memory_bytes if self._engine is not None else 0

    @property
    def device_memory_bytes(self) -> int:
        """Memory of the GPU taken by load and first run; 0 where it could not be measured."""
        return self._device_memory_bytes if self._engine is not None else 0

    def close(self) -> None:
        """Free the GPU's memory; waits for a call that runs."""
        with self._turn:
            engine, self._engine = self._engine, None
            if engine is not None:
                engine.close()

    def _infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        arrays = {name: np.require(array, requirements="C") for name, array in feeds.items()}
        with self._turn:
            engine = self._engine
            if engine is None:
                raise BackendError(f"model '{self._name}' is closed")
            try:
                self._resize(engine, {name: array.shape for name, array in arrays.items()})
                outputs = self._take_outputs()
                engine.execute(arrays, outputs)
            except InputRefused:
                raise
            except Exception as error:  # a foreign engine may raise anything
                raise BackendError(
                    f"model '{self._name}' failed on {self.device}: {first_line(error)}"
                ) from error
        return outputs

    def _resize(self, engine: Engine, shapes: dict[str, tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        self._shapes = {}  # unknown, should this fail half-way
        try:
            self._output_shapes = engine.set_shapes(shapes)
        except BackendError as error:
            raise InputRefused(f"model '{self._name}': {error}") from error
        if any(size < 0 for shape in self._output_shapes.values() for size in shape):
            raise BackendError("the size of an output depends on the values of the input")
        self._shapes = shapes

    def _take_outputs(self) -> dict[str, NDArray[Any]]:
        if self._buffers is not None:
            return self._buffers.take()[0]
        return {s.name: np.empty(self._output_shapes[s.name], s.dtype) for s in self.outputs}
