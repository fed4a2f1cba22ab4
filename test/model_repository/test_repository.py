"""Manifests and the files behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mm_ros.model_repository import ModelRepository, ModelUnavailable
from edge_mm_ros.params import ParameterError

GOOD = "name: m\ntask: detection\npath: weights.bin\nchain: ['onnxruntime:cpu']\n"


def write(folder: Path, text: str, name: str = "m") -> ModelRepository:
    (folder / f"{name}.yaml").write_text(text)
    return ModelRepository([folder])


def test_every_shipped_manifest_is_valid_and_named_like_its_file() -> None:
    repository = ModelRepository()
    assert len(repository.names()) >= 4
    for name in repository.names():
        manifest = repository.manifest(name)
        assert manifest.name == name
        assert manifest.license


def test_a_path_is_relative_to_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    assert write(tmp_path, GOOD).locate("m") == tmp_path / "weights.bin"


def test_a_manifest_is_found_by_its_path_too(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert ModelRepository([]).manifest(str(tmp_path / "m.yaml")).name == "m"


def test_an_earlier_folder_wins(tmp_path: Path) -> None:
    for folder, version in (("a", "1"), ("b", "2")):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, f"{GOOD}version: '{version}'\n")
    repository = ModelRepository([tmp_path / "b", tmp_path / "a"])
    assert repository.manifest("m").version == "2"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GOOD + "colour: red\n", "unknown key 'colour'"),
        (GOOD.replace("detection", "cooking"), "'task'"),
        (GOOD.replace("'onnxruntime:cpu'", "cpu"), "'backend:device'"),
        (GOOD.replace("path: weights.bin", ""), "either 'package'"),
        ("name: m\n", "missing key 'task'"),
        ("- just\n- a list\n", "m.yaml"),
        ("name: [unclosed\n", "not valid YAML"),
    ],
)
def test_a_wrong_manifest_is_refused_by_the_name_of_its_fault(
    tmp_path: Path, text: str, named: str
) -> None:
    with pytest.raises(ParameterError) as refused:
        write(tmp_path, text).manifest("m")
    assert named in str(refused.value)
    assert "m.yaml" in str(refused.value)


def test_an_unknown_model_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no model named 'x'; there are: m"):
        write(tmp_path, GOOD).manifest("x")


def test_a_missing_package_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    text = (
        "name: m\ntask: detection\npackage: surely_not_installed\n"
        "distribution: surely-not-installed\nfile: a.onnx\nchain: ['onnxruntime:cpu']\n"
    )
    with pytest.raises(ModelUnavailable, match="pip install surely-not-installed"):
        write(tmp_path, text).locate("m")


@pytest.mark.parametrize("content", [None, b""])
def test_a_missing_or_empty_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "weights.bin").write_bytes(content)
    with pytest.raises(ModelUnavailable, match=r"weights\.bin is (missing|empty)"):
        write(tmp_path, GOOD).locate("m")
