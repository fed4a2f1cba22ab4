"""ONNX Runtime on accelerators: which is taken, what falls to the processor, and the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.fake_onnxruntime import FakeOnnxRuntime
from fakes.onnx_models import write_affine, write_with_external_data

from edge_mm_ros.backends import (
    BackendError,
    EngineBuilder,
    ModelArtifact,
    device_memory,
    onnxruntime_backend,
    onnxruntime_providers,
)
from edge_mm_ros.backends.onnxruntime_backend import OnnxRuntimeBackend, OnnxRuntimeModel

onnxruntime = pytest.importorskip("onnxruntime")

TENSORRT = "TensorrtExecutionProvider"
CUDA = "CUDAExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
CPU = "CPUExecutionProvider"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("EDGE_MM_CACHE_DIR", str(folder))
    monkeypatch.setattr(onnxruntime_providers, "cuda_driver_present", lambda: True)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_affine(tmp_path / "m.onnx", (1, 3))


def use(engine: FakeOnnxRuntime, monkeypatch: pytest.MonkeyPatch) -> FakeOnnxRuntime:
    monkeypatch.setattr(onnxruntime_backend, "import_engine", lambda *_: engine)
    return engine


def load(file: Path, device: str, **options: Any) -> OnnxRuntimeModel:
    model = OnnxRuntimeBackend().load(ModelArtifact("m", file, "detection"), device, options)
    model.warm_up()
    assert model.run({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[3, 3, 3]]
    return model


def test_the_nodes_that_fell_to_the_processor_are_reported(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(FakeOnnxRuntime(CUDA, nodes={CUDA: 218, CPU: 12}), monkeypatch)
    report = load(file, "cuda").report
    assert report["nodes_on_cpu"] == "12 of 230"
    assert report["providers"] == f"{CUDA}, {CPU}"


def test_nodes_that_the_engine_does_not_tell_are_not_invented(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = onnxruntime.InferenceSession
    monkeypatch.delattr(session.__mro__[1], "get_provider_graph_assignment_info")
    assert load(file, "cpu").report["nodes_on_cpu"].startswith("not told")


def test_an_accelerator_that_runs_no_node_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(FakeOnnxRuntime(CUDA, nodes={CPU: 230}), monkeypatch)
    with pytest.raises(BackendError, match="can run no part of the model; all runs on CPU"):
        load(file, "cuda")


def test_auto_takes_the_first_that_works_and_says_why_not_the_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(FakeOnnxRuntime(OPENVINO, CUDA, TENSORRT), monkeypatch)
    engine.broken[TENSORRT] = "libnvinfer.so.10: cannot open shared object file"
    model = load(file, "auto")
    assert model.device == "cuda"
    assert "tensorrt: " in model.report["passed_over"]
    assert "libnvinfer.so.10" in model.report["passed_over"]
    assert "openvino" not in model.report["passed_over"]
    engine.broken[CUDA] = "out of memory"
    model = load(file, "auto")
    assert model.device == "openvino"
    assert "cuda: " in model.report["passed_over"]


def test_auto_ends_at_the_processor(file: Path) -> None:
    known = {accelerator.provider for accelerator in onnxruntime_providers.ACCELERATORS.values()}
    if known & set(onnxruntime.get_available_providers()):
        pytest.skip("this engine has accelerators")
    assert OnnxRuntimeBackend().probe("auto").available
    model = load(file, "auto")
    assert model.device == "cpu"
    for device in ("tensorrt", "cuda", "openvino", "qnn", "coreml", "xnnpack"):
        assert f"{device}: this ONNX Runtime is built without" in model.report["passed_over"]


def test_threads_are_the_share_on_providers_with_threads_of_their_own(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(FakeOnnxRuntime(OPENVINO), monkeypatch)
    load(file, "openvino:GPU", threads=3)
    assert engine.options[-1]["num_of_threads"] == "3"
    assert engine.options[-1]["device_type"] == "GPU"
    load(file, "openvino", threads=3, provider_options={"openvino": {"num_of_threads": 5}})
    assert engine.options[-1]["num_of_threads"] == "5"


def test_an_engine_is_compiled_once_and_found_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(FakeOnnxRuntime(TENSORRT), monkeypatch)
    assert load(file, "tensorrt").report["engine_cache"] == "compiled and kept"
    assert load(file, "tensorrt").report["engine_cache"] == "hit"
    assert (len(engine.compiled), len(engine.reused)) == (1, 1)
    assert engine.options[-1]["trt_engine_cache_enable"] == "True"


@pytest.mark.parametrize("change", ["model", "external", "option", "device", "driver", "library"])
def test_it_is_compiled_again_for_whatever_it_depends_on(
    tmp_path: Path, file: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(FakeOnnxRuntime(TENSORRT), monkeypatch)
    options: dict[str, Any] = {}
    data = np.array([2, 2, 2], np.float32)
    data.tofile(tmp_path / "w.bin")
    if change == "external":
        file = write_with_external_data(file, "w.bin", 3)
    backend = OnnxRuntimeBackend()
    backend.load(ModelArtifact("m", file, "detection"), "tensorrt", options).warm_up()
    if change == "model":
        write_affine(file, (1, 3), np.float16)
    elif change == "external":
        (data + 1).tofile(tmp_path / "w.bin")
    elif change == "option":
        options = {"provider_options": {"tensorrt": {"trt_fp16_enable": True}}}
    elif change == "device":
        monkeypatch.setattr(device_memory, "device_name", lambda _: "other")
        monkeypatch.setattr(onnxruntime_providers, "device_name", lambda _: "other")
    elif change == "driver":
        monkeypatch.setattr(onnxruntime_providers, "driver_version", lambda: "551")
    else:
        monkeypatch.setattr(onnxruntime, "__version__", "99")
    model = backend.load(ModelArtifact("m", file, "detection"), "tensorrt", options)
    model.warm_up()
    assert model.report["engine_cache"] == "compiled and kept"
    assert len(engine.compiled) == 2


def test_a_damaged_engine_is_compiled_again(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(FakeOnnxRuntime(TENSORRT), monkeypatch)
    load(file, "tensorrt")
    (compiled,) = cache.glob("*/subgraph_0.engine")
    compiled.write_bytes(b"comp")
    assert load(file, "tensorrt").report["engine_cache"] == "compiled and kept"
    assert load(file, "tensorrt").report["engine_cache"] == "hit"
    assert len(engine.compiled) == 2


def test_a_full_disk_under_the_cache_is_told_and_the_model_loads_without(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = use(FakeOnnxRuntime(TENSORRT), monkeypatch)
    engine.full_disk = True
    model = load(file, "tensorrt")
    assert "No space left on device" in model.report["engine_cache"]
    assert "No space left on device" in caplog.text
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_told_and_the_model_loads_without(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use(FakeOnnxRuntime(TENSORRT), monkeypatch)
    cache.write_bytes(b"a file, no folder")
    model = load(file, "tensorrt")
    assert "not used: engine cache" in model.report["engine_cache"]
    assert "EDGE_MM_CACHE_DIR" in caplog.text


def test_a_file_that_the_device_cannot_run_leaves_nothing_in_the_cache(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(FakeOnnxRuntime(TENSORRT), monkeypatch)
    engine.broken[TENSORRT] = "no kernel"
    with pytest.raises(BackendError, match="no kernel"):
        load(file, "tensorrt")
    assert list(cache.iterdir()) == []


def test_building_ahead_compiles_into_the_cache_and_tells(
    file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = use(FakeOnnxRuntime(TENSORRT), monkeypatch)
    backend = OnnxRuntimeBackend()
    assert isinstance(backend, EngineBuilder)
    said: list[str] = []
    artifact = ModelArtifact("m", file, "detection")
    place = backend.build(artifact, "tensorrt", {}, said.append)
    assert place.parent == cache
    assert said == ["model 'm': compiling for tensorrt", "model 'm': compiled and kept"]
    assert backend.build(artifact, "tensorrt", {}, said.append) == place
    assert said[-1] == "model 'm': hit"
    assert len(engine.compiled) == 1
    engine.full_disk = True
    file.write_bytes(write_affine(file, (2, 3)).read_bytes())
    with pytest.raises(BackendError, match="nothing was kept: .*No space left"):
        backend.build(artifact, "tensorrt", {}, said.append)


@pytest.mark.parametrize("device", ["cpu", "cuda", "auto"])
def test_devices_without_engines_are_not_built_for(file: Path, device: str) -> None:
    with pytest.raises(BackendError, match="it does for: tensorrt, openvino, coreml"):
        OnnxRuntimeBackend().build(ModelArtifact("m", file, "detection"), device, {}, print)


def test_memory_of_a_gpu_is_measured_or_said_not_to_be(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(FakeOnnxRuntime(CUDA), monkeypatch)
    monkeypatch.setattr(device_memory, "free_device_bytes", lambda _: None)
    model = load(file, "cuda")
    assert model.device_memory_bytes == 0
    assert "nvidia-ml-py" in model.report["device_memory"]
    free = iter([9000, 8000, 6500])
    monkeypatch.setattr(device_memory, "free_device_bytes", lambda _: next(free))
    model = load(file, "cuda:1")
    assert model.device == "cuda:1"
    assert model.device_memory_bytes == 2500
    assert "device_memory" not in model.report
    model.close()
    assert model.device_memory_bytes == 0


@pytest.mark.skipif(
    OPENVINO not in onnxruntime.get_available_providers(),
    reason="needs the package onnxruntime-openvino",
)
def test_a_real_openvino_compiles_once_and_computes(file: Path) -> None:
    first = load(file, "openvino:CPU")
    assert first.report["engine_cache"] == "compiled and kept"
    assert first.report["nodes_on_cpu"].startswith("0 of ")
    assert load(file, "openvino:CPU").report["engine_cache"] == "hit"
