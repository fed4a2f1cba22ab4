"""Weights out of a model.bin: every type of numbers, and files that are none."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from fakes.ctranslate2_files import write_model

from edge_mm_ros.backends import BackendError
from edge_mm_ros.backends.ctranslate2_file import CTranslate2File, read_ctranslate2

VALUES = np.array([[1.0, -0.5], [0.25, 2.0]], np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.bin"


def read(path: Path, **variables: np.ndarray) -> CTranslate2File:
    write_model(path, variables)
    return read_ctranslate2(path)


@pytest.mark.parametrize("version", [4, 5, 6])
def test_weights_and_numbers_come_out_as_stored(path: Path, version: int) -> None:
    write_model(path, {"a/w": VALUES, "heads": np.array(6, np.int16)}, version=version)
    file = read_ctranslate2(path)
    assert (file.kind, file.revision) == ("WhisperSpec", 3)
    assert file.weight("a/w", (2, 2)).tolist() == VALUES.tolist()
    assert file.number("heads") == 6


def test_half_precision_stays_half(path: Path) -> None:
    weight = read(path, w=VALUES.astype(np.float16)).weight("w")
    assert weight.dtype == np.float16
    assert weight.tolist() == VALUES.tolist()


def test_bfloat16_is_the_upper_half_of_a_float(path: Path) -> None:
    # 1.0, -0.5 and 2.0 in bfloat16, as IEEE 754 has them.
    weight = read(path, w=np.array([0x3F80, 0xBF00, 0x4000], np.uint16)).weight("w")
    assert weight.dtype == np.float32
    assert weight.tolist() == [1.0, -0.5, 2.0]


def test_whole_numbers_are_divided_by_their_scales(path: Path) -> None:
    rows = read(
        path, w=np.array([[100, -50], [1, 8]], np.int8), w_scale=np.array([100.0, 4.0], np.float32)
    )
    assert rows.weight("w").tolist() == VALUES.tolist()
    one = read(path, w=np.array([[8, -4], [2, 16]], np.int16), w_scale=np.array(8.0, np.float32))
    assert one.weight("w").tolist() == VALUES.tolist()
    conv = read(path, w=np.full((2, 3, 2), 6, np.int8), w_scale=np.array([2.0, 3.0], np.float32))
    assert conv.weight("w")[:, 0, 0].tolist() == [3.0, 2.0]


def test_an_alias_has_the_scale_of_what_it_stands_for(path: Path) -> None:
    variables = {"w": np.array([[100, -50], [1, 8]], np.int8)}
    variables["w_scale"] = np.array([100.0, 4.0], np.float32)
    write_model(path, variables, {"again": "w"})
    assert read_ctranslate2(path).weight("again").tolist() == VALUES.tolist()


def test_a_weight_that_is_missing_or_has_another_shape_is_named(path: Path) -> None:
    file = read(path, w=VALUES)
    with pytest.raises(BackendError, match=r"model.bin: 'v' is missing"):
        file.weight("v")
    with pytest.raises(BackendError, match=r"'w' has the shape \(2, 2\), expected \(4,\)"):
        file.weight("w", (4,))
    with pytest.raises(BackendError, match="'w' is no whole number"):
        file.number("w")


def test_a_weight_that_is_not_finite_is_refused(path: Path) -> None:
    file = read(path, w=np.array([1.0, np.nan], np.float32))
    with pytest.raises(BackendError, match="'w' holds values that are not finite"):
        file.weight("w")


@pytest.mark.parametrize("scale", [[0.0, 1.0], [np.inf, 1.0], [1.0, 1.0, 1.0]])
def test_a_scale_that_does_not_fit_is_refused(path: Path, scale: list[float]) -> None:
    file = read(path, w=np.ones((2, 2), np.int8), w_scale=np.array(scale, np.float32))
    with pytest.raises(BackendError, match="'w_scale' does not fit"):
        file.weight("w")
    with pytest.raises(BackendError, match="'w_scale' is missing"):
        read(path, w=np.ones((2, 2), np.int8)).weight("w")


def test_a_file_that_is_cut_off_anywhere_is_refused(path: Path) -> None:
    write_model(path, {"a": VALUES, "b": np.array(2, np.int8)}, {"c": "a"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(BackendError, match="model.bin"):
            read_ctranslate2(path)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(BackendError, match="model.bin cannot be read .*get the model again"):
        read_ctranslate2(path)


def test_other_versions_and_files_are_refused(path: Path) -> None:
    for version in (3, 7):
        write_model(path, {}, version=version)
        with pytest.raises(BackendError, match=f"version 4 to 6 .it says {version}"):
            read_ctranslate2(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(BackendError, match="is no model.bin"):
        read_ctranslate2(path)


def test_an_alias_of_nothing_is_refused(path: Path) -> None:
    write_model(path, {"a": VALUES}, {"b": "c"})
    with pytest.raises(BackendError, match="'b' stands for 'c', which is missing"):
        read_ctranslate2(path)


@pytest.mark.parametrize(
    ("found", "replacement", "reason"),
    [
        (struct.pack("<BI", 0, 16), struct.pack("<BI", 9, 16), "unknown type 9"),
        (struct.pack("<BI", 0, 16), struct.pack("<BI", 0, 15), "not have the size of its shape"),
        (struct.pack("<II", 2, 2), struct.pack("<II", 2**31, 2**31), "not have the size"),
    ],
)
def test_a_damaged_header_is_refused_before_memory_is_taken(
    path: Path, found: bytes, replacement: bytes, reason: str
) -> None:
    write_model(path, {"a": VALUES})
    content = path.read_bytes()
    assert content.count(found) == 1
    path.write_bytes(content.replace(found, replacement))
    with pytest.raises(BackendError, match=reason):
        read_ctranslate2(path)
