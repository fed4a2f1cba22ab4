"""ONNX Runtime: any ONNX model on the processor and on the accelerators that it knows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edge_mm_ros.backends.engines import (
    checked_options,
    cuda_driver_present,
    first_line,
    import_engine,
    missing_package,
)
from edge_mm_ros.backends.process_share import resident_bytes, usable_cores
from edge_mm_ros.backends.protocol import BackendError, ModelArtifact, Probe, TensorSpec
from edge_mm_ros.params.base import StrictModel

_GET_ENGINE = "pip install onnxruntime"
_MEND = f"get it with: {_GET_ENGINE}"
_CPU = "CPUExecutionProvider"
_ERRORS_ONLY = 3


class OnnxRuntimeOptions(StrictModel):
    """Options of a manifest for this backend."""

    threads: int = Field(0, ge=0, le=256, description="0: the cores of the process's share.")
    provider_options: dict[str, dict[str, str | int | float | bool]] = Field(
        default_factory=dict,
        description="By device, without its number: options of its execution provider.",
    )


@dataclass(frozen=True)
class _Accelerator:
    """How a device's name maps to ONNX Runtime.

    Attributes:
        provider: its execution provider.
        option: the provider's option that takes what follows the colon of the device's name.
        before_cpu: further providers for what it cannot run, ahead of the processor.
        mend: how to get a build of the engine with it.
    """

    provider: str
    option: str
    before_cpu: tuple[str, ...]
    mend: str


_NEED_CUDA_DRIVER = frozenset({"cuda", "tensorrt"})
_GPU_MEND = "pip uninstall onnxruntime, then pip install onnxruntime-gpu"
_ACCELERATORS: Mapping[str, _Accelerator] = {
    "cuda": _Accelerator("CUDAExecutionProvider", "device_id", (), _GPU_MEND),
    "tensorrt": _Accelerator(
        "TensorrtExecutionProvider", "device_id", ("CUDAExecutionProvider",), _GPU_MEND
    ),
    "openvino": _Accelerator(
        "OpenVINOExecutionProvider", "device_type", (), "pip install onnxruntime-openvino"
    ),
    "migraphx": _Accelerator(
        "MIGraphXExecutionProvider", "device_id", (), "install AMD's onnxruntime-migraphx"
    ),
    "qnn": _Accelerator("QNNExecutionProvider", "", (), "pip install onnxruntime-qnn"),
    "coreml": _Accelerator("CoreMLExecutionProvider", "", (), _GET_ENGINE),
    "xnnpack": _Accelerator(
        "XnnpackExecutionProvider", "", (), "build ONNX Runtime with --use_xnnpack"
    ),
}

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


class OnnxRuntimeBackend:
    """The backend ``onnxruntime``.

    Devices: ``cpu``, ``cuda``, ``tensorrt``, ``openvino``, ``migraphx``, ``qnn``, ``coreml`` and
    ``xnnpack``; a number or name may follow, as in ``cuda:1`` or ``openvino:GPU``.
    """

    name = "onnxruntime"

    def probe(self, device: str) -> Probe:
        """Whether the installed engine knows the device; loading alone shows that it works."""
        if missing_package("onnxruntime"):
            return Probe(False, f"ONNX Runtime is not installed; {_MEND}")
        try:
            engine = import_engine("onnxruntime", _MEND)
        except BackendError as error:
            return Probe(False, str(error))
        kind = device.partition(":")[0]
        if kind == "cpu":
            return Probe(True)
        accelerator = _ACCELERATORS.get(kind)
        if accelerator is None:
            known = ", ".join(["cpu", *_ACCELERATORS])
            return Probe(False, f"ONNX Runtime has no device '{device}'; there are: {known}")
        if accelerator.provider not in engine.get_available_providers():
            return Probe(
                False,
                f"this ONNX Runtime is built without {accelerator.provider}; "
                f"get it with: {accelerator.mend}",
            )
        if kind in _NEED_CUDA_DRIVER and not cuda_driver_present():
            return Probe(False, "NVIDIA's driver (libcuda.so.1) is not here; install it")
        return Probe(True)

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> OnnxRuntimeModel:
        """Load an ONNX file.

        Raises:
            BackendError: the device is not there or was not really used, an option is unknown,
                or the file is missing, empty, truncated or not ONNX.
        """
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(probe.reason)
        checked = checked_options(
            OnnxRuntimeOptions, options, f"options of model '{artifact.name}'"
        )
        path = artifact.path
        if not path.is_file() or path.stat().st_size == 0:
            state = "is empty" if path.is_file() else "is missing or no file"
            raise BackendError(f"model '{artifact.name}': {path} {state}")
        engine = import_engine("onnxruntime", _MEND)
        session_options = engine.SessionOptions()
        session_options.intra_op_num_threads = checked.threads or usable_cores()
        session_options.inter_op_num_threads = 1
        session_options.log_severity_level = _ERRORS_ONLY
        # Spinning threads take the cores that the rest of the node needs between two pictures.
        session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session_options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        before = resident_bytes()
        try:
            session = engine.InferenceSession(
                str(path),
                session_options,
                providers=_providers(device, checked),
                enable_fallback=0,
            )
            session.disable_fallback()
        except Exception as error:  # the engine's own types share no base but Exception
            raise BackendError(
                f"model '{artifact.name}': {path} ({path.stat().st_size} bytes) is damaged or not "
                f"an ONNX model that {device} can run: {first_line(error)}"
            ) from error
        _refuse_silent_fallback(session, device, artifact.name)
        return OnnxRuntimeModel(artifact, session, _device_in_use(session, device), before)


class OnnxRuntimeModel:
    """A loaded ONNX model; its `run` may be called from several threads.

    Attributes:
        inputs: declared inputs, in order.
        outputs: declared outputs, in order.
        metadata: the file's own metadata.
        device: the device in use, for example ``cpu`` or ``cuda:0``.
    """

    def __init__(
        self, artifact: ModelArtifact, session: Any, device: str, resident_before: int
    ) -> None:
        self._artifact = artifact
        self._session = session
        self._file_bytes = artifact.path.stat().st_size
        self._growth = resident_bytes() - resident_before
        self.device = device
        self.inputs: Sequence[TensorSpec] = _specs(session.get_inputs(), artifact)
        self.outputs: Sequence[TensorSpec] = _specs(session.get_outputs(), artifact)
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self._names = [spec.name for spec in self.outputs]
        self._has_run = False

    @property
    def memory_bytes(self) -> int:
        """Measured growth of the process by the load and the first run, at least the file's size.

        Other threads allocate meanwhile and the heap reuses what it has, so it is an estimate.
        """
        return max(self._growth, self._file_bytes) if self._session is not None else 0

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """All outputs for one set of inputs.

        Raises:
            BackendError: the model is closed, an input has another name, shape or dtype, the
                engine failed, or an output has values that are not finite.
        """
        self._check(feeds)
        results = self._infer(feeds)
        for name, result in results.items():
            if result.dtype.kind == "f" and not np.isfinite(result).all():
                raise BackendError(
                    f"model '{self._artifact.name}': output '{name}' has values that are not "
                    "finite; its input is not finite, or the file is damaged"
                )
        return results

    def warm_up(self) -> None:
        """Run once on zeros; sizes that the file leaves open are taken from its metadata or 1.

        Raises:
            BackendError: the engine failed although every size is declared.
        """
        feeds = {
            spec.name: np.zeros(_synthetic_shape(spec, self.metadata), dtype=spec.dtype)
            for spec in self.inputs
        }
        try:
            self._infer(feeds)
        except BackendError:
            # With sizes that are only guessed a failure says nothing about the model.
            if all(None not in spec.shape for spec in self.inputs):
                raise

    def close(self) -> None:
        """Give all memory back; the model cannot be used any more."""
        self._session = None

    def _infer(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        session = self._session
        if session is None:
            raise BackendError(f"model '{self._artifact.name}' is closed")
        before = 0 if self._has_run else resident_bytes()
        try:
            results = session.run(self._names, dict(feeds))
        except Exception as error:  # the engine's own types share no base but Exception
            raise BackendError(
                f"model '{self._artifact.name}' failed on {self.device}: {first_line(error)}"
            ) from error
        if not self._has_run:  # the first run allocates what all later ones use again
            self._has_run = True
            self._growth += max(0, resident_bytes() - before)
        return dict(zip(self._names, results, strict=True))

    def _check(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        expected = {spec.name for spec in self.inputs}
        if feeds.keys() != expected:
            raise BackendError(
                f"model '{self._artifact.name}' takes the inputs {sorted(expected)}, got "
                f"{sorted(feeds)}"
            )
        for spec in self.inputs:
            value = feeds[spec.name]
            fits = len(value.shape) == len(spec.shape) and all(
                want is None or want == have
                for want, have in zip(spec.shape, value.shape, strict=False)
            )
            if not fits or value.dtype != spec.dtype:
                raise BackendError(
                    f"model '{self._artifact.name}': input '{spec.name}' must be {spec.dtype} "
                    f"{_describe(spec.shape)}, got {value.dtype} {value.shape}"
                )


def _providers(device: str, options: OnnxRuntimeOptions) -> list[tuple[str, dict[str, str]]]:
    kind, _, index = device.partition(":")
    given = options.provider_options.get(kind, {})
    texts = {key: str(value) for key, value in given.items()}
    if kind == "cpu":
        return [(_CPU, texts)]
    accelerator = _ACCELERATORS[kind]
    if index and accelerator.option:
        texts.setdefault(accelerator.option, index)
    return [
        (accelerator.provider, texts),
        *((name, {}) for name in accelerator.before_cpu),
        (_CPU, {}),
    ]


def _refuse_silent_fallback(session: Any, device: str, model: str) -> None:
    """The engine goes on with the processor where a provider cannot start; we do not."""
    kind = device.partition(":")[0]
    wanted = _CPU if kind == "cpu" else _ACCELERATORS[kind].provider
    used = list(session.get_providers())
    if used[:1] != [wanted]:
        raise BackendError(
            f"model '{model}': {device} was asked for, but ONNX Runtime fell back to "
            f"{', '.join(used)}; check the device's driver and libraries"
        )
    # Registered is not used: an accelerator that supports no node of the graph stays idle.
    if hasattr(session, "get_provider_graph_assignment_info"):
        assigned = {part.ep_name for part in session.get_provider_graph_assignment_info()}
        if assigned and wanted not in assigned:
            raise BackendError(
                f"model '{model}': {device} was asked for, but it can run no part of the model; "
                f"all runs on {', '.join(sorted(assigned))}"
            )


def _device_in_use(session: Any, device: str) -> str:
    kind = device.partition(":")[0]
    if kind == "cpu" or not _ACCELERATORS[kind].option:
        return kind
    accelerator = _ACCELERATORS[kind]
    options = session.get_provider_options().get(accelerator.provider, {})
    index = options.get(accelerator.option, "")
    return f"{kind}:{index}" if index else kind


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


def _synthetic_shape(spec: TensorSpec, metadata: Mapping[str, str]) -> tuple[int, ...]:
    shape = [1 if size is None else size for size in spec.shape]
    sides = re.findall(r"\d+", metadata.get("imgsz", ""))
    if len(sides) == 2 and len(shape) == 4 and spec.shape[2:] == (None, None):
        shape[2:] = (int(side) for side in sides)
    return tuple(shape)


def _describe(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
