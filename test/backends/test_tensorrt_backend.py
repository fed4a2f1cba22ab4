"""TensorRT: what is decided here, against a fake of its interface; the rest where a GPU is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fakes.fake_tensorrt import FLOAT32, FakeToolkit
from fakes.onnx_models import write_affine, write_model
from onnx import TensorProto, helper

from edge_mm_ros.backends import (
    BackendError,
    EngineBuilder,
    InputRefused,
    ModelArtifact,
    TensorModel,
    TensorSpec,
    device_memory,
    engines,
)
from edge_mm_ros.backends.tensorrt_backend import TensorRtBackend
from edge_mm_ros.backends.tensorrt_build import as_float16
from edge_mm_ros.backends.tensorrt_model import TensorRtModel

ONES = np.ones((2, 3), np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("EDGE_MM_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return write_affine(tmp_path / "models" / "m.onnx", (2, 3))


def artifact(file: Path, *inputs: TensorSpec) -> ModelArtifact:
    return ModelArtifact("m", file, "detection", inputs=inputs)


def load(
    toolkit: FakeToolkit, file: Path, *inputs: TensorSpec, device: str = "cuda", **options: Any
) -> TensorRtModel:
    return TensorRtBackend(lambda: toolkit).load(artifact(file, *inputs), device, options)


def test_it_compiles_once_and_then_finds_the_engine(file: Path) -> None:
    toolkit = FakeToolkit()
    first = load(toolkit, file)
    assert isinstance(first, TensorModel)
    assert first.report["engine_cache"] == "compiled and kept"
    np.testing.assert_array_equal(first.run({"x": ONES * 3})["y"], ONES * 7)
    assert first.device == "cuda:0"
    again = load(toolkit, file)
    assert again.report["engine_cache"] == "hit"
    np.testing.assert_array_equal(again.run({"x": ONES})["y"], ONES * 3)
    assert len(toolkit.recipes) == 1
    assert toolkit.engines[0].resized == 1


@pytest.mark.parametrize("change", ["version", "model", "options", "driver", "gpu"])
def test_it_compiles_again_for_whatever_an_engine_depends_on(
    file: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolkit = FakeToolkit()
    load(toolkit, file)
    options = {}
    if change == "version":
        toolkit = FakeToolkit(version="10.4")
    elif change == "model":
        write_affine(file, (2, 3), np.float16)
    elif change == "options":
        options = {"workspace_bytes": 1000}
    elif change == "driver":
        monkeypatch.setattr(device_memory, "driver_version", lambda: "551")
    else:
        monkeypatch.setattr(device_memory, "device_name", lambda _: "other")
    assert load(toolkit, file, **options).report["engine_cache"] == "compiled and kept"


@pytest.mark.parametrize("damage", ["another GPU", "cut off", "missing"])
def test_an_unusable_engine_in_the_cache_is_compiled_again(
    file: Path, cache: Path, damage: str
) -> None:
    toolkit = FakeToolkit()
    load(toolkit, file)
    (plan,) = cache.glob("*/engine.plan")
    if damage == "another GPU":
        toolkit.gpu = "Thor"
    elif damage == "cut off":
        plan.write_bytes(plan.read_bytes()[:9])
    else:
        plan.unlink()
    assert load(toolkit, file).report["engine_cache"] == "compiled and kept"
    assert load(toolkit, file).report["engine_cache"] == "hit"


def test_a_cache_that_cannot_be_written_is_told_and_the_model_loads(
    file: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_bytes(b"a file, no folder")
    model = load(FakeToolkit(), file)
    np.testing.assert_array_equal(model.run({"x": ONES})["y"], ONES * 3)
    said = "File exists; free some space there, or name a folder that can be written"
    assert said in model.report["engine_cache"]
    assert "EDGE_MM_CACHE_DIR" in caplog.text


def test_building_ahead_compiles_into_the_cache_and_tells(file: Path) -> None:
    toolkit = FakeToolkit()
    backend = TensorRtBackend(lambda: toolkit)
    assert isinstance(backend, EngineBuilder)
    said: list[str] = []
    plan = backend.build(artifact(file), "cuda", {}, said.append)
    assert plan.is_file()
    assert said[0] == "model 'm': fusing"
    assert "compiled" in said[-1]
    assert toolkit.engines == []
    assert backend.build(artifact(file), "cuda", {}, said.append) == plan
    assert said[-1] == "model 'm': found in the cache"
    assert load(toolkit, file).report["engine_cache"] == "hit"


def test_building_ahead_without_a_place_fails_before_it_compiles(file: Path, cache: Path) -> None:
    cache.write_bytes(b"a file, no folder")
    toolkit = FakeToolkit()
    with pytest.raises(BackendError, match="EDGE_MM_CACHE_DIR"):
        TensorRtBackend(lambda: toolkit).build(artifact(file), "cuda", {}, print)
    assert toolkit.recipes == []


@pytest.mark.parametrize(
    ("differs", "options", "flags", "strongly_typed"),
    [
        ({}, {}, {"fp16"}, False),
        ({}, {"precision": "fp32"}, set(), False),
        ({}, {"precision": "model"}, set(), True),
        ({"quantised": True}, {}, {"fp16", "int8"}, False),
        ({"quantised": True}, {"precision": "int8"}, {"fp16", "int8"}, False),
        ({"strongly_typed_only": True}, {"precision": "fp32"}, set(), True),
        ({"strongly_typed_only": True}, {}, set(), True),
        ({"strongly_typed_only": True, "quantised": True}, {"precision": "int8"}, set(), True),
    ],
)
def test_the_precision_that_was_asked_for_is_compiled(
    file: Path, differs: Any, options: Any, flags: set[str], strongly_typed: bool
) -> None:
    toolkit = FakeToolkit(**differs)
    load(toolkit, file, **options)
    (recipe,) = toolkit.recipes
    assert recipe.flags == flags
    assert recipe.strongly_typed == strongly_typed
    assert recipe.calibration is None


@pytest.mark.parametrize("strongly_typed_only", [False, True])
def test_int8_without_ranges_is_refused_with_the_mend(
    file: Path, strongly_typed_only: bool
) -> None:
    toolkit = FakeToolkit(strongly_typed_only=strongly_typed_only)
    with pytest.raises(
        BackendError, match="QuantizeLinear nodes.*quantize_static, or ask for fp16"
    ):
        load(toolkit, file, precision="int8")


def test_int8_is_calibrated_by_the_files_of_a_folder(file: Path) -> None:
    folder = file.parent / "calibration"
    folder.mkdir()
    for number in (2, 0, 1):
        np.save(folder / f"{number}.npy", ONES * number)
    toolkit = FakeToolkit()
    load(toolkit, file, precision="int8", calibration="calibration")
    assert toolkit.recipes[0].flags == {"fp16", "int8"}
    assert [batch[0, 0] for batch in toolkit.calibrated_by] == [0, 1, 2]
    np.save(folder / "0.npy", ONES * 9)
    model = load(toolkit, file, precision="int8", calibration="calibration")
    assert model.report["engine_cache"] == "compiled and kept"


@pytest.mark.parametrize(
    ("content", "where", "said"),
    [
        (None, "calibration", "holds no .npy files"),
        (np.zeros((2, 3)), "calibration", "holds float64"),
        (np.zeros(3, np.float32), "calibration", r"holds float32 \(3,\)"),
        (np.array([{}]), "calibration", "holds no plain array"),
        (ONES, "../elsewhere", "outside the model's folder"),
    ],
)
def test_a_calibration_that_cannot_be_used_is_named(
    file: Path, content: Any, where: str, said: str
) -> None:
    folder = file.parent / where
    folder.mkdir()
    if content is not None:
        np.save(folder / "0.npy", content, allow_pickle=True)
    with pytest.raises(BackendError, match=said):
        load(FakeToolkit(), file, precision="int8", calibration=where)


def test_an_open_size_needs_a_range_or_the_manifests_shape(file: Path) -> None:
    toolkit = FakeToolkit(shape=(None, 3))
    with pytest.raises(BackendError, match=r"x float32 \(any, 3\) has an open size; give 'shapes'"):
        load(toolkit, file)
    load(toolkit, file, TensorSpec("x", (4, 3), FLOAT32))
    assert toolkit.recipes[-1].shapes == {"x": ((4, 3), (4, 3), (4, 3))}
    model = load(toolkit, file, shapes={"x": ((1, 3), (2, 3), (5, 3))})
    for rows in (1, 5, 5, 2):
        np.testing.assert_array_equal(
            model.run({"x": np.full((rows, 3), rows, np.float32)})["y"],
            np.full((rows, 3), 2 * rows + 1),
        )
    assert toolkit.engines[-1].resized == 3  # one of them while it was warmed up
    with pytest.raises(InputRefused, match=r"not compiled for 'x' of \(6, 3\)"):
        model.run({"x": np.zeros((6, 3), np.float32)})
    model.run({"x": np.zeros((2, 3), np.float32)})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shapes": {"z": ((1,), (1,), (1,))}}, "shapes of z, but the inputs are x"),
        ({"shapes": {"x": ((2, 3), (1, 3), (2, 3))}}, "three shapes of rising sizes"),
        ({"shapes": {"x": ((2, 3), (2, 3), (2,))}}, "three shapes of rising sizes"),
        ({"precision": "fp8"}, "'precision'"),
        ({"fp16": True}, "unknown key 'fp16'"),
    ],
)
def test_a_wrong_option_is_refused_by_name(file: Path, options: Any, said: str) -> None:
    with pytest.raises(BackendError, match=said):
        load(FakeToolkit(), file, **options)


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({}, r"takes the inputs \['x'\]"),
        ({"x": ONES.astype(np.float64)}, "got float64"),
        ({"x": ONES.T}, r"got float32 \(3, 2\)"),
        ({"x": ONES * np.inf}, "input 'x' has values that are not finite"),
    ],
)
def test_a_feed_that_does_not_fit_is_refused(file: Path, feeds: Any, said: str) -> None:
    with pytest.raises(InputRefused, match=said):
        load(FakeToolkit(), file).run(feeds)


def test_an_array_that_is_not_contiguous_is_taken(file: Path) -> None:
    model = load(FakeToolkit(), file)
    turned = np.arange(6, dtype=np.float32).reshape(3, 2).T
    np.testing.assert_array_equal(model.run({"x": turned})["y"], [[1, 5, 9], [3, 7, 11]])


def test_a_gpu_that_disappears_between_two_calls_is_a_named_error(file: Path) -> None:
    toolkit = FakeToolkit()
    model = load(toolkit, file)
    toolkit.gpu_lost = True
    with pytest.raises(BackendError, match="model 'm' failed on cuda:0: .*DeviceUnavailable") as e:
        model.run({"x": ONES})
    assert not isinstance(e.value, InputRefused)
    model.close()


def test_other_inputs_than_declared_are_refused_and_the_memory_is_free(file: Path) -> None:
    toolkit = FakeToolkit()
    with pytest.raises(BackendError, match="declares the inputs z"):
        load(toolkit, file, TensorSpec("z", (2, 3), FLOAT32))
    assert [engine.closed for engine in toolkit.engines] == [True]


def test_a_closed_model_holds_nothing_and_refuses(file: Path) -> None:
    toolkit = FakeToolkit()
    model = load(toolkit, file)
    model.close()
    model.close()
    assert toolkit.engines[0].closed
    assert (model.memory_bytes, model.device_memory_bytes) == (0, 0)
    with pytest.raises(BackendError, match="closed"):
        model.run({"x": ONES})


def test_memory_of_the_gpu_is_measured_or_said_not_to_be(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_memory, "free_device_bytes", lambda _: None)
    model = load(FakeToolkit(), file)
    assert model.device_memory_bytes == 0
    assert "nvidia-ml-py" in model.report["device_memory"]
    free = iter([5000, 3800])
    monkeypatch.setattr(device_memory, "free_device_bytes", lambda _: next(free))
    model = load(FakeToolkit(), file)
    assert model.device_memory_bytes == 1200
    assert "device_memory" not in model.report


def test_what_the_compiler_says_is_passed_on(file: Path, cache: Path) -> None:
    toolkit = FakeToolkit(refuses="no kernel for node 7")
    with pytest.raises(BackendError, match=r"m\.onnx cannot be compiled: no kernel for node 7"):
        load(toolkit, file)
    with pytest.raises(BackendError, match="no kernel for node 7"):
        TensorRtBackend(lambda: toolkit).build(artifact(file), "cuda", {}, print)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"hello" * 20, b"GGUF" + bytes(100)])
def test_a_file_that_is_no_model_never_reaches_the_engine(file: Path, content: Any) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    toolkit = FakeToolkit()
    with pytest.raises(BackendError, match=r"m\.onnx"):
        load(toolkit, file)
    assert toolkit.read_from == []


@pytest.mark.parametrize(
    ("differs", "device", "said"),
    [
        ({}, "cpu", "tensorrt runs on cuda or cuda:N, not on 'cpu'"),
        ({}, "cuda:x", "not on 'cuda:x'"),
        ({}, "cuda:1", "CUDA sees 1 GPUs, cuda:1 is not there"),
        ({"gpus": 0}, "cuda", "CUDA sees 0 GPUs"),
        ({"gpus": -1}, "cuda", "InsufficientDriver; check NVIDIA's driver"),
    ],
)
def test_a_machine_without_the_gpu_says_so(
    file: Path, differs: Any, device: str, said: str
) -> None:
    toolkit = FakeToolkit(**differs)
    assert said in TensorRtBackend(lambda: toolkit).probe(device).reason
    with pytest.raises(BackendError, match="model 'm': "):
        load(toolkit, file, device=device)


@pytest.mark.parametrize(("missing", "named"), [("tensorrt", "tensorrt"), ("cuda", "cuda-python")])
def test_a_missing_package_is_named_with_its_extra(
    missing: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        engines.importlib.util, "find_spec", lambda name: None if name == missing else object()
    )
    reason = TensorRtBackend().probe("cuda").reason
    assert f"the package {named} is missing" in reason
    assert "pip install edge_mm_ros[tensorrt]" in reason


def test_a_package_that_cannot_be_imported_is_named() -> None:
    def broken() -> FakeToolkit:
        raise OSError("libnvinfer.so.10: cannot open shared object file")

    reason = TensorRtBackend(broken).probe("cuda").reason
    assert "tensorrt cannot be imported (libnvinfer.so.10" in reason


def test_a_model_is_converted_to_float16_for_compilers_that_only_follow_its_types(
    tmp_path: Path,
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    weights = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    path = write_model(
        tmp_path / "m.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 4))],
        {"w": weights},
    )
    converted = as_float16(artifact(path))
    assert isinstance(converted, bytes)
    model = onnx.load_from_string(converted)
    assert {w.data_type for w in model.graph.initializer} == {TensorProto.FLOAT16}
    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"x": ONES})
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, ONES @ weights, atol=2e-3)
    half = write_affine(tmp_path / "half.onnx", (2, 3), np.float16)
    assert as_float16(artifact(half)) == half
    toolkit = FakeToolkit(strongly_typed_only=True)
    load(toolkit, path)
    assert toolkit.read_from == [converted]


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt") is None or not engines.cuda_driver_present(),
    reason="needs the package tensorrt and an NVIDIA GPU",
)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "model"])
def test_a_real_gpu_compiles_keeps_and_computes(file: Path, precision: str) -> None:
    backend = TensorRtBackend()
    options = {"precision": precision}
    said: list[str] = []
    backend.build(artifact(file), "cuda", options, said.append)
    assert said
    model = backend.load(artifact(file), "cuda", options)
    assert model.report["engine_cache"] == "hit"
    np.testing.assert_allclose(model.run({"x": ONES * 3})["y"], ONES * 7, rtol=1e-3)
    model.close()


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt") is None or not engines.cuda_driver_present(),
    reason="needs the package tensorrt and an NVIDIA GPU",
)
def test_a_real_gpu_takes_changing_sizes(tmp_path: Path) -> None:
    path = write_affine(tmp_path / "open.onnx", ("n", 3))
    options = {"shapes": {"x": ((1, 3), (2, 3), (4, 3))}}
    model = TensorRtBackend().load(artifact(path), "cuda", options)
    for rows in (1, 4, 2):
        values = np.full((rows, 3), rows, np.float32)
        np.testing.assert_allclose(model.run({"x": values})["y"], 2 * values + 1, rtol=1e-3)
    with pytest.raises(InputRefused):
        model.run({"x": np.zeros((5, 3), np.float32)})
    model.close()
