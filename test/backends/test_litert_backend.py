"""LiteRT on real TFLite files: sums that can be checked by hand, and files that are none."""

from __future__ import annotations

import importlib.util
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.tflite_models import write_sum
from numpy.typing import NDArray

from edge_mm_ros.backends import (
    BackendError,
    InputRefused,
    ModelArtifact,
    TensorModel,
    TensorSpec,
)
from edge_mm_ros.backends import engines as engines_module
from edge_mm_ros.backends.litert_backend import LiteRtBackend, LiteRtModel

ONES = np.ones((2, 3), np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pytest.importorskip("ai_edge_litert", reason="needs the package ai-edge-litert")
    return write_sum(tmp_path / "sum.tflite", ONES, (2, 3))


def load(file: Path, inputs: tuple[TensorSpec, ...] = (), **options: Any) -> LiteRtModel:
    artifact = ModelArtifact("sum", file, "detection", inputs=inputs)
    return LiteRtBackend().load(artifact, "cpu", options)


def x(values: Any, dtype: Any = np.float32) -> dict[str, NDArray[Any]]:
    return {"x": np.array(values, dtype)}


def test_it_computes_and_tells_what_it_is(file: Path) -> None:
    model = load(file)
    assert isinstance(model, TensorModel)
    assert list(model.inputs) == [TensorSpec("x", (2, 3), np.dtype(np.float32))]
    assert list(model.outputs) == [TensorSpec("y", (2, 3), np.dtype(np.float32))]
    assert model.device == "cpu"
    assert model.memory_bytes >= file.stat().st_size
    result = model.run(x([[0, 1, 2], [-1, 0.5, 100]]))["y"]
    np.testing.assert_array_equal(result, [[1, 2, 3], [0, 1.5, 101]])


def test_a_quantised_model_takes_integers_and_says_what_they_mean(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the package ai-edge-litert")
    # real = 0.5 (q - 3): the constant 7 is 2.0; 11 is 4.0; their sum 6.0 is 15.
    constant = np.full((1, 2), 7, np.int8)
    model = load(write_sum(tmp_path / "q.tflite", constant, (1, 2), quantization=(0.5, 3)))
    assert model.inputs[0].dtype == np.int8
    assert model.metadata == {
        "quantization.x": "scale 0.5, zero point 3",
        "quantization.y": "scale 0.5, zero point 3",
    }
    assert model.run(x([[11, 3]], np.int8))["y"].tolist() == [[15, 7]]
    with pytest.raises(InputRefused, match=r"'x' must be int8 \(1, 2\), got float32"):
        model.run(x([[4.0, 0.0]]))


def test_an_open_size_may_change_between_calls(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the package ai-edge-litert")
    path = write_sum(
        tmp_path / "m.tflite", np.ones((1, 2), np.float32), (1, 2), open_first_size=True
    )
    model = load(path)
    assert model.inputs[0].shape == (None, 2)
    for rows in (1, 3, 3, 2):
        result = model.run(x(np.full((rows, 2), rows)))["y"]
        np.testing.assert_array_equal(result, np.full((rows, 2), rows + 1))


def test_an_output_that_is_kept_stays_and_memory_is_used_again(file: Path) -> None:
    model = load(file)
    kept = model.run(x(ONES))["y"]
    for value in range(20):
        model.run(x(ONES * value))
    assert (kept == 2).all()
    assert model._buffers is not None
    assert model._buffers.allocations <= 2


def test_calls_from_several_threads_get_their_own_answers(file: Path) -> None:
    model = load(file)

    def ask(value: int) -> bool:
        return bool((model.run(x(ONES * value))["y"] == value + 1).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(400)))


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({}, r"takes the inputs \['x'\], got \[\]"),
        ({"z": ONES}, r"got \['z'\]"),
        ({"x": ONES.astype(np.float64)}, r"float32 \(2, 3\), got float64"),
        ({"x": ONES.T}, r"got float32 \(3, 2\)"),
        ({"x": ONES * np.nan}, "input 'x' has values that are not finite"),
    ],
)
def test_a_feed_that_does_not_fit_is_refused(file: Path, feeds: Any, said: str) -> None:
    with pytest.raises(InputRefused, match=said):
        load(file).run(feeds)


def test_an_output_that_is_not_finite_is_the_models_fault(file: Path, tmp_path: Path) -> None:
    broken = np.array([[1, np.inf, 1]], np.float32)
    with pytest.raises(BackendError, match="although the input is"):
        load(write_sum(tmp_path / "inf.tflite", broken, (2, 3)))


def test_other_inputs_than_declared_are_refused_at_load(file: Path) -> None:
    float32 = np.dtype(np.float32)
    load(file, (TensorSpec("x", (None, 3), float32),))
    with pytest.raises(BackendError, match=r"declares the inputs x float32 \(2, 4\), but .* \(2, "):
        load(file, (TensorSpec("x", (2, 4), float32),))


def test_a_file_cut_anywhere_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    cut = tmp_path / "cut.tflite"
    for size in range(0, len(whole) - 8, 7):
        cut.write_bytes(whole[:size])
        with pytest.raises(BackendError, match=r"cut\.tflite (cannot be loaded|is not a TFLite)"):
            load(cut)


@pytest.mark.parametrize(
    "content", [b"", b"hello", bytes(100), b"PK\x03\x04TFL3" + bytes(50), pickle.dumps({"a": 1})]
)
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the package ai-edge-litert")
    path = tmp_path / "other.tflite"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"other\.tflite .*get the model again"):
        load(path)


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(BackendError, match=r"none\.tflite cannot be read"):
        load(file.with_name("none.tflite"))


def test_a_closed_model_holds_nothing_and_refuses(file: Path) -> None:
    model = load(file)
    model.close()
    model.close()
    assert model.memory_bytes == 0
    with pytest.raises(BackendError, match="closed"):
        model.run(x(ONES))


def test_threads_are_the_share_or_what_the_manifest_says(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ai_edge_litert.interpreter as engine

    seen = []
    make = engine.Interpreter

    def watched(**how: Any) -> Any:
        seen.append(how["num_threads"])
        return make(**how)

    monkeypatch.setattr(engine, "Interpreter", watched)
    monkeypatch.setattr("edge_mm_ros.backends.litert_backend.usable_cores", lambda: 5)
    load(file)
    load(file, threads=3)
    assert seen == [5, 3]


def test_an_unknown_option_or_device_is_refused_by_name(file: Path) -> None:
    with pytest.raises(BackendError, match="unknown key 'thraeds'"):
        load(file, thraeds=2)
    assert "'tpu'" in LiteRtBackend().probe("tpu").reason


def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        engines_module.importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "ai_edge_litert" else find(name, *rest),
    )
    with pytest.raises(BackendError, match=r"pip install edge_mm_ros\[litert\]"):
        load(tmp_path / "any.tflite")
