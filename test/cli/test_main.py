"""The command line: help, one-line errors, exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_mm_ros.cli.main import COMMANDS, main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    output = capsys.readouterr()
    return int(caught.value.code or 0), output.out, output.err


def test_help_lists_all_commands_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    status, output, _ = run(capsys, "--help")
    assert status == 0
    for name in ("up", "replay", "demo", "bench", "systems", "doctor"):
        assert name in output
        assert name in COMMANDS


def run_without(modules: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({modules!r})); "
        f"from edge_mm_ros.cli.main import main; main({list(arguments)!r})"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_help_works_without_ros_and_without_numpy() -> None:
    done = run_without(["rclpy", "numpy", "pydantic", "scipy"], "--help")
    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout


def test_without_ros_the_doctor_says_so() -> None:
    done = run_without(["rclpy"], "doctor", "--json")
    assert done.returncode == 1, done.stderr
    found = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert found["rclpy"]["state"] == "missing"


def test_without_ros_a_system_does_not_start_and_says_why() -> None:
    done = run_without(["rclpy"], "up", "safety_monitor")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("edge-mm: ROS 2 (rclpy) is not in this environment: source ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("nonsense",), ("up",), ("up", "a", "--colour")])
def test_wrong_use_has_status_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    status, _, errors = run(capsys, *arguments)
    assert status == 2
    assert "Traceback" not in errors


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from edge_mm_ros import __version__

    assert run(capsys, "--version")[:2] == (0, f"edge-mm {__version__}\n")


def test_an_unknown_key_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\nprocesses: {p: {nodes: [{node: sensor_fusion, prameters: {}}]}}",
        encoding="utf-8",
    )
    status, output, errors = run(capsys, "up", str(path))
    assert status == 2
    assert output == ""
    assert errors == f"edge-mm: {path}: unknown key 'processes.p.nodes.0.prameters'\n"


def test_a_traceback_comes_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, errors = run(capsys, "up", "nowhere")
    assert status == 2
    assert errors.startswith("edge-mm: no systems named 'nowhere'")
    assert len(errors.splitlines()) == 1
    status, _, errors = run(capsys, "--debug", "up", "nowhere")
    assert status == 2
    assert errors.startswith("Traceback")


def test_systems_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main_output = _output_of(capsys, "systems")
    for word in ("safety_monitor", "perception", "voice"):
        assert word in main_output


def _output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    status, output, _ = run(capsys, *arguments)
    assert status == 0
    return output
