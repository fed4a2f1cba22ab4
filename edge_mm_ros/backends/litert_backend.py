"""TensorFlow Lite models through LiteRT (package ``ai-edge-litert``)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edge_mm_ros.backends.engines import (
    checked_options,
    first_line,
    import_engine,
    missing_package,
)
from edge_mm_ros.backends.output_buffers import OutputBuffers
from edge_mm_ros.backends.process_share import resident_bytes, usable_cores
from edge_mm_ros.backends.protocol import (
    BackendError,
    InputRefused,
    ModelArtifact,
    Probe,
    TensorSpec,
)
from edge_mm_ros.backends.tensor_checks import is_static, refuse_other_inputs
from edge_mm_ros.backends.tensor_model import CheckedTensorModel
from edge_mm_ros.params.base import StrictModel

_MEND = "install it with: pip install edge_mm_ros[litert]"
# File identifier of the schema, after the offset of the root table.
_IDENTIFIER = b"TFL3"


class _Options(StrictModel):
    threads: int = Field(0, ge=0, le=256, description="0: the cores of the process's share.")


class LiteRtBackend:
    """Loads TFLite files, mapped into memory, on the processor (with XNNPACK)."""

    name = "litert"

    def probe(self, device: str) -> Probe:
        """Whether the package is there."""
        if device != "cpu":
            return Probe(False, f"litert runs on cpu, not on '{device}'")
        if missing_package("ai_edge_litert"):
            return Probe(False, f"the package ai-edge-litert is missing; {_MEND}")
        return Probe(True)

    def load(self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]) -> LiteRtModel:
        """Load a TFLite file.

        Args:
            artifact: its path is a TFLite file.
            device: ``cpu``.
            options: ``threads``.

        Raises:
            BackendError: the package is missing; the file is missing, damaged or not TFLite; or its
                inputs are not those that the manifest declares.
        """
        where = f"model '{artifact.name}'"
        chosen = checked_options(_Options, options, f"{where}: options of {self.name}")
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(f"{where}: {probe.reason}")
        try:
            with artifact.path.open("rb") as file:
                begin = file.read(8)
        except OSError as error:
            raise BackendError(
                f"{where}: {artifact.path} cannot be read ({error.strerror}); get the model again"
            ) from error
        if begin[4:] != _IDENTIFIER:
            raise BackendError(
                f"{where}: {artifact.path} is not a TFLite file; get the model again, or convert it"
            )
        return LiteRtModel(artifact, chosen)


class LiteRtModel(CheckedTensorModel):
    """A loaded TFLite model; calls from several threads take turns.

    A quantised tensor is taken and given as it is, in integers; `metadata` has its scale and zero
    point: real value = scale x (integer - zero point).

    Attributes:
        inputs: declared inputs, in order.
        outputs: declared outputs, in order.
        metadata: ``quantization.NAME`` of each quantised tensor.
        report: nothing to tell.
    """

    device = "cpu"
    device_memory_bytes = 0

    def __init__(self, artifact: ModelArtifact, options: _Options) -> None:
        super().__init__(artifact.name)
        self._turn = threading.Lock()
        self.report = {}
        engine = import_engine("ai_edge_litert.interpreter", _MEND)
        before = resident_bytes()
        try:
            self._interpreter: Any = engine.Interpreter(
                model_path=str(artifact.path), num_threads=options.threads or usable_cores()
            )
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except Exception as error:  # a foreign engine may raise anything
            raise BackendError(
                f"model '{artifact.name}': {artifact.path} cannot be loaded "
                f"({first_line(error)}); get the model again"
            ) from error
        self.inputs = _specs(inputs, artifact)
        self.outputs = _specs(outputs, artifact)
        self.metadata = _quantizations([*inputs, *outputs])
        refuse_other_inputs(artifact, self.inputs)
        self._input_indices = {detail["name"]: detail["index"] for detail in inputs}
        self._output_indices = {detail["name"]: detail["index"] for detail in outputs}
        self._shapes = {detail["name"]: tuple(detail["shape"]) for detail in inputs}
        static = is_static(self.inputs) and is_static(self.outputs)
        self._buffers: OutputBuffers[None] | None = (
            OutputBuffers(self.outputs, lambda _: None) if static else None
        )
        self.warm_up()
        self._growth = max(resident_bytes() - before, artifact.path.stat().st_size)

    @property
    def memory_bytes(self) -> int:
        """Growth of the process by load and first run, at least the file's size."""
        return self._growth if self._interpreter is not None else 0

    def close(self) -> None:
        """Give all memory back; waits for a call that runs."""
        with self._turn:
            self._interpreter = None

    def _infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with self._turn:
            interpreter = self._interpreter
            if interpreter is None:
                raise BackendError(f"model '{self._name}' is closed")
            self._resize(interpreter, feeds)
            try:
                for name, index in self._input_indices.items():
                    interpreter.set_tensor(index, feeds[name])
                interpreter.invoke()
                return self._read(interpreter)
            except Exception as error:  # a foreign engine may raise anything
                raise BackendError(
                    f"model '{self._name}' failed on cpu: {first_line(error)}"
                ) from error

    def _resize(self, interpreter: Any, feeds: Mapping[str, NDArray[Any]]) -> None:
        shapes = {name: feeds[name].shape for name in self._shapes}
        if shapes == self._shapes:
            return
        self._shapes = {}  # unknown, should this fail half-way
        try:
            for name, shape in shapes.items():
                interpreter.resize_tensor_input(self._input_indices[name], shape)
            interpreter.allocate_tensors()
        except Exception as error:  # a foreign engine may raise anything
            raise InputRefused(
                f"model '{self._name}' cannot work on inputs of {shapes}: {first_line(error)}"
            ) from error
        self._shapes = shapes

    def _read(self, interpreter: Any) -> dict[str, NDArray[Any]]:
        if self._buffers is None:
            return {n: interpreter.get_tensor(i) for n, i in self._output_indices.items()}
        outputs, _ = self._buffers.take()
        for name, index in self._output_indices.items():
            np.copyto(outputs[name], interpreter.tensor(index)())
        return outputs


def _specs(details: Sequence[Mapping[str, Any]], artifact: ModelArtifact) -> list[TensorSpec]:
    specs = []
    for detail in details:
        dtype = np.dtype(detail["dtype"])
        if dtype.kind not in "biuf":
            raise BackendError(
                f"model '{artifact.name}': '{detail['name']}' is a tensor of {dtype}; export the "
                "model with plain numbers"
            )
        shape = tuple(None if size < 0 else int(size) for size in detail["shape_signature"])
        specs.append(TensorSpec(detail["name"], shape, dtype))
    return specs


def _quantizations(details: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found = {}
    for detail in details:
        scale, zero_point = detail["quantization"]
        if scale:
            found[f"quantization.{detail['name']}"] = f"scale {scale:g}, zero point {zero_point}"
    return found
