"""The doctor: what it finds where things are missing, broken or set by the user."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.fake_backend import FakeBackend

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.cli import findings
from edge_mm_ros.cli.findings import Finding, can_run
from edge_mm_ros.cli.main import main
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.params.system import load_system
from edge_mm_ros.pipelines import native
from edge_mm_ros.ros import installation

HERE = Path("/installed")


def all_but(*absent: str) -> Any:
    return lambda name: None if name in absent else HERE / name


def by_name(found: Any) -> dict[str, Finding]:
    return {finding.name: finding for finding in found}


@pytest.fixture(autouse=True)
def _middleware_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "middleware", lambda: "rmw_fastrtps_cpp")


def test_loops_that_were_not_compiled_are_told_with_the_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert by_name(findings.package())["compiled loops"].state == "ok"
    monkeypatch.setattr(native, "compiled", None)
    found = by_name(findings.package())["compiled loops"]
    assert found.state == "optional"
    assert "build-essential python3-dev" in found.mend


def test_without_ros_it_says_how_to_get_it() -> None:
    found = by_name(findings.ros({}, all_but("rclpy")))
    assert found["rclpy"].state == "missing"
    assert "make setup" in found["rclpy"].mend
    assert "middleware" not in found


def test_a_sourced_ros_is_told_apart_from_wheels() -> None:
    sourced = by_name(findings.ros({"ROS_DISTRO": "lyrical"}, all_but()))["rclpy"]
    assert sourced.detail == "lyrical (sourced), /installed/rclpy"
    wheels = by_name(findings.ros({}, all_but()))["rclpy"]
    assert "(PyPI)" in wheels.detail


def test_a_missing_message_package_comes_with_its_command() -> None:
    environ = {"ROS_DISTRO": "jazzy"}
    found = by_name(findings.ros(environ, all_but("hri_msgs", "tf2_ros")))
    assert found["hri_msgs"].state == "missing"
    assert found["hri_msgs"].mend == "sudo apt install ros-jazzy-hri-msgs"
    assert found["tf2_ros"].state == "optional"
    assert "vision_msgs" in found["messages"].detail
    assert "hri_msgs" not in found["messages"].detail
    assert by_name(findings.ros({}, all_but("hri_msgs")))["hri_msgs"].mend == "make setup"


def test_a_middleware_that_does_not_load_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise ImportError("librmw_zenoh_cpp.so: cannot open shared object file\nmore")

    monkeypatch.setattr(installation, "middleware", fail)
    found = by_name(findings.ros({}, all_but()))["middleware"]
    assert found.state == "missing"
    assert found.detail == "librmw_zenoh_cpp.so: cannot open shared object file"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "FASTDDS_BUILTIN_TRANSPORTS=DEFAULT?sockets_size=4MB"),
        ({"FASTDDS_BUILTIN_TRANSPORTS": "SHM"}, "FASTDDS_BUILTIN_TRANSPORTS=SHM (set by you)"),
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, "the defaults of rmw_cyclonedds_cpp"),
    ],
)
def test_the_transport_in_force_is_said(environ: dict[str, str], said: str) -> None:
    assert by_name(findings.ros(environ, all_but()))["transport"].detail == said


def test_small_socket_buffers_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "receive_buffer_limit", lambda: 212_992)
    found = by_name(findings.ros({}, all_but()))["net.core.rmem_max"]
    assert found.state == "optional"
    assert found.mend == "sudo sysctl -w net.core.rmem_max=4194304"


def test_python_packages_are_judged_by_what_needs_them() -> None:
    found = by_name(findings.python_packages(all_but("onnxruntime", "llama_cpp", "cv2", "yaml")))
    assert found["onnxruntime"].state == "missing"
    assert found["onnxruntime"].mend.startswith("pip install 'onnxruntime")
    assert found["opencv-python-headless"].state == "missing"
    assert found["PyYAML"].state == "missing"
    assert found["llama-cpp-python"].state == "optional"
    assert "pytest" not in found
    assert "numpy" in found["required"].detail


def manifest(folder: Path, name: str, task: str, file: str) -> None:
    (folder / f"{name}.yaml").write_text(
        f"name: {name}\ntask: {task}\npath: {file}\nchain: ['npu:0', 'engine:cpu']\n",
        encoding="utf-8",
    )


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """The models of the shipped system, all with one file, and one that nobody asks for."""
    (tmp_path / "weights.bin").write_bytes(b"weights")
    for name in findings.models_of(load_system("safety_monitor")):
        manifest(tmp_path, name, "detection", "weights.bin")
    manifest(tmp_path, "unused", "detection", "weights.bin")
    return ModelRepository([tmp_path])


def engine(name: str = "engine") -> BackendRegistry:
    return BackendRegistry([FakeBackend(name)])


def test_models_that_can_run_say_where(repository: ModelRepository) -> None:
    found = list(findings.models(repository, engine()))
    assert can_run(found)
    assert all(f.detail.startswith("detection on engine:cpu, ") for f in found)


def test_the_shipped_system_names_its_models() -> None:
    assert findings.models_of(load_system("safety_monitor")) == {
        "person_fall_detector",
        "silero_vad",
        "whisper_tiny_en",
        "smollm2_135m_instruct",
    }


def test_a_missing_model_file_is_named_with_its_mend(repository: ModelRepository) -> None:
    folder = repository.folders[0]
    manifest(folder, "silero_vad", "voice_activity", "gone.onnx")
    manifest(folder, "smollm2_135m_instruct", "generation", "gone.gguf")
    manifest(folder, "unused", "detection", "gone.onnx")
    found = by_name(findings.models(repository, engine()))
    assert found["silero_vad"].state == "missing"
    assert "gone.onnx is missing" in found["silero_vad"].detail
    assert found["silero_vad"].mend.startswith("put a good file there")
    assert found["smollm2_135m_instruct"].state == "optional"  # a template writes instead
    assert found["unused"].state == "optional"


def test_a_manifest_with_an_unknown_key_is_named(repository: ModelRepository) -> None:
    path = repository.folders[0] / "unused.yaml"
    path.write_text("name: unused\ncolour: red\n", encoding="utf-8")
    assert "unknown key 'colour'" in by_name(findings.models(repository, engine()))["unused"].detail


def test_a_model_without_any_backend_keeps_the_job_from_running(
    repository: ModelRepository,
) -> None:
    found = list(findings.models(repository, engine("other")))
    assert not can_run(found)
    assert "unknown backend 'engine'" in by_name(found)["silero_vad"].detail


def test_accelerators_are_listed_with_the_reason(repository: ModelRepository) -> None:
    found = by_name(findings.backends(repository, engine()))
    assert found["engine:cpu"].state == "ok"
    assert found["npu:0"].state == "optional"
    assert "unknown backend 'npu'" in found["npu:0"].detail


def test_scarce_memory_and_disk_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    scarce = SimpleNamespace(available=400_000_000, total=2_000_000_000)
    monkeypatch.setattr(findings.psutil, "virtual_memory", lambda: scarce)
    monkeypatch.setattr(findings.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    found = by_name(findings.machine())
    assert found["memory"].state == "optional"
    assert found["memory"].detail == "0.4 of 2.0 GB free"
    assert found[f"disk {Path.cwd()}"].state == "optional"


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"]])
@pytest.mark.parametrize("state", ["ok", "missing"])
def test_the_status_says_whether_the_main_job_can_run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    state: Any,
) -> None:
    import edge_mm_ros.cli.doctor as doctor

    thing = Finding("ros", "rclpy", state, "[half] there", "mend it")
    monkeypatch.setattr(doctor, "find_all", lambda: [thing])
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    output = capsys.readouterr().out
    assert caught.value.code == (0 if state == "ok" else 1)
    assert "mend it" in output
    assert "[half] there" in output
    if "--json" in arguments:
        assert json.loads(output)["ok"] is (state == "ok")
        assert json.loads(output)["findings"][0]["state"] == state


def test_here_everything_can_be_looked_at() -> None:
    found = findings.find_all()
    assert {"package", "ros", "python", "systems", "models", "backends", "machine"} <= {
        finding.section for finding in found
    }
    if importlib.util.find_spec("rclpy") is None:
        assert not can_run(found)


def test_the_memory_for_models_is_told_with_what_was_asked_for() -> None:
    found = by_name(findings.model_memory(RuntimeParams(memory_bytes=300_000_000)))["model memory"]
    assert found.state == "ok"
    assert found.detail == "300 MB for all models of a process (of 300 MB asked for)"
    greedy = by_name(findings.model_memory(RuntimeParams(memory_bytes=10**15)))["model memory"]
    assert greedy.state == "optional"
    assert greedy.mend


def test_settings_that_cannot_be_read_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MM_RUNTIME", str(tmp_path / "none.yaml"))
    found = by_name(findings.model_memory())["model memory"]
    assert found.state == "missing"
    assert "none.yaml" in found.detail


def test_the_engine_cache_is_told_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MM_CACHE_DIR", str(tmp_path / "engines"))
    found = by_name(findings.model_memory(RuntimeParams()))["engine cache"]
    assert (found.state, found.detail) == ("ok", f"{tmp_path}/engines, 0 MB")
    assert not (tmp_path / "engines").exists()
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "one").write_bytes(bytes(2_000_000))
    found = by_name(findings.model_memory(RuntimeParams()))["engine cache"]
    assert found.detail == f"{tmp_path}/engines, 2 MB"


def test_an_engine_cache_that_cannot_be_written_comes_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGE_MM_CACHE_DIR", str(tmp_path / "file" / "engines"))
    found = by_name(findings.model_memory(RuntimeParams()))["engine cache"]
    assert found.state == "optional"
    assert "EDGE_MM_CACHE_DIR" in found.mend


def test_a_folder_of_models_that_does_not_exist_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "mine"
    monkeypatch.setenv("EDGE_MM_MODELS", str(absent))
    found = by_name(findings.folders_of_models(ModelRepository()))
    assert found[str(absent)].detail == f"{absent} of EDGE_MM_MODELS does not exist"
    assert str(absent) not in found["folders"].detail
