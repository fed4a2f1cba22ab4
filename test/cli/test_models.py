"""``edge-mm models``: what is listed, tried and built here, and what running nodes are asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.scripted_backend import Hang, ScriptedBackend, fails, write_manifest

from edge_mm_ros.backends import BackendError, BackendRegistry, ModelArtifact, NothingToBuild
from edge_mm_ros.backends.whisper_conversion import WhisperWeights
from edge_mm_ros.cli import models as models_module
from edge_mm_ros.cli.live_models import ModelLine
from edge_mm_ros.cli.main import main
from edge_mm_ros.cli.model_catalog import ModelCatalog
from edge_mm_ros.cli.models import users_of
from edge_mm_ros.cli.probing import ProbeResult, probe
from edge_mm_ros.datatypes import EdgeMmError, HealthLevel
from edge_mm_ros.model_repository import ModelManifest, ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend()


@pytest.fixture(autouse=True)
def catalog(
    tmp_path: Path, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> ModelCatalog:
    """The command sees one folder and one engine."""
    made = ModelCatalog(ModelRepository([tmp_path]), BackendRegistry([backend]))
    monkeypatch.setattr(ModelCatalog, "of_this_machine", classmethod(lambda cls: made))
    monkeypatch.delenv("EDGE_MM_RUNTIME", raising=False)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(("models", *arguments))
        output = capsys.readouterr()
        return int(caught.value.code or 0), output.out, output.err

    return command


def test_the_list_says_where_each_runs_and_what_is_missing(
    tmp_path: Path, backend: ScriptedBackend, run: Any
) -> None:
    backend.unavailable["gpu"] = "no driver"
    write_manifest(tmp_path, "cats", version="'7'")
    write_manifest(tmp_path, "dogs")
    (tmp_path / "dogs.bin").unlink()
    (tmp_path / "broken.yaml").write_text("name: broken\ncolour: red\n")
    status, output, _ = run("list")
    assert status == 0
    cats = next(line for line in output.splitlines() if "cats" in line)
    assert "detection" in cats
    assert "7" in cats
    assert "- fake:gpu" in cats
    assert "+ fake:cpu" in output
    assert f"{tmp_path}/dogs.bin is missing; put a good file there" in output
    assert "unknown key 'colour'" in output


def test_the_list_for_programs(tmp_path: Path, backend: ScriptedBackend, run: Any) -> None:
    backend.unavailable["gpu"] = "no driver"
    write_manifest(tmp_path, "cats")
    (entry,) = json.loads(run("list", "--json")[1])
    assert entry["runs_on"] == "fake:cpu"
    assert entry["size_bytes"] == len(b"weights")
    assert entry["candidates"] == [
        {"candidate": "fake:gpu", "reason": "no driver"},
        {"candidate": "fake:cpu", "reason": ""},
    ]


def test_show_tells_licence_digest_and_reasons(
    tmp_path: Path, backend: ScriptedBackend, run: Any
) -> None:
    backend.unavailable["gpu"] = "no driver"
    write_manifest(tmp_path, "cats", license="Apache-2.0")
    status, output, _ = run("show", "cats")
    assert status == 0
    assert "Apache-2.0" in output
    assert "fake:gpu: no driver" in output
    assert "fake:cpu: can run here" in output
    assert digest_of(tmp_path / "cats.bin") in output


def digest_of(file: Path) -> str:
    done = subprocess.run(["sha256sum", str(file)], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


@pytest.mark.parametrize("command", ["show", "probe", "build"])
def test_an_unknown_name_lists_the_known(tmp_path: Path, run: Any, command: str) -> None:
    write_manifest(tmp_path, "cats")
    status, _, errors = run(command, "lions")
    assert status == 1
    assert errors == "edge-mm: no model named 'lions'; there are: cats\n"


# -- probe -----------------------------------------------------------------------------------------


def outcomes(tmp_path: Path, backend: ScriptedBackend, **settings: Any) -> list[ProbeResult]:
    return list(
        probe(
            ModelRepository([tmp_path]),
            BackendRegistry([backend]),
            "cats",
            3,
            RuntimeParams(**settings),
        )
    )


def test_probe_loads_each_candidate_in_turn_and_gives_it_back(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    write_manifest(tmp_path, "cats")
    backend.sizes["cats"] = 4_000
    warm_ups: list[str] = []
    for device in ("gpu", "cpu"):
        backend.on_warm_up[device] = lambda device=device: warm_ups.append(device)  # type: ignore[misc]
    results = outcomes(tmp_path, backend)
    assert [result.outcome for result in results] == ["ok", "ok"]
    assert [result.device for result in results] == ["fake:gpu", "fake:cpu"]
    assert results[0].memory_bytes == 4_000
    assert all(result.load_s is not None and result.load_s >= 0 for result in results)
    assert all(result.p50_ms is not None and result.p50_ms >= 0 for result in results)
    assert warm_ups == ["gpu"] * 4 + ["cpu"] * 4  # its canary, and three runs
    assert all(model.closed for model in backend.loaded)


def test_probe_tells_what_is_not_there_from_what_fails(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    write_manifest(tmp_path, "cats")
    backend.unavailable["gpu"] = "no driver"
    backend.on_warm_up["cpu"] = fails("illegal instruction")
    gpu, cpu = outcomes(tmp_path, backend)
    assert (gpu.outcome, gpu.reason) == ("unavailable", "no driver")
    assert (cpu.outcome, cpu.reason) == ("failed", "illegal instruction")


def test_probe_does_not_wait_forever(tmp_path: Path, backend: ScriptedBackend) -> None:
    write_manifest(tmp_path, "cats", load_timeout_s="0.05")
    hang = backend.on_load["gpu"] = Hang()
    gpu, cpu = outcomes(tmp_path, backend)
    hang.release.set()
    assert gpu.outcome == "failed"
    assert "not loaded within 0.05 s" in gpu.reason
    assert cpu.outcome == "ok"


def test_probe_refuses_what_the_budget_cannot_hold(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    write_manifest(tmp_path, "cats", memory_bytes="3000000")
    results = outcomes(tmp_path, backend, memory_bytes=1_000_000)
    assert [result.outcome for result in results] == ["failed", "failed"]
    assert "needs 3 MB" in results[1].reason
    assert not backend.loaded


@pytest.mark.parametrize(
    ("unavailable", "failing", "status"),
    [((), (), 0), (("gpu",), (), 0), ((), ("gpu",), 1), (("gpu", "cpu"), (), 1)],
)
def test_the_status_of_probe(
    tmp_path: Path,
    backend: ScriptedBackend,
    run: Any,
    unavailable: tuple[str, ...],
    failing: tuple[str, ...],
    status: int,
) -> None:
    write_manifest(tmp_path, "cats")
    backend.unavailable = dict.fromkeys(unavailable, "no driver")
    backend.on_load = {device: fails() for device in failing}
    assert run("probe", "cats", "--runs", "1")[0] == status
    again, output, _ = run("probe", "cats", "--runs", "1", "--json")
    assert again == status
    assert json.loads(output)["ok"] is (status == 0)


# -- build -----------------------------------------------------------------------------------------


class Compiler(ScriptedBackend):
    def build(
        self, artifact: ModelArtifact, device: str, options: Any, progress: Callable[[str], None]
    ) -> Path:
        if device == "cpu":
            raise NothingToBuild("nothing is compiled ahead for cpu")
        if device == "tpu":
            raise BackendError("operator Foo is not supported")
        progress(f"compiling {artifact.name} with {options}")
        return Path("/cache/engine")


def test_build_compiles_what_can_be_and_says_what_needs_nothing(
    tmp_path: Path, catalog: ModelCatalog, run: Any
) -> None:
    catalog.registry = BackendRegistry([Compiler()])
    write_manifest(tmp_path, "cats", options="{fake: {half: true}}")
    status, output, _ = run("build", "cats")
    assert status == 0
    assert output.splitlines() == [
        "  compiling cats with {'half': True}",
        "fake:gpu: built, /cache/engine",
        "fake:cpu: nothing is compiled ahead for cpu",
    ]


def test_build_fails_where_a_compilation_does(
    tmp_path: Path, catalog: ModelCatalog, run: Any
) -> None:
    compiler = Compiler()
    compiler.unavailable["gpu"] = "no driver"
    catalog.registry = BackendRegistry([compiler])
    write_manifest(tmp_path, "cats", chain="[fake:gpu, fake:tpu]")
    status, output, _ = run("build", "cats")
    assert status == 1
    assert output.splitlines() == [
        "fake:gpu: not built, cannot run here: no driver",
        "fake:tpu: operator Foo is not supported",
    ]


def test_build_says_where_an_engine_compiles_nothing(tmp_path: Path, run: Any) -> None:
    write_manifest(tmp_path, "cats", chain="[fake:cpu]")
    assert run("build", "cats")[:2] == (0, "fake:cpu: nothing is compiled ahead for it\n")


# -- running nodes ---------------------------------------------------------------------------------


def line(node: str, model: str) -> ModelLine:
    numbers = (0, 0, 0.0, 1.0, 1.0, 0, 0, 0, 0, 0, 0)
    return ModelLine(node, model, HealthLevel.OK, "", "loaded", "fake:cpu", "", *numbers, "", 0.0)


LINES = [
    line("/object_detector", "cats"),
    line("/robot/object_detector", "cats"),
    line("/speech_transcriber", "whisper"),
]


@pytest.mark.parametrize(
    ("node", "namespace", "found"),
    [
        ("", "", ("/object_detector", "/robot/object_detector")),
        ("", "robot", ("/robot/object_detector",)),
        ("/robot/object_detector", "", ("/robot/object_detector",)),
        ("object_detector", "", ("/object_detector", "/robot/object_detector")),
        ("/object_detector", "", ("/object_detector",)),
    ],
)
def test_the_users_of_a_model(node: str, namespace: str, found: tuple[str, ...]) -> None:
    assert users_of("cats", LINES, node, namespace) == found


@pytest.mark.parametrize(
    ("name", "node", "said"),
    [
        ("lions", "", "no running node uses model 'lions'; there are: cats (/object_detector), "),
        ("cats", "speech_transcriber", "node 'speech_transcriber' does not use model 'cats'"),
    ],
)
def test_who_uses_no_such_model_is_told_what_there_is(name: str, node: str, said: str) -> None:
    with pytest.raises(EdgeMmError) as caught:
        users_of(name, LINES, node)
    assert said in str(caught.value)


def test_without_a_running_system_it_says_how_to_start_one() -> None:
    with pytest.raises(EdgeMmError, match="edge-mm up"):
        users_of("cats", [])


class Running:
    """A detector in this test's graph, and the command in a process of its own."""

    def __init__(self, graph: Any, folder: Path) -> None:
        from fakes.scripted_detector import ScriptedDetectors
        from rclpy.parameter import Parameter

        from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
        from edge_mm_ros.runtime import ModelHost

        write_manifest(folder, "cats")
        self.graph = graph
        self.backend = ScriptedDetectors()
        self.host = ModelHost(ModelRepository([folder]), BackendRegistry([self.backend]))
        graph.bring_up(
            ObjectDetectorNode(
                self.host,
                context=graph.context,
                parameter_overrides=[Parameter("model", value="cats")],
            )
        )

    def ask(self, *arguments: str) -> tuple[int, str]:
        """Run the command to its end while the node goes on."""
        process = subprocess.Popen(
            [sys.executable, "-c", "from edge_mm_ros.cli.main import main; main()", *arguments],
            env={**os.environ, "ROS_DOMAIN_ID": str(self.graph.context.get_domain_id())},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.graph.spin_until(lambda: process.poll() is not None, timeout_s=60, what="command")
        return process.returncode, process.communicate()[0]


@pytest.fixture
def running(ros_graph: Any, tmp_path: Path) -> Iterator[Running]:
    made = Running(ros_graph, tmp_path)
    yield made
    made.host.close()


def test_running_nodes_load_and_unload(running: Running) -> None:
    status, output = running.ask("models", "unload", "cats")
    assert (status, output) == (0, "/object_detector: cats is unloaded (0 MB)\n")
    assert not running.host.status()[0].loaded
    status, output = running.ask("models", "warm", "cats", "--node", "object_detector")
    assert (status, output) == (0, "/object_detector: cats runs on fake:gpu\n")
    assert running.host.status()[0].loaded

    running.host.unload("cats")
    running.backend.on_load = {device: fails("out of memory") for device in ("gpu", "cpu")}
    status, output = running.ask("models", "warm", "cats")
    assert status == 1
    assert "fake:cpu: out of memory" in output


def test_top_shows_a_running_node(running: Running) -> None:
    status, output = running.ask("top", "--once", "--json")
    assert status == 0
    (line,) = json.loads(output)
    assert (line["node"], line["model"], line["device"]) == ("/object_detector", "cats", "fake:gpu")
    assert line["requests"] >= 1
    status, output = running.ask("top", "--once", "--namespace", "elsewhere", "--wait", "2")
    assert status == 1
    assert "in namespace 'elsewhere'" in output


def test_a_whisper_is_converted_by_its_folder_or_its_name(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scribe"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    (tmp_path / "scribe.yaml").write_text(
        "name: scribe\ntask: transcription\npath: scribe\nchain: [fake:cpu]\n"
    )
    target = tmp_path / "scribe.pt"
    sources = []

    def convert(source: Path, target: Path) -> WhisperWeights:
        sources.append(source)
        target.write_bytes(b"checkpoint")
        return WhisperWeights({}, {"w": np.zeros((1000, 1000))}, ())

    monkeypatch.setattr(models_module, "convert_whisper", convert)
    for source in (str(folder), "scribe"):
        status, output, _ = run("convert-whisper", source, str(target))
        assert (status, output) == (0, f"{target}: 1.0 million weights, 0.0 MB\n")
        status, _, errors = run("convert-whisper", source, str(target))
        assert status == 1
        assert f"{target} is there already" in errors
        target.unlink()
    assert sources == [folder, folder]


def test_the_module_offers_what_the_help_says() -> None:
    names = {c.name or c.callback.__name__ for c in models_module.models.registered_commands}  # type: ignore[union-attr]
    assert names == {"list", "show", "probe", "warm", "unload", "build", "convert-whisper"}


def test_the_page_of_models_names_every_key_and_command() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert [key for key in ModelManifest.model_fields if f"`{key}`" not in page] == []
    for command in models_module.models.registered_commands:
        assert f"`edge-mm models {command.name or command.callback.__name__}" in page  # type: ignore[union-attr]
