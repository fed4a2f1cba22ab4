"""How a model is compiled for TensorRT: which precision, which shapes, and its calibration."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from edge_mm_ros.backends.engines import first_line
from edge_mm_ros.backends.protocol import BackendError, ModelArtifact, TensorSpec
from edge_mm_ros.backends.tensor_checks import describe
from edge_mm_ros.backends.tensorrt_engine import Network, Progress, Recipe, Shape, Toolkit
from edge_mm_ros.params.base import StrictModel


class TensorRtOptions(StrictModel):
    """Options of a manifest for this backend."""

    precision: Literal["fp16", "int8", "fp32", "model"] = Field(
        "fp16",
        description="What may be computed in; 'model': just the types that the ONNX file has.",
    )
    calibration: str = Field(
        "",
        description="For int8, where the model has no quantisation of its own: a folder below the "
        "model's with .npy files, each one input (TensorRT 10).",
    )
    shapes: dict[str, tuple[Shape, Shape, Shape]] = Field(
        default_factory=dict,
        description="Smallest, usual and largest size of each input that has an open size.",
    )
    workspace_bytes: int = Field(
        0, ge=0, description="Memory of the GPU for the compiler; 0: all. [B]"
    )

    @field_validator("shapes")
    @classmethod
    def _sizes_rise(
        cls, shapes: dict[str, tuple[Shape, Shape, Shape]]
    ) -> dict[str, tuple[Shape, Shape, Shape]]:
        for name, (smallest, usual, largest) in shapes.items():
            rows = list(zip(smallest, usual, largest))
            if not len(smallest) == len(usual) == len(largest) or any(
                not 1 <= a <= b <= c for a, b, c in rows
            ):
                raise ValueError(f"'{name}' needs three shapes of rising sizes")
        return shapes


def compile_model(
    toolkit: Toolkit,
    artifact: ModelArtifact,
    options: TensorRtOptions,
    device_index: int,
    progress: Progress,
) -> bytes | memoryview:
    """Compile an ONNX file for a GPU.

    Raises:
        BackendError: the precision or the shapes cannot be had, or TensorRT refuses the model.
    """
    strongly_typed = toolkit.strongly_typed_only or options.precision == "model"
    source: Path | bytes = artifact.path
    if toolkit.strongly_typed_only and options.precision == "fp16":
        # This compiler computes in the types of the model and in no other.
        progress("convert to float16")
        source = as_float16(artifact)
    network = toolkit.read(source, strongly_typed, device_index)
    recipe = make_recipe(toolkit, network, artifact, options)
    return network.compile(recipe, progress)


def make_recipe(
    toolkit: Toolkit, network: Network, artifact: ModelArtifact, options: TensorRtOptions
) -> Recipe:
    """What the compiler is told.

    Raises:
        BackendError: see `compile_model`.
    """
    strongly_typed = toolkit.strongly_typed_only or options.precision == "model"
    calibration = None
    flags: set[str] = set()
    if options.precision == "int8" and not network.quantised:
        if toolkit.strongly_typed_only or not options.calibration:
            raise BackendError(
                "int8 needs an ONNX file with QuantizeLinear nodes"
                + (
                    f", TensorRT {toolkit.version} calibrates none itself"
                    if toolkit.strongly_typed_only
                    else " or 'calibration' in the manifest's options"
                )
                + "; quantise it with onnxruntime.quantization.quantize_static, or ask for fp16"
            )
        calibration = read_calibration(artifact, options, network.inputs)
    if not strongly_typed and options.precision in {"fp16", "int8"}:
        flags = {"fp16"} | ({"int8"} if options.precision == "int8" or network.quantised else set())
    return Recipe(
        flags=frozenset(flags),
        strongly_typed=strongly_typed,
        shapes=_open_shapes(artifact, options, network.inputs),
        workspace_bytes=options.workspace_bytes,
        calibration=calibration,
    )


def read_calibration(
    artifact: ModelArtifact, options: TensorRtOptions, inputs: Sequence[TensorSpec]
) -> Iterator[Mapping[str, NDArray[Any]]]:
    """Each file of the calibration folder, as the model's one input.

    Raises:
        BackendError: the folder is not below the model's or holds no .npy file; a file is no plain
            array, or does not fit the input; or the model has several inputs.
    """
    if len(inputs) != 1:
        raise BackendError(
            f"it has several inputs ({describe(inputs)}); calibrate it with "
            "onnxruntime.quantization.quantize_static"
        )
    files = calibration_files(artifact, options)
    spec = inputs[0]

    def batches() -> Iterator[Mapping[str, NDArray[Any]]]:
        for file in files:
            try:
                array = np.load(file, allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise BackendError(f"{file} holds no plain array ({first_line(error)})") from error
            if array.dtype != spec.dtype or len(array.shape) != len(spec.shape):
                raise BackendError(
                    f"{file} holds {array.dtype} {array.shape}, the input is {describe(inputs)}"
                )
            yield {spec.name: np.require(array, requirements="C")}

    # Read once beforehand: what is raised inside the compiler's callback would be lost.
    for _ in batches():
        pass
    return batches()


def calibration_files(artifact: ModelArtifact, options: TensorRtOptions) -> list[Path]:
    """The files that int8 is calibrated by, in order; none where it is not.

    Raises:
        BackendError: the folder is not below the model's, or holds no .npy file.
    """
    if not options.calibration:
        return []
    base = artifact.path.parent.resolve()
    folder = (base / options.calibration).resolve()
    if not folder.is_relative_to(base):
        raise BackendError(
            f"model '{artifact.name}': calibration '{options.calibration}' is outside the model's "
            f"folder {base}; put it there"
        )
    files = sorted(folder.glob("*.npy"))
    if not files:
        raise BackendError(f"model '{artifact.name}': {folder} holds no .npy files to calibrate by")
    return files


def calibration_digest(artifact: ModelArtifact, options: TensorRtOptions) -> str:
    """Digest of the calibration, as part of the engine's key; empty where there is none."""
    digest = hashlib.sha256()
    files = calibration_files(artifact, options)
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest() if files else ""


def as_float16(artifact: ModelArtifact) -> Path | bytes:
    """An ONNX file whose inner types are float16; its inputs and outputs stay as they are.

    Returns:
        the file itself where it has float16 or quantised weights already, else a new model.

    Raises:
        BackendError: the packages that convert are missing, or cannot convert it.
    """
    try:
        onnx = importlib.import_module("onnx")
        converter = importlib.import_module("onnxruntime.transformers.float16")
    except ImportError as error:
        raise BackendError(
            f"{error.name} is missing, which converts the model to "
            "float16 for this TensorRT; pip install edge_mm_ros[tensorrt,vision], or ask for fp32"
        ) from error
    try:
        model = onnx.load(str(artifact.path))
        kept = (onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
        if any(weight.data_type in kept for weight in model.graph.initializer):
            return artifact.path
        converted = converter.convert_float_to_float16(model, keep_io_types=True)
        return bytes(converted.SerializeToString())
    except Exception as error:  # the converter may raise anything
        raise BackendError(
            f"it cannot be converted to float16 ({first_line(error)}); ask for fp32, or export it "
            "in float16"
        ) from error


def _open_shapes(
    artifact: ModelArtifact, options: TensorRtOptions, inputs: Sequence[TensorSpec]
) -> dict[str, tuple[Shape, Shape, Shape]]:
    """The sizes of each input that leaves one open: of the options, else as the manifest says."""
    names = {spec.name for spec in inputs}
    unknown = sorted(options.shapes.keys() - names)
    if unknown:
        raise BackendError(
            f"its manifest gives shapes of {', '.join(unknown)}, but the inputs are "
            f"{describe(inputs)}"
        )
    declared = {spec.name: spec.shape for spec in artifact.inputs}
    found = {}
    for spec in inputs:
        if None not in spec.shape:
            continue
        fixed = tuple(size for size in declared.get(spec.name, ()) if size is not None)
        if spec.name in options.shapes:
            found[spec.name] = options.shapes[spec.name]
        elif len(fixed) == len(spec.shape):
            found[spec.name] = (fixed, fixed, fixed)
        else:
            raise BackendError(
                f"the input {describe([spec])} has an open size; give 'shapes' in the manifest's "
                "options, or its whole shape in 'inputs'"
            )
    return found
