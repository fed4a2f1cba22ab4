"""`pip install .` and `colcon build` install the same modules, shared files and programs."""

import os
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path
from sysconfig import get_config_var

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCES = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "*.so", "build", "install", "log"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of what the two builds read, so that they leave nothing in the repository."""
    target = tmp_path_factory.mktemp("sources") / "edge_mm_ros"
    target.mkdir()
    for name in ("edge_mm_ros", "config", "launch", "resource", "test/data"):
        shutil.copytree(ROOT / name, target / name, ignore=NOT_SOURCES)
    for name in ("package.xml", "pyproject.toml", "setup.py", "setup.cfg", "LICENSE"):
        shutil.copy(ROOT / name, target)
    return target


@pytest.fixture(scope="module")
def wheel(sources, tmp_path_factory):
    """The wheel that pip builds and installs from."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    run([*command, "--wheel-dir", target, sources])
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_without_a_compiler_pip_installs_all_but_the_compiled_loops(
    wheel, sources, tmp_path, monkeypatch
):
    fresh = shutil.copytree(sources, tmp_path / "sources", ignore=NOT_SOURCES)
    monkeypatch.setenv("CC", "/bin/false")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    run([*command, "--wheel-dir", tmp_path, fresh])
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        there = {name for name in archive.namelist() if name.startswith("edge_mm_ros/")}
    assert there == source_files("edge_mm_ros")
    assert there < set(wheel.namelist())


@pytest.fixture(scope="module")
def colcon_prefix(sources, tmp_path_factory):
    """What `colcon build` installs for the package."""
    pytest.importorskip("colcon_ros")
    work = tmp_path_factory.mktemp("colcon")
    folders = ("--build-base", work / "build", "--install-base", work / "install")
    run(
        [
            *(sys.executable, "-m", "colcon", "--log-base", work / "log"),
            *("build", "--paths", sources, *folders),
        ]
    )
    return work / "install/edge_mm_ros"


def run(command):
    result = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    assert result.returncode == 0, result.stdout


def files_below(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def source_files(folder):
    names = files_below(ROOT / folder)
    return {f"{folder}/{name}" for name in names if not name.endswith(".so")}


def in_wheel(archive, part):
    return {name.partition(part)[2] for name in archive.namelist() if part in name}


def test_pip_installs_every_file_of_the_package(wheel):
    modules = {name for name in wheel.namelist() if name.startswith("edge_mm_ros/")}
    loops = f"edge_mm_ros/pipelines/native/_loops{get_config_var('EXT_SUFFIX')}"
    assert modules == source_files("edge_mm_ros") | {loops}


def test_pip_installs_the_shared_files(wheel):
    folders = ("config", "launch", "test/data")
    expected = {"package.xml"}.union(*(source_files(folder) for folder in folders))
    assert in_wheel(wheel, ".data/data/share/edge_mm_ros/") == expected
    assert in_wheel(wheel, "/share/ament_index/resource_index/packages/") == {"edge_mm_ros"}


def test_colcon_installs_the_same_modules(wheel, colcon_prefix):
    (module,) = colcon_prefix.glob("lib/python3*/site-packages/edge_mm_ros")
    modules = {name for name in wheel.namelist() if name.startswith("edge_mm_ros/")}
    assert {f"edge_mm_ros/{name}" for name in files_below(module)} == modules


def test_colcon_installs_the_same_shared_files(wheel, colcon_prefix):
    # colcon adds scripts that a shell sources to its own installation.
    added = {name for name in files_below(colcon_prefix / "share/edge_mm_ros") if is_hook(name)}
    shared = files_below(colcon_prefix / "share/edge_mm_ros") - added
    assert shared == in_wheel(wheel, ".data/data/share/edge_mm_ros/")
    index = colcon_prefix / "share/ament_index/resource_index/packages"
    assert files_below(index) == {"edge_mm_ros"}


def is_hook(name):
    return name.startswith(("hook/", "package.")) and name != "package.xml"


def test_colcon_installs_the_same_programs(wheel, colcon_prefix):
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    points = ConfigParser(delimiters="=")
    points.optionxform = str
    points.read_string(wheel.read(name).decode())
    assert files_below(colcon_prefix / "lib/edge_mm_ros") == set(points["console_scripts"])
    assert set(points["edge_mm_ros.backends"]) == {
        "faster_whisper",
        "kserve",
        "litert",
        "llama_cpp",
        "onnxruntime",
        "openai_api",
        "openai_whisper",
        "tensorrt",
    }
