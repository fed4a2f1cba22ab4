"""One way to run a model: what it needs, how it is loaded, and what is loaded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_mm_ros.backends import (
    BackendError,
    BackendRegistry,
    LoadedModel,
    ModelArtifact,
    TensorSpec,
)
from edge_mm_ros.model_repository import Candidate, ModelManifest, ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime.canary import CanaryCheck
from edge_mm_ros.runtime.lane import DeadlineExceeded, Lane
from edge_mm_ros.runtime.memory_budget import Need

_MEMORY_PER_FILE_BYTE = 1.5
_NO_HURRY_PRIORITY = 30
_MAX_NICENESS = 19
_serial = itertools.count()


class CandidateUnavailable(BackendError):
    """A candidate cannot run on this machine at all."""


class LoadTimeout(BackendError):
    """A candidate took too long to load; its thread stays with it."""

    def __init__(self, message: str, lane: Lane) -> None:
        super().__init__(message)
        self.lane = lane


@dataclass(frozen=True)
class ModelSource:
    """A model as its manifest and files say.

    Attributes:
        manifest: the manifest.
        artifact: what backends load.
        check: what a loaded candidate must show.
        mend: what to do about a damaged file.
    """

    manifest: ModelManifest
    artifact: ModelArtifact
    check: CanaryCheck = field(compare=False)
    mend: str

    @classmethod
    def read(cls, repository: ModelRepository, source: str) -> ModelSource:
        """From the repository.

        Args:
            repository: where to look.
            source: name of a model, or path of a manifest.

        Raises:
            ModelUnavailable, ParameterError: manifest or file cannot be used.
            CanaryFailed: its golden values cannot be read.
        """
        manifest = repository.manifest(source)
        path = repository.locate(source) if manifest.has_files else Path()
        inputs = tuple(
            TensorSpec(spec.name, spec.shape, np.dtype(spec.dtype)) for spec in manifest.inputs
        )
        artifact = ModelArtifact(
            manifest.name,
            path,
            manifest.task,
            digest=manifest.sha256.get(path.name, ""),
            inputs=inputs,
            labels=manifest.labels,
        )
        check = CanaryCheck(artifact, manifest, repository.golden(source))
        return cls(manifest, artifact, check, repository.mend(source))

    def need(self, candidate: Candidate) -> Need:
        """What a candidate takes, before it was ever measured."""
        if candidate.remote:
            return Need(0)
        device = accelerator(candidate)
        file_bytes = _size_bytes(self.artifact.path)
        estimate = self.manifest.memory_bytes or int(file_bytes * _MEMORY_PER_FILE_BYTE)
        return Need(estimate, device, self.manifest.device_memory_bytes if device else 0)


@dataclass(eq=False)
class LoadedCandidate:
    """A candidate in memory, on its own thread.

    Attributes:
        candidate: which one.
        model: the model.
        lane: the thread of all its calls.
        identity: differs from that of everything that was ever loaded.
        used_s: when it was last used.
    """

    candidate: Candidate
    model: LoadedModel
    lane: Lane
    used_s: float
    identity: Hashable = field(default_factory=lambda: next(_serial))

    @property
    def device(self) -> str:
        """``backend:device`` really in use."""
        return f"{self.candidate.backend}:{self.model.device}"

    def close(self) -> bool:
        """Give its memory back after the calls that wait.

        Returns:
            False where a call hangs: thread and memory stay until it returns.
        """
        return self.lane.close(self.model.close)


class CandidateLoader:
    """Loads candidates, each on a thread of its own."""

    def __init__(self, backends: BackendRegistry, settings: RuntimeParams) -> None:
        self._backends = backends
        self._settings = settings

    def why_not(self, candidate: Candidate) -> str:
        """Why a candidate cannot run on this machine; empty where it can."""
        try:
            probe = self._backends.get(candidate.backend).probe(candidate.device)
        except BackendError as error:
            return str(error)
        return "" if probe.available else probe.reason

    def load(
        self, source: ModelSource, candidate: Candidate, clock: Callable[[], float]
    ) -> LoadedCandidate:
        """Load and check a candidate.

        Raises:
            CandidateUnavailable: it cannot run on this machine.
            LoadTimeout: it takes longer than its manifest allows.
            BackendError: it cannot be loaded, or does not do what its manifest says.
        """
        if reason := self.why_not(candidate):
            raise CandidateUnavailable(reason)
        manifest = source.manifest
        options: Mapping[str, Any] = manifest.options.get(candidate.backend, {})
        backend = self._backends.get(candidate.backend)
        lane = Lane(f"model {manifest.name}", self._niceness(manifest.effective_priority))
        loaded: list[LoadedModel] = []

        def load() -> None:
            model = backend.load(source.artifact, candidate.device, options)
            if not isinstance(model, LoadedModel):  # of a foreign plug-in
                raise BackendError(
                    f"backend '{candidate.backend}' gave a {type(model).__name__}, which has not "
                    "all that a LoadedModel has; update the plug-in"
                )
            loaded.append(model)
            source.check(model)

        def give_up() -> None:
            for model in loaded:
                model.close()

        try:
            lane.call(load, manifest.load_timeout_s)
        except DeadlineExceeded as error:
            lane.close(give_up)
            raise LoadTimeout(
                f"was not loaded within {manifest.load_timeout_s:g} s; raise load_timeout_s in the "
                "manifest, or choose another candidate",
                lane,
            ) from error
        except BaseException:
            lane.close(give_up)
            raise
        return LoadedCandidate(candidate, loaded[0], lane, clock())

    def _niceness(self, priority: int) -> int:
        if not self._settings.priorities:
            return 0
        return min(_MAX_NICENESS, max(0, (_NO_HURRY_PRIORITY - priority) // 2))


def accelerator(candidate: Candidate) -> str:
    """The accelerator whose memory a candidate takes; empty for the processor and for remotes."""
    kind, _, index = candidate.device.partition(":")
    if candidate.remote or kind in {"cpu", "xnnpack"}:
        return ""
    # TensorRT and CUDA are two ways to the same memory.
    return f"{'cuda' if kind == 'tensorrt' else kind}:{index or 0}"


def _size_bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
