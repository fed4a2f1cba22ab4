"""What a machine lacks is named in one line, with the command that mends it."""

import dataclasses
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from environment import preflight

ROOT = Path(__file__).resolve().parents[2]

COMPLETE = preflight.Machine(
    platform="linux",
    python=(3, 12),
    has_venv=True,
    has_headers=True,
    c_compiler="/usr/bin/cc",
    cxx_compiler="/usr/bin/c++",
    free_disk=preflight.NEEDED_DISK,
    disk_path=Path("/"),
)


def test_a_complete_machine_lacks_nothing():
    assert preflight.lacks(COMPLETE, ros_is_sourced=False) == []


@pytest.mark.parametrize(
    ("change", "named", "mend"),
    [
        ({"has_venv": False}, "venv module", "sudo apt install python3.12-venv"),
        ({"has_headers": False}, "Python.h", "sudo apt install python3.12-dev"),
        ({"c_compiler": None}, "no C compiler", "sudo apt install build-essential"),
        ({"cxx_compiler": None}, "no C++ compiler", "sudo apt install build-essential"),
        ({"free_disk": 10**9}, "1.0 GB free", "make setup VENV="),
        ({"platform": "darwin"}, "darwin", "container"),
        ({"python": (3, 15)}, "3.15", "PYTHON=python3.14 make setup"),
    ],
)
def test_one_line_names_what_is_missing_and_its_mend(change, named, mend):
    machine = dataclasses.replace(COMPLETE, **change)

    (line,) = preflight.lacks(machine, ros_is_sourced=False)

    assert named in line
    assert mend in line
    assert "\n" not in line


def test_both_compilers_missing_is_one_line():
    machine = dataclasses.replace(COMPLETE, c_compiler=None, cxx_compiler=None)

    (line,) = preflight.lacks(machine, ros_is_sourced=False)

    assert line.startswith("no C and C++ compiler")


def test_a_sourced_ros_needs_no_wheels_for_its_python():
    machine = dataclasses.replace(COMPLETE, python=(3, 15))

    assert preflight.lacks(machine, ros_is_sourced=True) == []


def test_probe_finds_what_this_interpreter_runs_on(tmp_path, monkeypatch):
    compiler = tmp_path / "own-cc"
    compiler.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "own-cc -O1")
    monkeypatch.delenv("CXX", raising=False)

    machine = preflight.probe(tmp_path / "not" / "there")

    assert machine.python == sys.version_info[:2]
    assert machine.c_compiler == str(compiler)
    assert machine.cxx_compiler is None
    assert machine.disk_path == tmp_path


def test_the_program_names_a_missing_compiler_and_leaves_nothing_behind(tmp_path):
    venv = tmp_path / "venv"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CC", "CXX", "AMENT_PREFIX_PATH"}
    }

    result = subprocess.run(
        [sys.executable, ROOT / "tools/bootstrap.py", "--venv", venv],
        env={**environment, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert result.returncode == 1
    assert "error: no C and C++ compiler is found" in result.stderr
    assert "Traceback" not in result.stderr
    assert not venv.exists()


def test_a_python_too_old_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))

    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(ROOT / "tools/bootstrap.py"))

    assert "Python 3.10 or newer is needed, this is 3.9" in str(exit_.value)
    assert "PYTHON=python3.12 make setup" in str(exit_.value)


def test_make_names_a_missing_python():
    result = subprocess.run(
        ["make", "setup", "PYTHON=python-that-is-not-there"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert result.returncode != 0
    assert "error: python-that-is-not-there is not found: sudo apt install" in result.stderr
