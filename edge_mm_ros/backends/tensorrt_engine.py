"""The few calls of TensorRT and CUDA that the backend ``tensorrt`` needs, and nothing else."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import BackendError, TensorSpec

Shape = tuple[int, ...]
Arrays = Mapping[str, NDArray[Any]]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """What an engine is compiled for.

    Attributes:
        flags: types that the compiler may choose beside float32: ``fp16``, ``int8``.
        strongly_typed: the types are those of the model; then there are no flags.
        shapes: smallest, usual and largest size of each input that has an open size.
        workspace_bytes: memory of the GPU that the compiler may use; 0: all.
        calibration: sets of inputs by which ranges of int8 are found; None: the model has them.
    """

    flags: frozenset[str] = frozenset()
    strongly_typed: bool = False
    shapes: Mapping[str, tuple[Shape, Shape, Shape]] = field(default_factory=dict)
    workspace_bytes: int = 0
    calibration: Iterable[Arrays] | None = None


class Network(Protocol):
    """A model that was read."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """Its inputs, in order."""
        ...

    @property
    def quantised(self) -> bool:
        """Whether it says itself what is computed in int8 (QuantizeLinear nodes)."""
        ...

    def compile(self, recipe: Recipe, progress: Progress) -> bytes | memoryview:
        """The engine's bytes; raises BackendError with the compiler's own words."""
        ...


class Engine(Protocol):
    """An engine on a GPU, for one call at a time."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """Inputs, in order."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """Outputs, in order."""
        ...

    def set_shapes(self, shapes: Mapping[str, Shape]) -> Mapping[str, Shape]:
        """Set the sizes of the inputs, and get those of the outputs."""
        ...

    def execute(self, feeds: Arrays, outputs: Arrays) -> None:
        """Run once into contiguous arrays of the right sizes."""
        ...

    def close(self) -> None:
        """Free the GPU's memory."""
        ...


class Toolkit(Protocol):
    """TensorRT and CUDA."""

    @property
    def version(self) -> str:
        """Of TensorRT."""
        ...

    @property
    def strongly_typed_only(self) -> bool:
        """Whether types can be chosen only in the model (TensorRT 11 and later)."""
        ...

    def gpu_count(self) -> int:
        """GPUs that CUDA sees; raises BackendError where CUDA does not work."""
        ...

    def read(self, onnx: Path | bytes, strongly_typed: bool, device_index: int) -> Network:
        """Read an ONNX model for a GPU; raises BackendError with the reader's own words."""
        ...

    def load(self, plan: bytes, device_index: int) -> Engine:
        """Put a compiled engine on a GPU; raises BackendError where it is not for it."""
        ...


class NativeToolkit:
    """The real ones: packages ``tensorrt`` and ``cuda-python``."""

    def __init__(self) -> None:
        """Import them; raises whatever they raise."""
        self._trt = importlib.import_module("tensorrt")
        self._cuda = _Cuda()

    @property
    def version(self) -> str:
        """Of TensorRT."""
        return str(self._trt.__version__)

    @property
    def strongly_typed_only(self) -> bool:
        """Whether types can be chosen only in the model."""
        return not hasattr(self._trt.BuilderFlag, "FP16")

    def gpu_count(self) -> int:
        """GPUs that CUDA sees."""
        return int(self._cuda.call("cudaGetDeviceCount"))

    def read(self, onnx: Path | bytes, strongly_typed: bool, device_index: int) -> Network:
        """Read an ONNX model for a GPU."""
        self._cuda.call("cudaSetDevice", device_index)
        return _NativeNetwork(self._trt, self._cuda, onnx, strongly_typed)

    def load(self, plan: bytes, device_index: int) -> Engine:
        """Put a compiled engine on a GPU."""
        return _NativeEngine(self._trt, self._cuda, plan, device_index)


class _Cuda:
    """The CUDA runtime, whose error codes become exceptions."""

    def __init__(self) -> None:
        try:
            self.runtime = importlib.import_module("cuda.bindings.runtime")
        except ImportError:  # cuda-python before 12.8
            self.runtime = importlib.import_module("cuda.cudart")

    def call(self, name: str, *arguments: Any) -> Any:
        """What a function returns beside its error code.

        Raises:
            BackendError: the code is not 0.
        """
        code, *values = getattr(self.runtime, name)(*arguments)
        if int(code) != 0:
            raise BackendError(f"{name} failed: {getattr(code, 'name', code)}")
        return values[0] if values else None

    def copy(self, target: int, source: int, size: int, to_device: bool, stream: Any) -> None:
        kinds = self.runtime.cudaMemcpyKind
        kind = kinds.cudaMemcpyHostToDevice if to_device else kinds.cudaMemcpyDeviceToHost
        self.call("cudaMemcpyAsync", target, source, size, kind, stream)


class _NativeNetwork:
    def __init__(self, trt: Any, cuda: _Cuda, onnx: Path | bytes, strongly_typed: bool) -> None:
        self._trt = trt
        self._cuda = cuda
        self._log = _log(trt)
        self._builder = trt.Builder(self._log)
        flag = int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self._network = self._builder.create_network(1 << flag if strongly_typed else 0)
        parser = trt.OnnxParser(self._network, self._log)
        good = parser.parse_from_file(str(onnx)) if isinstance(onnx, Path) else parser.parse(onnx)
        if not good:
            errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
            raise BackendError(f"TensorRT cannot read it ({'; '.join(errors[:3])})")
        tensors = [self._network.get_input(i) for i in range(self._network.num_inputs)]
        self.inputs = [_spec(trt, t.name, t.shape, t.dtype) for t in tensors]
        kinds = (self._network.get_layer(i).type for i in range(self._network.num_layers))
        self.quantised = trt.LayerType.QUANTIZE in kinds

    def compile(self, recipe: Recipe, progress: Progress) -> bytes | memoryview:
        trt = self._trt
        config = self._builder.create_builder_config()
        if recipe.workspace_bytes:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, recipe.workspace_bytes)
        for flag in recipe.flags:
            config.set_flag(getattr(trt.BuilderFlag, flag.upper()))
        if recipe.shapes:
            profile = self._builder.create_optimization_profile()
            for name, (smallest, usual, largest) in recipe.shapes.items():
                profile.set_shape(name, smallest, usual, largest)
            config.add_optimization_profile(profile)
            if recipe.calibration is not None:
                config.set_calibration_profile(profile)
        config.progress_monitor = _progress_monitor(trt, progress)
        calibrator = None
        if recipe.calibration is not None:
            calibrator = _calibrator(trt, self._cuda, recipe.calibration)
            config.int8_calibrator = calibrator
        try:
            plan = self._builder.build_serialized_network(self._network, config)
        finally:
            if calibrator is not None:
                calibrator.free()
        if plan is None:
            raise BackendError(f"TensorRT cannot compile it ({'; '.join(self._log.errors)})")
        return memoryview(plan)


class _NativeEngine:
    def __init__(self, trt: Any, cuda: _Cuda, plan: bytes, device_index: int) -> None:
        self._cuda = cuda
        self._device_index = device_index
        self._log = _log(trt)
        self._buffers: dict[str, tuple[int, int]] = {}
        self._stream: Any = None
        cuda.call("cudaSetDevice", device_index)
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise BackendError(f"the engine does not fit ({'; '.join(self._log.errors)})")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise BackendError(f"the GPU has no room for it ({'; '.join(self._log.errors)})")
        self._stream = cuda.call("cudaStreamCreate")
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        self.inputs: list[TensorSpec] = []
        self.outputs: list[TensorSpec] = []
        for name in names:
            is_input = self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            shape, dtype = self._engine.get_tensor_shape(name), self._engine.get_tensor_dtype(name)
            (self.inputs if is_input else self.outputs).append(_spec(trt, name, shape, dtype))

    def set_shapes(self, shapes: Mapping[str, Shape]) -> Mapping[str, Shape]:
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise BackendError(f"the engine was not compiled for '{name}' of {shape}")
        return {s.name: tuple(self._context.get_tensor_shape(s.name)) for s in self.outputs}

    def execute(self, feeds: Arrays, outputs: Arrays) -> None:
        cuda, stream = self._cuda, self._stream
        cuda.call("cudaSetDevice", self._device_index)  # it is set for each thread by itself
        for name, array in feeds.items():
            address = self._buffer(name, array.nbytes)
            cuda.copy(address, array.__array_interface__["data"][0], array.nbytes, True, stream)
        for name, array in outputs.items():
            self._buffer(name, array.nbytes)
        if not self._context.execute_async_v3(int(stream)):
            raise BackendError(f"execution failed ({'; '.join(self._log.errors)})")
        for name, array in outputs.items():
            address = self._buffers[name][0]
            cuda.copy(array.__array_interface__["data"][0], address, array.nbytes, False, stream)
        cuda.call("cudaStreamSynchronize", stream)

    def close(self) -> None:
        self._context = self._engine = self._runtime = None
        for address, _ in self._buffers.values():
            self._cuda.call("cudaFree", address)
        self._buffers.clear()
        stream, self._stream = self._stream, None
        if stream is not None:
            self._cuda.call("cudaStreamDestroy", stream)

    def _buffer(self, name: str, size: int) -> int:
        """Memory of the GPU for a tensor, allocated anew only where it must grow."""
        address, capacity = self._buffers.get(name, (0, 0))
        if capacity < size or not address:
            if address:
                del self._buffers[name]
                self._cuda.call("cudaFree", address)
            address = int(self._cuda.call("cudaMalloc", max(1, size)))
            self._buffers[name] = (address, size)
            self._context.set_tensor_address(name, address)
        return address


def _spec(trt: Any, name: str, shape: Sequence[int], dtype: Any) -> TensorSpec:
    try:
        numpy_type = np.dtype(trt.nptype(dtype))
    except TypeError as error:
        raise BackendError(f"'{name}' is of the type {dtype}, which numpy does not have") from error
    return TensorSpec(name, tuple(None if n < 0 else int(n) for n in shape), numpy_type)


# TensorRT calls back into classes derived from its own, which exist only once it is imported.


def _log(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]
        """Keeps the last errors."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=3)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(message)

    return Log()


def _progress_monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Tells of the outermost phases."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                progress(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True

        def phase_finish(self, phase_name: str) -> None:
            pass

    return Monitor()


def _calibrator(trt: Any, cuda: _Cuda, batches: Iterable[Arrays]) -> Any:
    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        """Gives the compiler one set of inputs after the other."""

        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)
            self._batches = iter(batches)
            self._addresses: dict[str, int] = {}

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: Sequence[str]) -> list[int] | None:
            batch = next(self._batches, None)
            if batch is None:
                return None
            for name in names:
                array = batch[name]
                if name not in self._addresses:
                    self._addresses[name] = int(cuda.call("cudaMalloc", array.nbytes))
                source = array.__array_interface__["data"][0]
                kind = cuda.runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
                cuda.call("cudaMemcpy", self._addresses[name], source, array.nbytes, kind)
            return [self._addresses[name] for name in names]

        def read_calibration_cache(self) -> None:
            return None

        def write_calibration_cache(self, cache: Any) -> None:
            pass

        def free(self) -> None:
            for address in self._addresses.values():
                cuda.call("cudaFree", address)
            self._addresses.clear()

    return Calibrator()
