"""Real ONNX files that take several pictures at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from fakes.onnx_models import write_model
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def with_batch(source: Path, target: Path, batch: int | str) -> Path:
    """A copy of a model of one picture that takes `batch` of them; a text: any number.

    The first size of inputs and outputs changes, and where a shape in the graph names it, the
    first size of what is reshaped is kept instead.
    """
    model = onnx.load(str(source))
    for value in (*model.graph.input, *model.graph.output):
        size = value.type.tensor_type.shape.dim[0]
        assert size.dim_value == 1
        if isinstance(batch, str):
            size.dim_param = batch
        else:
            size.dim_value = batch
    del model.graph.value_info[:]
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    constants = {node.output[0]: node for node in model.graph.node if node.op_type == "Constant"}
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    for name in shapes:
        tensor = initializers[name] if name in initializers else constants[name].attribute[0].t
        shape = numpy_helper.to_array(tensor).copy()
        assert shape[0] == 1
        shape[0] = 0  # as it comes
        tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    onnx.save(model, str(target))
    return target


def write_batch_detector(
    path: Path, table: NDArray[np.float32], metadata: Mapping[str, str], side: int = 64
) -> Path:
    """Answers the same table (1, rows, columns) to each of any number of pictures."""
    nodes: list[Any] = [
        helper.make_node("ReduceSum", ["images", "axes"], ["sums"], keepdims=0),
        helper.make_node("Mul", ["sums", "zero"], ["nothing"]),
        helper.make_node("Unsqueeze", ["nothing", "last"], ["nothings"]),
        helper.make_node("Add", ["table", "nothings"], ["output0"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "axes": np.array([1, 2, 3], np.int64),
        "last": np.array([1, 2], np.int64),
        "zero": np.array(0, np.float32),
        "table": table,
    }
    kind = TensorProto.FLOAT
    pictures = helper.make_tensor_value_info("images", kind, ("batch", 3, side, side))
    answer = helper.make_tensor_value_info("output0", kind, ("batch", *table.shape[1:]))
    return write_model(path, nodes, [pictures], [answer], constants, metadata)
