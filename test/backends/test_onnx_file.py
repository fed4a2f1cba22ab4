"""ONNX files that refer to others: only to good ones beside them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from fakes.onnx_models import write_affine
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edge_mm_ros.backends import BackendError
from edge_mm_ros.backends.onnx_file import external_files
from edge_mm_ros.model_repository import ModelRepository


def external_tensor(location: str, **entries: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def model_with(place: str, tensor: TensorProto) -> onnx.ModelProto:
    """A model that holds a tensor in one of the places where ONNX allows one."""
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (4,))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (4,))
    initializers = [tensor] if place == "initializer" else []
    if place == "constant":
        nodes.append(helper.make_node("Constant", [], ["c"], value=tensor))
    if place == "branch":
        branch = helper.make_graph([], "b", [], [], [tensor])
        nodes.append(helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    if place == "sparse":
        graph.sparse_initializer.add().values.CopyFrom(tensor)
    model = helper.make_model(graph)
    if place == "function":
        inner = helper.make_node("Constant", [], ["c"], value=tensor)
        model.functions.append(helper.make_function("d", "f", [], ["c"], [inner], []))
    if place == "training":
        model.training_info.add().algorithm.initializer.append(tensor)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    np.arange(4, dtype=np.float32).tofile(tmp_path / "secret.bin")
    np.arange(4, dtype=np.float32).tofile(tmp_path / "models" / "w.bin")
    (tmp_path / "models" / "link.bin").symlink_to(tmp_path / "secret.bin")
    return tmp_path / "models"


def written(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    "place", ["initializer", "constant", "branch", "sparse", "function", "training"]
)
def test_data_beside_the_model_is_found_and_data_elsewhere_refused(
    folder: Path, place: str
) -> None:
    path = written(folder, model_with(place, external_tensor("w.bin", length="16")))
    assert external_files("m", path) == (folder / "w.bin",)
    path = written(folder, model_with(place, external_tensor("../secret.bin")))
    with pytest.raises(BackendError, match="outside the model's folder .* export the model"):
        external_files("m", path)


@pytest.mark.parametrize(
    ("location", "entries", "said"),
    [
        ("/etc/passwd", {}, "'/etc/passwd', outside the model's folder"),
        ("link.bin", {}, "'link.bin', outside the model's folder"),
        ("a/../../secret.bin", {}, "outside the model's folder"),
        ("", {}, "outside the model's folder"),
        ("none.bin", {}, r"none\.bin, which is missing; put it there"),
        (".", {}, "which is missing"),
        ("w.bin", {"length": "17"}, r"w\.bin is cut off"),
        ("w.bin", {"offset": "8", "length": "12"}, r"w\.bin is cut off"),
        ("w.bin", {"length": "lots"}, r"w\.bin is cut off"),
        ("w.bin", {"offset": "-9", "length": "0"}, r"w\.bin is cut off"),
    ],
)
def test_a_reference_that_cannot_be_followed_is_named(
    folder: Path, location: str, entries: Mapping[str, str], said: str
) -> None:
    path = written(folder, model_with("initializer", external_tensor(location, **entries)))
    with pytest.raises(BackendError, match=said):
        external_files("m", path)


def test_models_without_external_data_refer_to_nothing(tmp_path: Path) -> None:
    assert external_files("m", write_affine(tmp_path / "m.onnx", (1, 3))) == ()
    for name in ("person_fall_detector", "silero_vad"):
        assert external_files(name, ModelRepository().locate(name)) == ()


def test_a_file_cut_off_inside_its_graph_is_refused(folder: Path) -> None:
    model = model_with("initializer", external_tensor("w.bin"))
    whole = written(folder, model).read_bytes()
    end_of_graph = len(whole) - len(model.opset_import[0].SerializeToString()) - 2
    for size in range(8, end_of_graph):
        (folder / "m.onnx").write_bytes(whole[:size])
        with pytest.raises(BackendError, match=r"m\.onnx \(\d+ bytes\) is damaged"):
            external_files("m", folder / "m.onnx")


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(content)
    with contextlib.suppress(BackendError):
        assert external_files("m", path) == ()


@given(data=st.data())
def test_a_model_with_changed_bytes_is_read_or_refused_but_never_followed_out(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "changed"
    folder.mkdir(exist_ok=True)
    (folder / "w.bin").write_bytes(bytes(16))
    content = bytearray(model_with("branch", external_tensor("w.bin")).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "m.onnx").write_bytes(content)
    try:
        files = external_files("m", folder / "m.onnx")
    except BackendError:
        return
    assert set(files) <= {folder / "w.bin"}
