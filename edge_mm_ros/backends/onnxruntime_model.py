"""A model loaded in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.engines import first_line
from edge_mm_ros.backends.output_buffers import OutputBuffers
from edge_mm_ros.backends.process_share import resident_bytes
from edge_mm_ros.backends.protocol import BackendError, ModelArtifact, TensorSpec
from edge_mm_ros.backends.tensor_checks import is_static, refuse_other_inputs
from edge_mm_ros.backends.tensor_model import CheckedTensorModel

_DTYPES: Mapping[str, np.dtype[Any]] = {
    f"tensor({name})": np.dtype(dtype)
    for name, dtype in {
        "float": np.float32,
        "float16": np.float16,
        "double": np.float64,
        "int8": np.int8,
        "int16": np.int16,
        "int32": np.int32,
        "int64": np.int64,
        "uint8": np.uint8,
        "uint16": np.uint16,
        "uint32": np.uint32,
        "uint64": np.uint64,
        "bool": np.bool_,
    }.items()
}


class OnnxRuntimeModel(CheckedTensorModel):
    """A loaded ONNX model; its `run` may be called from several threads.

    Attributes:
        inputs: declared inputs, in order.
        outputs: declared outputs, in order.
        metadata: the file's own metadata.
        device: the device in use, for example ``cpu`` or ``cuda:0``.
        report: providers in use, nodes on the processor, the engine cache, and so on.
    """

    def __init__(
        self,
        artifact: ModelArtifact,
        engine: Any,
        session: Any,
        device: str,
        *,
        file_bytes: int,
        resident_before: int,
        report: Mapping[str, str],
        device_bytes_taken: Callable[[], int | None] = lambda: 0,
        ready: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Take a session over.

        Args:
            artifact: the model.
            engine: the module ``onnxruntime``.
            session: the session, on `device`.
            device: the device in use.
            file_bytes: size of all files of the model.
            resident_before: memory of the process before the load.
            report: what is known so far.
            device_bytes_taken: memory of the device taken since before the load; None where it
                cannot be measured.
            ready: called once after the first run, when all that is compiled has been compiled;
                gives further entries of the report.

        Raises:
            BackendError: the inputs are not as the manifest declares, or are no plain tensors.
        """
        super().__init__(artifact.name)
        self._engine = engine
        self._session = session
        self._file_bytes = file_bytes
        self._growth = resident_bytes() - resident_before
        self._device_bytes_taken = device_bytes_taken
        self._device_memory_bytes = device_bytes_taken() or 0
        self._ready = ready
        self._has_run = False
        self.device = device
        self.report = dict(report)
        self.inputs = _specs(session.get_inputs(), artifact)
        self.outputs = _specs(session.get_outputs(), artifact)
        self.metadata = dict(session.get_modelmeta().custom_metadata_map)
        refuse_other_inputs(artifact, self.inputs)
        self._output_names = [spec.name for spec in self.outputs]
        self._static = is_static(self.inputs) and is_static(self.outputs)
        self._run_options = None if self._static else _shrinking(engine)
        self._buffers: OutputBuffers[Any] | None = None

    @property
    def memory_bytes(self) -> int:
        """Measured growth of the process by the load and the first run, at least the files' size.

        Other threads allocate meanwhile and the heap reuses what it has, so it is an estimate.
        """
        return max(self._growth, self._file_bytes) if self._session is not None else 0

    @property
    def device_memory_bytes(self) -> int:
        """Memory of the accelerator taken by the load and the first run; 0 where not measured."""
        return self._device_memory_bytes if self._session is not None else 0

    def close(self) -> None:
        """Give all memory back; the model cannot be used any more."""
        self._session = None
        self._buffers = None

    def _infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        session = self._session
        if session is None:
            raise BackendError(f"model '{self._name}' is closed")
        buffers = self._buffers
        try:
            if buffers is not None:
                return self._infer_bound(session, feeds, buffers)
            before = 0 if self._has_run else resident_bytes()
            results = session.run(self._output_names, dict(feeds), self._run_options)
        except Exception as error:  # the engine's own types share no base but Exception
            raise BackendError(
                f"model '{self._name}' failed on {self.device}: {first_line(error)}"
            ) from error
        outputs = dict(zip(self._output_names, results, strict=True))
        if not self._has_run:
            self._has_run = True
            self._after_first_run(outputs, before)
        return outputs

    def _bind(self, outputs: Mapping[str, NDArray[Any]]) -> Any:
        """A binding that writes into arrays; of a model that is being closed there is none."""
        session = self._session
        if session is None:
            raise BackendError(f"model '{self._name}' is closed")
        binding = session.io_binding()
        for name, output in outputs.items():
            address = output.__array_interface__["data"][0]
            binding.bind_output(name, "cpu", 0, output.dtype.type, output.shape, address)
        return binding

    def _infer_bound(
        self, session: Any, feeds: Mapping[str, NDArray[Any]], buffers: OutputBuffers[Any]
    ) -> dict[str, NDArray[Any]]:
        """Run into memory that is there and bound already."""
        outputs, binding = buffers.take()
        arrays = []
        for name, array in feeds.items():
            if not array.flags.c_contiguous:
                array = np.ascontiguousarray(array)
            arrays.append(array)  # an address keeps nothing: it must live until the end of the run
            address = array.__array_interface__["data"][0]
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, address)
        session.run_with_iobinding(binding)
        return outputs

    def _after_first_run(self, outputs: Mapping[str, NDArray[Any]], before: int) -> None:
        """The first run allocates and compiles what all later ones use again."""
        self._growth += max(0, resident_bytes() - before)
        self._device_memory_bytes = self._device_bytes_taken() or 0
        self.report.update(self._ready())
        if not self._static:
            return
        wrong = [s.name for s in self.outputs if outputs[s.name].shape != s.shape]
        if wrong:
            self.report["outputs"] = (
                f"allocated at each call: {', '.join(wrong)} has another shape than the file says"
            )
        else:
            self._buffers = OutputBuffers(self.outputs, self._bind)


def _shrinking(engine: Any) -> Any:
    """Options of a run after which memory for unusually large inputs is given back."""
    options = engine.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _specs(values: Sequence[Any], artifact: ModelArtifact) -> tuple[TensorSpec, ...]:
    specs = []
    for value in values:
        if value.type not in _DTYPES:
            raise BackendError(
                f"model '{artifact.name}': '{value.name}' is a {value.type}, which numpy does not "
                "have; export the model with plain tensors"
            )
        shape = tuple(size if isinstance(size, int) else None for size in value.shape)
        specs.append(TensorSpec(value.name, shape, _DTYPES[value.type]))
    return tuple(specs)
