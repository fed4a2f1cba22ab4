"""A loaded ONNX model: the memory of its inputs and outputs, and calls from several threads."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.onnx_models import write_affine, write_model
from onnx import TensorProto, helper

from edge_mm_ros.backends import BackendError, ModelArtifact
from edge_mm_ros.backends.onnxruntime_backend import OnnxRuntimeBackend, OnnxRuntimeModel
from edge_mm_ros.backends.process_share import resident_bytes
from edge_mm_ros.heap import trim_heap

pytest.importorskip("onnxruntime")


def load(path: Path, **options: Any) -> OnnxRuntimeModel:
    return OnnxRuntimeBackend().load(ModelArtifact("m", path, "detection"), "cpu", options)


def test_outputs_of_fixed_sizes_are_allocated_once_and_kept_while_they_are_used(
    tmp_path: Path,
) -> None:
    model = load(write_affine(tmp_path / "m.onnx", (2, 3)))
    model.warm_up()
    assert model._buffers is not None
    first = model.run({"x": np.full((2, 3), 1, np.float32)})["y"]
    row = model.run({"x": np.full((2, 3), 2, np.float32)})["y"][1]
    for value in range(50):
        result = model.run({"x": np.full((2, 3), value, np.float32)})["y"]
        assert (result == 2 * value + 1).all()
    assert (first == 3).all()
    assert (row == 5).all()
    # Two are kept above, and one is still named while the next is made.
    assert model._buffers.allocations == 4


def test_the_engine_keeps_no_input_after_the_call(tmp_path: Path) -> None:
    model = load(write_affine(tmp_path / "m.onnx", (2, 3)))
    model.warm_up()
    picture = np.zeros((2, 3), np.float32)
    gone = weakref.ref(picture)
    model.run({"x": picture})
    del picture
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("shape", [(64, 65), ("n", 65)])
def test_calls_from_several_threads_get_their_own_answers(
    tmp_path: Path, shape: tuple[Any, ...]
) -> None:
    model = load(write_affine(tmp_path / "m.onnx", shape), threads=1)
    model.warm_up()

    def ask(value: int) -> bool:
        result = model.run({"x": np.full((64, 65), value, np.float32)})["y"]
        again = model.run({"x": np.full((64, 65), -value, np.float32)})["y"]
        return bool((result == 2 * value + 1).all() and (again == 1 - 2 * value).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(300)))


def test_an_array_that_is_not_contiguous_is_taken(tmp_path: Path) -> None:
    model = load(write_affine(tmp_path / "m.onnx", (2, 3)))
    model.warm_up()
    turned = np.arange(6, dtype=np.float32).reshape(3, 2).T
    for _ in range(2):
        np.testing.assert_array_equal(model.run({"x": turned})["y"], [[1, 5, 9], [3, 7, 11]])
    assert model.run({"x": np.broadcast_to(np.float32(1), (2, 3))})["y"].tolist() == [[3] * 3] * 2


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.int64, np.bool_])
def test_outputs_of_every_type_and_outputs_that_are_constants_or_inputs(
    tmp_path: Path, dtype: Any
) -> None:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    constant = np.array([0, 1], dtype)
    path = write_model(
        tmp_path / "m.onnx",
        [
            helper.make_node("Identity", ["x"], ["same"]),
            helper.make_node("Identity", ["c"], ["fixed"]),
            helper.make_node("Squeeze", ["x"], ["scalar"]),
        ],
        [helper.make_tensor_value_info("x", kind, (1,))],
        [
            helper.make_tensor_value_info("same", kind, (1,)),
            helper.make_tensor_value_info("fixed", kind, (2,)),
            helper.make_tensor_value_info("scalar", kind, ()),
        ],
        {"c": constant},
    )
    model = load(path)
    for _ in range(3):
        result = model.run({"x": np.array([1], dtype)})
        assert {name: (array.dtype, array.tolist()) for name, array in result.items()} == {
            "same": (dtype, [1]),
            "fixed": (dtype, [0, 1]),
            "scalar": (dtype, 1),
        }
    assert model._buffers is not None


def test_an_output_of_another_shape_than_the_file_says_is_told_and_works(tmp_path: Path) -> None:
    kind = TensorProto.FLOAT
    path = write_model(
        tmp_path / "m.onnx",
        # How many values are not zero, the file cannot know.
        [
            helper.make_node("NonZero", ["x"], ["where"]),
            helper.make_node("Cast", ["where"], ["y"], to=kind),
        ],
        [helper.make_tensor_value_info("x", kind, (4,))],
        [helper.make_tensor_value_info("y", kind, (1, 4))],
    )
    model = load(path)
    model.warm_up()
    assert "y has another shape than the file says" in model.report["outputs"]
    assert model.run({"x": np.array([0, 5, 0, 5], np.float32)})["y"].tolist() == [[1, 3]]


def test_memory_for_an_unusually_large_input_is_given_back(tmp_path: Path) -> None:
    kind = TensorProto.FLOAT
    path = write_model(
        tmp_path / "m.onnx",
        [
            helper.make_node("Exp", ["x"], ["e"]),
            helper.make_node("Softmax", ["e"], ["s"], axis=0),
            helper.make_node("ReduceMax", ["s"], ["y"], keepdims=0),
        ],
        [helper.make_tensor_value_info("x", kind, ("n",))],
        [helper.make_tensor_value_info("y", kind, ())],
    )
    model = load(path)
    model.run({"x": np.zeros(10, np.float32)})
    before = resident_bytes()
    model.run({"x": np.zeros(20_000_000, np.float32)})  # 80 MB, and as much for what is between
    trim_heap()
    assert resident_bytes() - before < 40e6


def test_a_model_that_gives_no_finite_numbers_fails_when_it_is_warmed_up(tmp_path: Path) -> None:
    kind = TensorProto.FLOAT
    path = write_model(
        tmp_path / "m.onnx",
        [helper.make_node("Add", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", kind, (2,))],
        [helper.make_tensor_value_info("y", kind, (2,))],
        {"w": np.array([1, np.nan], np.float32)},
    )
    model = load(path)
    with pytest.raises(BackendError, match="'y' has values that are not finite, although"):
        model.warm_up()
