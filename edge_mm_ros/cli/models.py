"""``edge-mm models``."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from edge_mm_ros.backends import BackendError, EngineBuilder, ModelArtifact, NothingToBuild
from edge_mm_ros.backends.whisper_conversion import convert_whisper
from edge_mm_ros.cli.live_models import FIRST_WAIT_S, LiveModels, ModelLine, hear_all
from edge_mm_ros.cli.model_catalog import ModelCatalog, ModelEntry, digests, why_not
from edge_mm_ros.cli.probing import ProbeResult, probe
from edge_mm_ros.cli.top import in_namespace, nobody_heard
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import ModelUnavailable
from edge_mm_ros.params.runtime import runtime_settings
from edge_mm_ros.ros.installation import require_ros
from edge_mm_ros.runtime.candidates import ModelSource

models = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a model, or path of its manifest.")]
RunningName = Annotated[str, typer.Argument(help="Name of a model, as the nodes know it.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
NodeName = Annotated[str, typer.Option(help="Ask this node only, for example /object_detector.")]
Namespace = Annotated[str, typer.Option(help="Ask nodes of this namespace only.")]
_KEY_WIDTH = 15


@models.command("list")
def list_all(json: Json = False) -> None:
    """List the models that nodes can ask for by name, and where they would run here."""
    catalog = ModelCatalog.of_this_machine()
    entries = catalog.entries()
    if json:
        print(json_module.dumps([entry.as_dict() for entry in entries], indent=2))
        return
    table = Table("model", "task", "version", "size", "chain", "files")
    for entry in entries:
        manifest = entry.manifest
        table.add_row(
            Text(entry.name),
            Text(manifest.task if manifest else "?"),
            Text(manifest.version if manifest else "?"),
            _size(entry),
            _chain(entry),
            _files(entry),
        )
    console = _console()
    console.print(table)
    folders = ", ".join(str(folder) for folder in catalog.repository.folders)
    console.print(Text(f"looked in: {folders}", "dim"))


@models.command()
def show(name: Name, json: Json = False) -> None:
    """Show one model: its manifest, its files, and why each candidate can or cannot run here."""
    entry = ModelCatalog.of_this_machine().entry(name)
    if json:
        print(json_module.dumps(entry.as_dict(), indent=2))
        return
    console = _console()

    def line(key: str, value: object, style: str = "") -> None:
        console.print(Text(f"{key:<{_KEY_WIDTH}}", "dim") + Text(str(value), style))

    line("manifest file", entry.manifest_path)
    if entry.manifest is not None:
        values = entry.manifest.model_dump(
            mode="json", exclude_defaults=True, exclude={"chain", "sha256"}
        )
        for key, value in values.items():
            line(key, value if isinstance(value, str | int | float) else json_module.dumps(value))
        line("priority", entry.manifest.effective_priority)
        line("deadline_s", f"{entry.manifest.effective_deadline_s:g}")
    if entry.path is not None:
        line("files", f"{entry.path} ({entry.size_bytes / 1e6:.1f} MB)")
        for relative, digest in digests(entry.path).items():
            declared = bool(entry.manifest and relative in entry.manifest.sha256)
            state = "as declared" if declared else "not declared"
            line("SHA-256", f"{digest} {relative} ({state})")
    for candidate in entry.candidates:
        good = not candidate.reason
        text = f"{candidate.candidate}: {candidate.reason or 'can run here'}"
        line("candidate", text, "green" if good else "yellow")
    if entry.problem:
        line("problem", entry.problem, "red")


@models.command("probe")
def probe_one(
    name: Name,
    runs: Annotated[
        int, typer.Option(min=0, max=10_000, help="Runs of each candidate on a synthetic input.")
    ] = 10,
    json: Json = False,
) -> None:
    """Load each candidate of a model in turn for real, check it, run it, and measure it.

    The exit status is 0 where at least one works and none fails that this machine should run.
    """
    catalog = ModelCatalog.of_this_machine()
    console = _console()
    results = []
    for result in probe(
        catalog.repository,
        catalog.registry,
        name,
        runs,
        runtime_settings(),
        lambda candidate: None if json else console.print(Text(f"{candidate} ...", "dim")),
    ):
        results.append(result)
        if not json:
            console.print(_result(result))
    outcomes = [result.outcome for result in results]
    good = "ok" in outcomes and "failed" not in outcomes
    if json:
        print(json_module.dumps({"ok": good, "results": [r.as_dict() for r in results]}, indent=2))
    elif not good:
        sentence = "a candidate fails" if "failed" in outcomes else "no candidate can run here"
        console.print(Text(f"model '{name}': {sentence}", "red"))
    sys.exit(0 if good else 1)


@models.command()
def build(name: Name) -> None:
    """Compile a model's engines ahead into the engine cache, so that the first start is quick."""
    catalog = ModelCatalog.of_this_machine()
    source = ModelSource.read(catalog.repository, name)
    console = _console()
    failed = False
    for candidate in source.manifest.candidates:
        backend_options = source.manifest.options.get(candidate.backend, {})
        try:
            backend = catalog.registry.get(candidate.backend)
            reason = why_not(catalog.registry, candidate)
            if reason:
                text = Text(f"{candidate}: not built, cannot run here: {reason}", "yellow")
            else:
                place = _build_one(backend, source.artifact, candidate.device, backend_options)
                text = Text(f"{candidate}: built, {place}", "green")
        except NothingToBuild as error:
            text = Text(f"{candidate}: {error}", "dim")
        except BackendError as error:
            failed = True
            text = Text(f"{candidate}: {error}", "red")
        console.print(text)
    sys.exit(1 if failed else 0)


@models.command("convert-whisper")
def convert(
    source: Annotated[
        str, typer.Argument(help="Name of a model of faster_whisper, or its folder.")
    ],
    target: Annotated[Path, typer.Argument(help="Checkpoint to write, for example base.pt.")],
) -> None:
    """Convert a Whisper of CTranslate2 (faster-whisper) for openai-whisper.

    Needs PyTorch: pip install edge_mm_ros[openai_whisper].
    """
    if target.exists():
        raise EdgeMmError(f"{target} is there already; choose another name")
    folder = Path(source)
    if not (folder / "model.bin").is_file():
        folder = ModelCatalog.of_this_machine().repository.locate(source)
    weights = convert_whisper(folder, target)
    numbers = sum(values.size for values in weights.state.values())
    size_bytes = target.stat().st_size
    print(f"{target}: {numbers / 1e6:.1f} million weights, {size_bytes / 1e6:.1f} MB")


@models.command()
def warm(
    name: RunningName,
    node: NodeName = "",
    namespace: Namespace = "",
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait, in seconds.")] = 180.0,
) -> None:
    """Let the running nodes that use a model load it now, by their service ~/load."""
    _ask(name, "load", node, namespace, timeout)


@models.command()
def unload(
    name: RunningName,
    node: NodeName = "",
    namespace: Namespace = "",
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait, in seconds.")] = 30.0,
) -> None:
    """Let the running nodes that use a model give its memory back, by their service ~/unload.

    It is loaded again when it is next used.
    """
    _ask(name, "unload", node, namespace, timeout)


def _build_one(
    backend: object, artifact: ModelArtifact, device: str, options: dict[str, Any]
) -> Any:
    if not isinstance(backend, EngineBuilder):
        raise NothingToBuild("nothing is compiled ahead for it")
    console = _console()
    return backend.build(
        artifact, device, options, lambda text: console.print(Text(f"  {text}", "dim"))
    )


def _ask(name: str, service: str, node: str, namespace: str, timeout_s: float) -> None:
    """Call a service of each node that uses a model; end with status 1 where one refuses."""
    require_ros()
    from edge_mm_ros.ros.bystander import Bystander, NoAnswer

    heard = LiveModels()
    console = _console()
    success = True
    with Bystander(heard.take) as bystander:
        hear_all(bystander, heard, FIRST_WAIT_S)
        for full_name in users_of(name, heard.lines(), node, namespace):
            try:
                done, message = bystander.trigger(f"{full_name}/{service}", timeout_s)
            except NoAnswer as error:
                done, message = False, str(error)
            success &= done
            console.print(Text(f"{full_name}: {message}", "" if done else "red"))
    sys.exit(0 if success else 1)


def users_of(
    name: str, lines: list[ModelLine], node: str = "", namespace: str = ""
) -> tuple[str, ...]:
    """Full names of the running nodes that use a model.

    Args:
        name: of the model.
        lines: what was heard.
        node: only this one, by its name with or without its namespace; empty: all.
        namespace: only those in it; empty: all.

    Raises:
        EdgeMmError: there is none; lists the models and nodes that were heard.
    """
    there = in_namespace(lines, namespace)
    if not there:
        raise EdgeMmError(nobody_heard(FIRST_WAIT_S, namespace))

    def is_meant(full_name: str) -> bool:
        if not node or node.startswith("/"):
            return node in ("", full_name)
        return full_name.endswith(f"/{node}")

    users = [line.node for line in there if line.model == name and is_meant(line.node)]
    if not users:
        who = f"node '{node}' does not use model" if node else "no running node uses model"
        known = ", ".join(f"{line.model} ({line.node})" for line in there)
        raise ModelUnavailable(f"{who} '{name}'; there are: {known}")
    return tuple(users)


def _console() -> Console:
    # Without a terminal nothing may be cut off or wrapped.
    return Console(
        highlight=False,
        soft_wrap=not sys.stdout.isatty(),
        width=None if sys.stdout.isatty() else 240,
    )


def _size(entry: ModelEntry) -> Text:
    return Text(f"{entry.size_bytes / 1e6:.1f} MB" if entry.size_bytes else "–")


def _chain(entry: ModelEntry) -> Group:
    lines = []
    for candidate in entry.candidates:
        if candidate.reason:
            lines.append(Text(f"- {candidate.candidate}", "dim"))
        else:
            style = "bold green" if candidate.candidate == entry.runs_on else "green"
            lines.append(Text(f"+ {candidate.candidate}", style))
    return Group(*lines)


def _files(entry: ModelEntry) -> Text:
    if entry.problem:
        return Text(entry.problem, "red")
    if entry.runs_on is None:
        return Text(f"no candidate can run here: edge-mm models show {entry.name}", "yellow")
    return Text(str(entry.path or "on a server"))


def _result(result: ProbeResult) -> Text:
    if result.outcome != "ok":
        style = "red" if result.outcome == "failed" else "yellow"
        return Text(f"  {result.outcome}: {result.reason}", style)
    parts = [f"on {result.device}", f"loaded in {result.load_s:.2f} s"]
    if result.p50_ms is not None:
        parts.append(f"a run {result.p50_ms:.1f} ms (median)")
    parts.append(f"{result.memory_bytes / 1e6:.0f} MB")
    if result.device_memory_bytes:
        parts.append(f"{result.device_memory_bytes / 1e6:.0f} MB of the device")
    parts += [f"{key}: {value}" for key, value in result.report.items()]
    return Text(f"  ok: {', '.join(parts)}", "green")
