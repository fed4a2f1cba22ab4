"""ONNX Runtime behind the protocol: life, checks, faults and the device really used."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.onnx_models import write_affine, write_model, write_with_external_data
from onnx import TensorProto, helper

from edge_mm_ros.backends import (
    BackendError,
    InputRefused,
    ModelArtifact,
    TensorModel,
    TensorSpec,
    onnxruntime_providers,
)
from edge_mm_ros.backends.onnxruntime_backend import OnnxRuntimeBackend, OnnxRuntimeModel
from edge_mm_ros.backends.process_share import usable_cores
from edge_mm_ros.model_repository import ModelRepository

onnxruntime = pytest.importorskip("onnxruntime")


def load(path: Path, device: str = "cpu", **options: Any) -> OnnxRuntimeModel:
    return OnnxRuntimeBackend().load(ModelArtifact("m", path, "detection"), device, options)


@pytest.fixture
def affine(tmp_path: Path) -> OnnxRuntimeModel:
    return load(write_affine(tmp_path / "affine.onnx", ("n", 3)))


def test_the_engine_is_imported_at_first_use_only() -> None:
    code = (
        "import sys, edge_mm_ros.backends.onnxruntime_backend as b; b.OnnxRuntimeBackend(); "
        "sys.exit('onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_embedded_detector_tells_what_it_is() -> None:
    path = ModelRepository().locate("person_fall_detector")
    model = load(path)
    assert isinstance(model, TensorModel)
    assert [(s.name, s.shape, s.dtype) for s in model.inputs] == [
        ("images", (1, 3, 640, 640), np.dtype(np.float32))
    ]
    assert [s.shape for s in model.outputs] == [(1, 6, 8400)]
    assert model.metadata["names"] == "{0: 'Normal', 1: 'Fall'}"
    assert model.device == "cpu"
    assert model.memory_bytes >= path.stat().st_size


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_it_computes(tmp_path: Path, dtype: Any) -> None:
    model = load(write_affine(tmp_path / "m.onnx", ("n", 3), dtype))
    values = np.array([[0, 1, -2], [0.5, 100, 3]], dtype)
    result = model.run({"x": values})["y"]
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.array([[1, 3, -3], [2, 201, 7]], dtype))


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({}, r"takes the inputs \['x'\], got \[\]"),
        ({"z": np.zeros((1, 3), np.float32)}, r"takes the inputs \['x'\], got \['z'\]"),
        (
            {"x": np.zeros((1, 3), np.float32), "z": np.zeros(1, np.float32)},
            r"got \['x', 'z'\]",
        ),
        ({"x": np.zeros((1, 3), np.float64)}, r"must be float32 \(any, 3\), got float64 \(1, 3\)"),
        ({"x": np.zeros((1, 4), np.float32)}, r"must be float32 \(any, 3\), got float32 \(1, 4\)"),
        ({"x": np.zeros(3, np.float32)}, r"got float32 \(3,\)"),
    ],
)
def test_a_feed_that_does_not_fit_is_refused(
    affine: OnnxRuntimeModel, feeds: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputRefused, match=said):
        affine.run(feeds)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_comes_out(affine: OnnxRuntimeModel, poison: float) -> None:
    values = np.zeros((2, 3), np.float32)
    values[1, 2] = poison
    with pytest.raises(InputRefused, match="input 'x' has values that are not finite"):
        affine.run({"x": values})


def test_an_output_that_is_not_finite_for_a_good_input_is_the_engines_fault(
    affine: OnnxRuntimeModel,
) -> None:
    huge = np.full((1, 3), 3e38, np.float32)
    with pytest.raises(BackendError, match="'y' .* although the input is") as failed:
        affine.run({"x": huge})
    assert not isinstance(failed.value, InputRefused)


def test_a_fault_of_the_engine_is_one_line(tmp_path: Path) -> None:
    kind = TensorProto.INT64
    path = write_model(
        tmp_path / "gather.onnx",
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        [helper.make_tensor_value_info("x", kind, (1,))],
        [helper.make_tensor_value_info("y", kind, (1,))],
        {"table": np.arange(3)},
    )
    model = load(path)
    assert model.run({"x": np.array([2])})["y"].tolist() == [2]
    with pytest.raises(BackendError, match="model 'm' failed on cpu") as refused:
        model.run({"x": np.array([7])})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"\x00" * 100,
        b"not a model at all" * 50,
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        pickle.dumps({"state_dict": 1}),
        b"\x18\0\0\0ORTM" + bytes(64),
    ],
    ids=["missing", "empty", "zeros", "text", "png", "pickle", "ort"],
)
def test_a_file_that_is_no_model_gives_one_line_with_its_path(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackendError, match=r"broken\.onnx") as refused:
        load(path)
    assert "\n" not in str(refused.value)


def test_a_model_cut_anywhere_in_its_graph_is_refused(tmp_path: Path) -> None:
    whole = write_affine(tmp_path / "whole.onnx", (1, 3)).read_bytes()
    end_of_graph = whole.rindex(b"\x42")  # the field that names the operator set comes last
    cut = tmp_path / "cut.onnx"
    for size in range(1, end_of_graph, 3):
        cut.write_bytes(whole[:size])
        with pytest.raises(BackendError, match=r"cut\.onnx"):
            load(cut)


def test_the_embedded_detector_cut_in_half_is_refused(tmp_path: Path) -> None:
    whole = ModelRepository().locate("person_fall_detector").read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackendError, match=r"half\.onnx .* is damaged or not an ONNX model"):
        load(tmp_path / "half.onnx")


def test_an_output_without_numpy_type_is_refused(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "text.onnx",
        [helper.make_node("Identity", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.STRING, (1,))],
        [helper.make_tensor_value_info("y", TensorProto.STRING, (1,))],
    )
    with pytest.raises(BackendError, match=r"'x' is a tensor\(string\)"):
        load(path)


def test_an_unknown_device_is_refused_with_the_known_ones() -> None:
    probe = OnnxRuntimeBackend().probe("abacus")
    assert not probe.available
    assert "'abacus'" in probe.reason
    assert "auto, tensorrt, cuda, migraphx, openvino, qnn, coreml, xnnpack, cpu" in probe.reason


def test_a_device_that_the_engine_was_built_without_is_refused_with_its_mend(
    affine: OnnxRuntimeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert OnnxRuntimeBackend().probe("cpu").available
    for device in ("cuda", "cuda:1", "tensorrt", "openvino:GPU"):
        probe = OnnxRuntimeBackend().probe(device)
        assert not probe.available
        assert "pip install onnxruntime-" in probe.reason
        with pytest.raises(BackendError, match="built without"):
            load(tmp_path / "affine.onnx", device)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="this engine has CUDA",
)
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_session_that_fell_back_to_the_processor_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The engine here has no CUDA; made to believe so, it goes on with the processor by itself.
    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    monkeypatch.setattr(onnxruntime_providers, "cuda_driver_present", lambda: True)
    path = write_affine(tmp_path / "m.onnx", (1, 3))
    with pytest.raises(BackendError, match="cuda was asked for, but ONNX Runtime fell back to CPU"):
        load(path, "cuda")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"thraeds": 2}, "unknown key 'thraeds'"),
        ({"threads": -1}, "'threads'"),
        ({"threads": "two"}, "'threads'"),
        ({"provider_options": {"cuda": 3}}, "'provider_options.cuda'"),
    ],
)
def test_a_wrong_option_is_refused_by_name(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    path = write_affine(tmp_path / "m.onnx", (1, 3))
    with pytest.raises(BackendError, match=said):
        load(path, **options)


@pytest.mark.parametrize(("options", "threads"), [({}, usable_cores()), ({"threads": 3}, 3)])
def test_threads_are_the_share_of_the_process_and_do_not_spin(
    tmp_path: Path, options: dict[str, Any], threads: int
) -> None:
    model = load(write_affine(tmp_path / "m.onnx", (1, 3)), **options)
    settings = model._session.get_session_options()
    assert settings.intra_op_num_threads == threads
    assert settings.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_other_inputs_than_declared_are_refused_at_load(tmp_path: Path) -> None:
    path = write_affine(tmp_path / "m.onnx", ("n", 3))
    float32 = np.dtype(np.float32)

    def declared(*inputs: TensorSpec) -> OnnxRuntimeModel:
        artifact = ModelArtifact("m", path, "detection", inputs=inputs)
        return OnnxRuntimeBackend().load(artifact, "cpu", {})

    assert declared(TensorSpec("x", (2, 3), float32))
    assert declared(TensorSpec("x", (None, None), float32))
    for wrong in (
        (TensorSpec("z", (2, 3), float32),),
        (TensorSpec("x", (2, 4), float32),),
        (TensorSpec("x", (3,), float32),),
        (TensorSpec("x", (2, 3), np.dtype(np.uint8)),),
        (TensorSpec("x", (2, 3), float32), TensorSpec("z", (1,), float32)),
    ):
        with pytest.raises(BackendError, match=r"declares .* has x float32 \(any, 3\); correct"):
            declared(*wrong)


def test_data_outside_the_models_folder_never_reaches_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    np.ones(3, np.float32).tofile(folder / "w.bin")
    path = write_with_external_data(folder / "m.onnx", "w.bin", 3)
    assert load(path).run({"x": np.zeros(3, np.float32)})["y"].tolist() == [1, 1, 1]
    assert load(path).memory_bytes >= path.stat().st_size + 12
    np.ones(3, np.float32).tofile(tmp_path / "w.bin")
    path = write_with_external_data(folder / "m.onnx", "../w.bin", 3)
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    with pytest.raises(BackendError, match=r"'\.\./w\.bin', outside the model's folder"):
        load(path)


def test_a_closed_model_holds_nothing_and_refuses(affine: OnnxRuntimeModel) -> None:
    affine.close()
    assert affine.memory_bytes == 0
    with pytest.raises(BackendError, match="model 'm' is closed"):
        affine.run({"x": np.zeros((1, 3), np.float32)})


def test_warming_up_takes_open_sizes_as_one(affine: OnnxRuntimeModel) -> None:
    affine.warm_up()


def test_warming_up_takes_the_size_of_a_picture_from_the_metadata(tmp_path: Path) -> None:
    kind = TensorProto.FLOAT
    path = write_model(
        tmp_path / "m.onnx",
        # Only a picture of 8 x 16 can be cut into these.
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        [helper.make_tensor_value_info("x", kind, (1, 3, "h", "w"))],
        [helper.make_tensor_value_info("y", kind, (3, 128))],
        {"shape": np.array([3, 128])},
        {"imgsz": "[8, 16]"},
    )
    model = load(path)
    seen = []
    run = model._session.run
    model._session.run = lambda names, feeds, how: (
        seen.append(feeds["x"].shape) or run(names, feeds)
    )
    model.warm_up()
    assert seen == [(1, 3, 8, 16)]


def test_warming_up_fails_only_where_every_size_is_declared(tmp_path: Path) -> None:
    def squeeze(shape: tuple[Any, ...]) -> OnnxRuntimeModel:
        kind = TensorProto.INT64
        return load(
            write_model(
                tmp_path / "m.onnx",
                [helper.make_node("Gather", ["table", "x"], ["y"])],
                [helper.make_tensor_value_info("x", kind, shape)],
                [helper.make_tensor_value_info("y", kind, shape)],
                {"table": np.zeros(0, np.int64)},
            )
        )

    squeeze(("n",)).warm_up()
    with pytest.raises(BackendError, match="failed on cpu"):
        squeeze((1,)).warm_up()


def test_the_voice_activity_model_with_its_open_sizes_warms_up() -> None:
    path = ModelRepository().locate("silero_vad")
    load(path).warm_up()


def test_cuda_without_a_driver_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime_providers, "cuda_driver_present", lambda: False)
    assert "driver" in OnnxRuntimeBackend().probe("cuda").reason


def test_a_missing_engine_is_named_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_affine(tmp_path / "m.onnx", (1, 3))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert not OnnxRuntimeBackend().probe("cpu").available
    with pytest.raises(BackendError, match="not installed; get it with: pip install onnxruntime"):
        load(path)
