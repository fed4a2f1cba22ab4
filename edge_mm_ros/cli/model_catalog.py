"""What this machine knows of each model: manifest, files, and which candidates can run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_mm_ros.backends import BackendError, BackendRegistry
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import Candidate, ModelManifest, ModelRepository

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class CandidateEntry:
    """A candidate of a chain, and why it cannot run here; empty where it can."""

    candidate: Candidate
    reason: str = ""


@dataclass(frozen=True)
class ModelEntry:
    """A model.

    Attributes:
        name: by which it is asked for.
        manifest_path: its manifest.
        manifest: None where it cannot be read.
        path: its file or folder; None where there is none, or it cannot be used.
        size_bytes: of all its files.
        candidates: of its chain, the best first.
        problem: why its manifest or files cannot be used, and the mend; empty where they can.
    """

    name: str
    manifest_path: Path
    manifest: ModelManifest | None = None
    path: Path | None = None
    size_bytes: int = 0
    candidates: tuple[CandidateEntry, ...] = ()
    problem: str = ""

    @property
    def runs_on(self) -> Candidate | None:
        """The candidate that it would run on here; None where it cannot run."""
        if self.problem:
            return None
        return next((entry.candidate for entry in self.candidates if not entry.reason), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "manifest_path": str(self.manifest_path),
            "path": None if self.path is None else str(self.path),
            "size_bytes": self.size_bytes,
            "runs_on": None if self.runs_on is None else str(self.runs_on),
            "problem": self.problem,
            "candidates": [
                {"candidate": str(entry.candidate), "reason": entry.reason}
                for entry in self.candidates
            ],
            "manifest": None if self.manifest is None else self.manifest.model_dump(mode="json"),
        }


class ModelCatalog:
    """Looks models up, without loading any.

    Args:
        repository: manifests and files.
        registry: the engines.
    """

    def __init__(self, repository: ModelRepository, registry: BackendRegistry) -> None:
        self.repository = repository
        self.registry = registry

    @classmethod
    def of_this_machine(cls) -> ModelCatalog:
        """All known manifests and all installed backends."""
        return cls(ModelRepository(), BackendRegistry.from_entry_points())

    def entries(self) -> Sequence[ModelEntry]:
        """All models by name."""
        return [self.entry(name) for name in self.repository.names()]

    def entry(self, name: str) -> ModelEntry:
        """One model, by its name or the path of its manifest.

        Raises:
            ModelUnavailable: there is no such manifest; lists the known names.
        """
        manifest_path = self.repository.manifest_path(name)
        try:
            manifest = self.repository.manifest(name)
        except EdgeMmError as error:
            return ModelEntry(name, manifest_path, problem=str(error))
        candidates = tuple(
            CandidateEntry(c, why_not(self.registry, c)) for c in manifest.candidates
        )
        path, problem = None, ""
        try:
            if manifest.has_files:
                path = self.repository.locate(name)
            self.repository.golden(name)
        except EdgeMmError as error:
            problem = str(error)
        size_bytes = 0 if path is None else _size_bytes(path)
        return ModelEntry(name, manifest_path, manifest, path, size_bytes, candidates, problem)


def why_not(registry: BackendRegistry, candidate: Candidate) -> str:
    """Why a candidate cannot run on this machine; empty where it can."""
    try:
        probe = registry.get(candidate.backend).probe(candidate.device)
    except BackendError as error:
        return str(error)
    return "" if probe.available else probe.reason


def digests(path: Path) -> dict[str, str]:
    """SHA-256 of a model's files: by file name, in a folder by the path below it."""
    found = {}
    for file in _files_of(path):
        with file.open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
        relative = file.name if file == path else file.relative_to(path).as_posix()
        found[relative] = digest.hexdigest()
    return found


def _size_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in _files_of(path))


def _files_of(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
