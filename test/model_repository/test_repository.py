"""Manifests and the files behind them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_mm_ros.model_repository import ModelRepository, ModelUnavailable, model_folders
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
        (GOOD.replace("path: weights.bin", ""), "onnxruntime:cpu needs 'package'"),
        (GOOD + "package: m\nfile: a\n", "either 'package'"),
        (GOOD.replace("weights.bin", "../weights.bin"), "stay below its own folder"),
        (GOOD.replace("weights.bin", "/etc/passwd"), "stay below its own folder"),
        (GOOD.replace("weights.bin", "~/weights.bin"), "stay below its own folder"),
        (GOOD + "sha256: {weights.bin: abc}\n", "'sha256.weights.bin'"),
        (GOOD + "options: {threads: 2}\n", "'options.threads'"),
        (GOOD + "options: {llama_cpp: {threads: 2}}\n", "llama_cpp, which is not in the chain"),
        (GOOD + "inputs: [{name: x, shape: [1], dtype: object}]\n", "not a type of tensor"),
        (GOOD.replace("'onnxruntime:cpu'", "'a:b', 'a:b'"), "named twice"),
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


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "elsewhere.bin").write_bytes(b"x")
    (folder / "weights.bin").symlink_to(tmp_path / "elsewhere.bin")
    with pytest.raises(ModelUnavailable, match="outside the manifest's folder"):
        write(folder, GOOD).locate("m")


def test_a_file_of_another_digest_is_refused_until_it_is_put_right(tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    # sha256sum of the three bytes "abc", an example of FIPS 180-2
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    repository = write(tmp_path, f"{GOOD}sha256: {{weights.bin: {digest}}}\n")
    weights.write_bytes(b"abd")
    with pytest.raises(ModelUnavailable, match="damaged or another version; put a good file"):
        repository.locate("m")
    weights.write_bytes(b"abc and more")
    weights.write_bytes(b"abc")
    assert repository.locate("m") == weights


def test_a_digest_of_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    repository = write(tmp_path, f"{GOOD}sha256: {{other.bin: '{'0' * 64}'}}\n")
    with pytest.raises(ModelUnavailable, match=r"sha256 names other\.bin"):
        repository.locate("m")


def test_a_chain_of_remotes_alone_needs_no_file(tmp_path: Path) -> None:
    text = "name: m\ntask: detection\nchain: ['kserve:http://robot:8000/m']\n"
    manifest = write(tmp_path, text).manifest("m")
    assert not manifest.has_files
    assert manifest.candidates[0].remote


def test_the_users_folders_come_before_those_that_ship(tmp_path: Path) -> None:
    given, data = tmp_path / "given", tmp_path / "data"
    environ = {"EDGE_MM_MODELS": f"{given}{os.pathsep}/other", "XDG_DATA_HOME": str(data)}
    *own, shipped = model_folders(environ)
    assert own == [given, Path("/other"), data / "edge_mm_ros" / "models"]
    assert (shipped / "person_fall_detector.yaml").is_file()
    assert model_folders({})[0] == Path.home() / ".local" / "share" / "edge_mm_ros" / "models"
    assert model_folders({"XDG_DATA_HOME": "relative"}) == model_folders({})


def test_a_manifest_of_the_user_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"weights")
    (tmp_path / "mine.yaml").write_text(
        "{name: mine, task: detection, path: mine.onnx, chain: ['onnxruntime:cpu']}"
    )
    monkeypatch.setenv("EDGE_MM_MODELS", str(tmp_path))
    repository = ModelRepository()
    assert repository.locate("mine") == tmp_path / "mine.onnx"
    assert {"mine", "person_fall_detector"} <= set(repository.names())


def test_credentials_in_an_address_are_refused_and_not_shown(tmp_path: Path) -> None:
    chain = "chain: ['kserve:http://robot:hunter2@host:8000/m']"
    with pytest.raises(ParameterError, match="api_key_env") as refused:
        write(tmp_path, f"name: m\ntask: detection\n{chain}\n").manifest("m")
    assert "hunter2" not in str(refused.value)
