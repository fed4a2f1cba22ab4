"""What ``edge-mm doctor`` finds out, one finding each."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from edge_mm_ros import __version__
from edge_mm_ros.backends import BackendRegistry, engine_cache
from edge_mm_ros.cli.model_catalog import why_not
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import FOLDERS_VARIABLE, Candidate, ModelRepository
from edge_mm_ros.params.node_kinds import params_type
from edge_mm_ros.params.runtime import RUNTIME_VARIABLE, RuntimeParams, runtime_settings
from edge_mm_ros.params.share import share_directory
from edge_mm_ros.params.system import SystemDescription, load_system, shipped_systems
from edge_mm_ros.pipelines import native
from edge_mm_ros.ros import installation
from edge_mm_ros.runtime.memory_budget import MemoryBudget

State = Literal["ok", "optional", "missing"]
FolderOf = Callable[[str], Path | None]

MAIN_SYSTEM = "safety_monitor"
# Without its model the summary is written by a template: the main job still runs.
OPTIONAL_TASKS = {"generation"}
OPTIONAL_EXTRAS = {
    "language": "summaries by a language model (else by a template)",
    "recordings": "edge-mm replay and demo",
    "report": "the report of edge-mm demo",
}
RUN_EXTRAS = ("vision", "speech", *OPTIONAL_EXTRAS)
IMPORT_NAMES = {
    "pyyaml": "yaml",
    "opencv-python-headless": "cv2",
    "llama-cpp-python": "llama_cpp",
}
NEEDED_MEMORY_BYTES = 1_500_000_000
NEEDED_DISK_BYTES = 500_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        section: heading.
        name: the thing.
        state: ``missing`` keeps the main job from running, ``optional`` does not.
        detail: what was found, or what it is needed for.
        mend: the command or step that mends it; empty where nothing needs mending.
    """

    section: str
    name: str
    state: State
    detail: str
    mend: str = ""


def find_all() -> list[Finding]:
    """Everything, in the order in which people read it."""
    repository = ModelRepository()
    registry = BackendRegistry.from_entry_points()
    return [
        *package(),
        *ros(os.environ, installation.module_folder),
        *python_packages(installation.module_folder),
        *systems(),
        *models(repository, registry),
        *folders_of_models(repository),
        *backends(repository, registry),
        *machine(),
        *model_memory(),
    ]


def can_run(findings: list[Finding]) -> bool:
    """Whether nothing that the main job needs is missing."""
    return all(finding.state != "missing" for finding in findings)


def package() -> Iterator[Finding]:
    """This package itself."""
    yield Finding("package", "edge_mm_ros", "ok", f"{__version__}, {share_directory()}")
    yield Finding("package", "python", "ok", f"{platform.python_version()}, {platform.platform()}")
    if native.compiled is None:
        yield Finding(
            "package",
            "compiled loops",
            "optional",
            "not built: numpy does the same, more slowly",
            "sudo apt install build-essential python3-dev, then build again: make setup, "
            "or colcon build",
        )
    else:
        yield Finding("package", "compiled loops", "ok", "of tracking and fusion")


def ros(environ: Mapping[str, str], folder_of: FolderOf) -> Iterator[Finding]:
    """ROS 2, its middleware, and the packages that nodes need or use."""
    found = installation.find_ros(environ, folder_of)
    if found is None:
        yield Finding(
            "ros",
            "rclpy",
            "missing",
            "ROS 2 is not in this environment",
            "source /opt/ros/<distro>/setup.bash, or: make setup",
        )
    else:
        name = found.distribution or "unknown distribution"
        yield Finding("ros", "rclpy", "ok", f"{name} ({found.source}), {found.folder}")
        yield from _middleware(environ)
    needed = installation.message_packages(share_directory() / "package.xml")
    absent = [name for name in needed if folder_of(name) is None]
    present = [name for name in needed if name not in absent]
    if present:
        yield Finding("ros", "messages", "ok", ", ".join(present))
    for name in absent:
        mend = installation.mend_of_package(name, found)
        yield Finding("ros", name, "missing", "message package", mend)
    for name, purpose in installation.OPTIONAL_PACKAGES.items():
        if folder_of(name) is None:
            mend = installation.mend_of_package(name, found)
            yield Finding("ros", name, "optional", f"for {purpose}", mend)
        else:
            yield Finding("ros", name, "ok", purpose)


def _middleware(environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        middleware = installation.middleware()
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        yield Finding("ros", "middleware", "missing", reason, "see RMW_IMPLEMENTATION")
        return
    yield Finding("ros", "middleware", "ok", middleware)
    yield Finding("ros", "transport", "ok", installation.transport_in_force(environ))
    limit = installation.receive_buffer_limit()
    wanted = installation.SOCKET_BUFFER_BYTES
    if limit is not None and limit < wanted:
        yield Finding(
            "ros",
            "net.core.rmem_max",
            "optional",
            f"{limit} bytes: large pictures between processes may be lost",
            f"sudo sysctl -w net.core.rmem_max={wanted}",
        )


def python_packages(folder_of: FolderOf) -> Iterator[Finding]:
    """What this package's own metadata requires, and the extras with which it runs."""
    try:
        requirements = importlib.metadata.requires("edge_mm_ros") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "python",
            "edge_mm_ros",
            "optional",
            "runs from its sources; what it requires is not known",
            "pip install .",
        )
        return
    present: dict[str, list[str]] = {}
    absent = []
    for requirement in requirements:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        extra = re.search(r"""extra == ["'](.+?)["']""", requirement)
        group = extra[1] if extra else "required"
        if extra and group not in RUN_EXTRAS:
            continue
        module = IMPORT_NAMES.get(name.lower(), name.lower().replace("-", "_"))
        if folder_of(module) is not None:
            present.setdefault(group, []).append(f"{name} {_version(name)}".strip())
            continue
        state: State = "optional" if group in OPTIONAL_EXTRAS else "missing"
        purpose = f"for {OPTIONAL_EXTRAS[group]}" if group in OPTIONAL_EXTRAS else group
        wanted = requirement.partition(";")[0].strip()
        absent.append(Finding("python", name, state, purpose, f"pip install '{wanted}'"))
    for group, names in present.items():
        yield Finding("python", group, "ok", ", ".join(names))
    yield from absent


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def systems() -> Iterator[Finding]:
    """Whether the systems that ship can be read."""
    for name in shipped_systems():
        try:
            system = load_system(name)
        except EdgeMmError as error:
            yield Finding("systems", name, "missing", str(error), "correct the file")
        else:
            nodes = ", ".join(node.name for node in system.nodes)
            yield Finding("systems", name, "ok", nodes)


def models(repository: ModelRepository, registry: BackendRegistry) -> Iterator[Finding]:
    """Each model: whether its files are there, and where it would run."""
    try:
        needed = models_of(load_system(MAIN_SYSTEM))
    except EdgeMmError:  # told by `systems`
        needed = set()
    for name in repository.names():
        yield _model(repository, registry, name, needed)


def folders_of_models(repository: ModelRepository) -> Iterator[Finding]:
    """Where manifests are found by name, and how many there are."""
    folders = [f"{f} ({len(list(f.glob('*.yaml')))})" for f in repository.folders if f.is_dir()]
    yield Finding("models", "folders", "ok", ", ".join(folders))
    for folder in repository.folders:
        if not folder.is_dir() and str(folder) in os.environ.get(FOLDERS_VARIABLE, ""):
            detail = f"{folder} of {FOLDERS_VARIABLE} does not exist"
            yield Finding("models", str(folder), "optional", detail, "correct the variable")


def backends(repository: ModelRepository, registry: BackendRegistry) -> Iterator[Finding]:
    """Each engine and device that a model names, and whether it can run here."""
    for name, reason in registry.broken.items():
        yield Finding("backends", name, "optional", f"broken: {reason}", "install it again")
    candidates: dict[Candidate, None] = {}
    for name in repository.names():
        with contextlib.suppress(EdgeMmError):  # told by `models`
            candidates.update(dict.fromkeys(repository.manifest(name).candidates))
    for candidate in candidates:
        reason = why_not(registry, candidate)
        state: State = "optional" if reason else "ok"
        text, mend = _split_mend(reason)
        yield Finding("backends", str(candidate), state, text or "available", mend)


def models_of(system: SystemDescription) -> set[str]:
    """The models that a system's nodes ask for, by their parameters."""
    return {
        name
        for node in system.nodes
        for name in params_type(node.node).model_validate(node.parameters).models
    }


def _model(
    repository: ModelRepository, registry: BackendRegistry, name: str, needed: set[str]
) -> Finding:
    state: State = "optional"
    try:
        manifest = repository.manifest(name)
        if name in needed and manifest.task not in OPTIONAL_TASKS:
            state = "missing"
        place = str(repository.locate(name)) if manifest.has_files else "on a server"
    except EdgeMmError as error:
        text, mend = _split_mend(str(error))
        return Finding("models", name, state, text, mend or "correct its manifest")
    reasons = []
    for candidate in manifest.candidates:
        reason = why_not(registry, candidate)
        if not reason:
            return Finding("models", name, "ok", f"{manifest.task} on {candidate}, {place}")
        reasons.append(f"{candidate}: {reason}")
    return Finding("models", name, state, "; ".join(reasons), "install one of its backends")


def _split_mend(error: str) -> tuple[str, str]:
    """An error's text, and the mend that many end with after a semicolon."""
    text, _, last = error.rpartition("; ")
    for begin in ("get it with: ", "install it with: ", "put ", "pip install "):
        if text and last.startswith(begin):
            return text, last.removeprefix(begin) if begin.endswith(": ") else last
    return error, ""


def machine() -> Iterator[Finding]:
    """Processor, memory and disk."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    yield Finding("machine", "cpu", "ok", f"{cores} cores, {_processor()}")
    memory = psutil.virtual_memory()
    text = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    if memory.available < NEEDED_MEMORY_BYTES:
        mend = f"free {NEEDED_MEMORY_BYTES / 1e9:.1f} GB for the models"
        yield Finding("machine", "memory", "optional", text, mend)
    else:
        yield Finding("machine", "memory", "ok", text)
    for folder in (Path.cwd(), Path("/dev/shm")):
        if not folder.is_dir():
            continue
        free = shutil.disk_usage(folder).free
        scarce = free < NEEDED_DISK_BYTES and folder == Path.cwd()
        yield Finding(
            "machine",
            f"disk {folder}",
            "optional" if scarce else "ok",
            f"{free / 1e9:.1f} GB free",
            "free some space for recordings" if scarce else "",
        )


def model_memory(settings: RuntimeParams | None = None) -> Iterator[Finding]:
    """What the models of one process may take, and the cache of compiled engines.

    Args:
        settings: of the process; None: as ``EDGE_MM_RUNTIME`` says, or the defaults.
    """
    name = "model memory"
    try:
        settings = settings or runtime_settings()
    except EdgeMmError as error:
        mend = f"correct the file, or unset {RUNTIME_VARIABLE}"
        yield Finding("machine", name, "missing", str(error), mend)
        return
    host_bytes, _ = MemoryBudget(settings).limits(())
    asked = settings.memory_bytes
    wish = f"of {asked / 1e6:.0f} MB asked for" if asked else "what machine and cgroup leave"
    text = f"{host_bytes / 1e6:.0f} MB for all models of a process ({wish})"
    if host_bytes < asked:
        mend = "free some memory, or ask for less in the process's 'runtime'"
        yield Finding("machine", name, "optional", text, mend)
    else:
        yield Finding("machine", name, "ok", text)
    yield _engine_cache(engine_cache.default_folder())


def _engine_cache(folder: Path) -> Finding:
    there = next(f for f in (folder, *folder.parents) if f.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        text = f"{folder} cannot be written: engines are compiled at every start"
        mend = "name a folder that can be written in EDGE_MM_CACHE_DIR"
        return Finding("machine", "engine cache", "optional", text, mend)
    size_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Finding("machine", "engine cache", "ok", f"{folder}, {size_bytes / 1e6:.0f} MB")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
