"""Tiny real ONNX files, for outputs and faults that no shipped model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int64): TensorProto.INT64,
}


def write_model(
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Mapping[str, NDArray[Any]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a graph, in an opset that every ONNX Runtime of the last years reads."""
    initializers = [numpy_helper.from_array(v, name=n) for n, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializer=initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, str(path))
    return path


def write_affine(path: Path, shape: Sequence[Any], dtype: Any = np.float32) -> Path:
    """``y = 2 x + 1`` of any shape; a text in the shape is an open size."""
    kind = _TYPES[np.dtype(dtype)]
    return write_model(
        path,
        [
            helper.make_node("Mul", ["x", "two"], ["xx"]),
            helper.make_node("Add", ["xx", "one"], ["y"]),
        ],
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
        {"two": np.array(2, dtype), "one": np.array(1, dtype)},
    )


def write_with_external_data(path: Path, location: str, size: int) -> Path:
    """``y = x + w`` of `size` values, whose ``w`` is taken from the file `location`."""
    shape = (size,)
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=shape)
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "external",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def write_detector(
    path: Path,
    outputs: Mapping[str, NDArray[Any]],
    input_shape: Sequence[Any] = (1, 3, 64, 64),
    dtype: Any = np.float32,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """A picture model that answers the given outputs to every finite picture."""
    nodes = [
        helper.make_node("ReduceSum", ["images"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
    ]
    constants: dict[str, NDArray[Any]] = {"zero": np.array(0, dtype)}
    infos = []
    for name, value in outputs.items():
        kind = _TYPES[value.dtype]
        constants[f"{name}_value"] = value
        nodes.append(helper.make_node("Cast", ["nothing"], [f"{name}_nothing"], to=kind))
        nodes.append(helper.make_node("Add", [f"{name}_value", f"{name}_nothing"], [name]))
        infos.append(helper.make_tensor_value_info(name, kind, value.shape))
    picture = helper.make_tensor_value_info("images", _TYPES[np.dtype(dtype)], input_shape)
    return write_model(path, nodes, [picture], infos, constants, metadata)
