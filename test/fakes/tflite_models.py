"""Tiny real TFLite files, written with the schema that comes with the engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_sum(
    path: Path,
    constant: NDArray[Any],
    shape: Sequence[int],
    *,
    open_first_size: bool = False,
    quantization: tuple[float, int] | None = None,
) -> Path:
    """Write ``y = x + constant``, both of one dtype.

    Args:
        constant: broadcast to `shape`.
        shape: of ``x`` and ``y``.
        open_first_size: whether the first size may change.
        quantization: scale and zero point of all three tensors.
    """
    import ai_edge_litert.schema_py_generated as schema
    import flatbuffers

    types = {"float32": "FLOAT32", "int8": "INT8", "uint8": "UINT8"}
    tensor_type = getattr(schema.TensorType, types[str(constant.dtype)])

    def tensor(name: str, buffer: int, sizes: Sequence[int]) -> Any:
        made = schema.TensorT()
        made.name = name
        made.shape = np.array(sizes, np.int32)
        made.type = tensor_type
        made.buffer = buffer
        if open_first_size and not buffer:
            made.shapeSignature = np.array([-1, *sizes[1:]], np.int32)
        if quantization is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = np.array([quantization[0]], np.float32)
            made.quantization.zeroPoint = np.array([quantization[1]], np.int64)
        return made

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 2 if constant.dtype == np.int8 else 1
    data = schema.BufferT()
    data.data = constant.view(np.uint8).ravel()
    operator = schema.OperatorT()
    operator.inputs = np.array([0, 1], np.int32)
    operator.outputs = np.array([2], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.AddOptions
    operator.builtinOptions = schema.AddOptionsT()
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("x", 0, shape),
        tensor("constant", 1, constant.shape),
        tensor("y", 0, shape),
    ]
    graph.inputs = np.array([0], np.int32)
    graph.outputs = np.array([2], np.int32)
    graph.operators = [operator]
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [code]
    model.buffers = [schema.BufferT(), data]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
