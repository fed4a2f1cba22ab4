"""Owns the models of a process: loaded at their first lease, shared, given back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from edge_mm_ros.backends import BackendError, BackendRegistry, LoadedModel, ModelArtifact
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import Candidate, ModelManifest, ModelRepository
from edge_mm_ros.runtime.process_memory import trim_heap

logger = logging.getLogger(__name__)


class NoCandidate(EdgeMmError):
    """No candidate of a model's chain can run here; tells why for each."""


@dataclass(frozen=True)
class ModelStatus:
    """How a model is.

    Attributes:
        name: the model's name.
        loaded: whether it is in memory.
        device: ``backend:device`` really in use; empty where it is not loaded.
        memory_bytes: measured size; 0 where it is not loaded.
        leases: users at this moment.
        unavailable: better candidates that cannot run on this machine, with the reason.
        failed: better candidates that should run here but did not load, with the reason.
    """

    name: str
    loaded: bool = False
    device: str = ""
    memory_bytes: int = 0
    leases: int = 0
    unavailable: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass
class _Slot:
    lock: threading.RLock = field(default_factory=threading.RLock)
    idle: threading.Condition = field(init=False)
    model: LoadedModel | None = None
    status: ModelStatus = field(default_factory=lambda: ModelStatus(""))

    def __post_init__(self) -> None:
        self.idle = threading.Condition(self.lock)


class ModelHost:
    """Loads a model at its first lease, through the first candidate of its chain that works.

    Thread safe. Concurrent first leases of one model load it once. Where a candidate is passed
    over, `on_change` is told once at load, so that a fallback is never silent.
    """

    def __init__(
        self,
        repository: ModelRepository,
        backends: BackendRegistry,
        on_change: Callable[[ModelStatus], None] | None = None,
    ) -> None:
        self.repository = repository
        self.backends = backends
        self._on_change = on_change
        self._slots: dict[str, _Slot] = {}
        self._slots_lock = threading.Lock()

    def verify(self, name: str) -> ModelManifest:
        """Check, without loading, that a model can be loaded here.

        Returns:
            its manifest.

        Raises:
            ModelUnavailable: manifest or file is missing.
            ParameterError: the manifest has refused keys.
            NoCandidate: no backend of its chain can run here.
        """
        manifest = self.repository.manifest(name)
        self.repository.locate(name)
        reasons = []
        for candidate in manifest.candidates:
            reason = self._why_not(candidate)
            if not reason:
                return manifest
            reasons.append(f"{candidate}: {reason}")
        raise NoCandidate(f"model '{manifest.name}' cannot run here: {'; '.join(reasons)}")

    @contextmanager
    def lease(self, name: str) -> Iterator[LoadedModel]:
        """The loaded model, kept in memory at least until the block ends.

        Raises:
            ModelUnavailable, ParameterError, NoCandidate: it cannot be loaded.
        """
        slot = self._slot(name)
        with slot.lock:
            if slot.model is None:
                self._load(name, slot)
            model = slot.model
            assert model is not None
            slot.status = replace(slot.status, leases=slot.status.leases + 1)
        try:
            yield model
        finally:
            with slot.lock:
                slot.status = replace(slot.status, leases=slot.status.leases - 1)
                slot.idle.notify_all()

    def preload(self, name: str) -> None:
        """Load and warm a model now."""
        with self.lease(name) as model:
            model.warm_up()

    def unload(self, name: str, timeout_s: float = 10.0) -> bool:
        """Give a model's memory back once nobody uses it.

        Returns:
            False where it was still leased after `timeout_s`; it then stays.
        """
        slot = self._slot(name)
        with slot.lock:
            if not slot.idle.wait_for(lambda: slot.status.leases == 0, timeout=timeout_s):
                return False
            if slot.model is None:
                return True
            model, slot.model = slot.model, None
            slot.status = ModelStatus(slot.status.name)
            model.close()
        trim_heap()
        self._tell(slot.status)
        return True

    def close(self) -> None:
        """Unload everything."""
        for name in tuple(self._slots):
            self.unload(name)

    def status(self) -> tuple[ModelStatus, ...]:
        """All models that were ever asked for."""
        return tuple(self._measured(slot) for slot in tuple(self._slots.values()))

    @staticmethod
    def _measured(slot: _Slot) -> ModelStatus:
        model, status = slot.model, slot.status
        if model is None or not status.loaded:
            return status
        return replace(status, memory_bytes=model.memory_bytes)  # it grows with the first run

    def _slot(self, name: str) -> _Slot:
        with self._slots_lock:
            if name not in self._slots:
                self._slots[name] = _Slot(status=ModelStatus(name))
            return self._slots[name]

    def _why_not(self, candidate: Candidate) -> str:
        try:
            probe = self.backends.get(candidate.backend).probe(candidate.device)
        except BackendError as error:
            return str(error)
        return "" if probe.available else probe.reason

    def _load(self, name: str, slot: _Slot) -> None:
        manifest = self.repository.manifest(name)
        artifact = ModelArtifact(manifest.name, self.repository.locate(name), manifest.task)
        unavailable: list[str] = []
        failed: list[str] = []
        for candidate in manifest.candidates:
            if reason := self._why_not(candidate):
                unavailable.append(f"{candidate}: {reason}")
                continue
            try:
                slot.model = self.backends.get(candidate.backend).load(
                    artifact, candidate.device, manifest.options
                )
                break
            except BackendError as error:
                failed.append(f"{candidate}: {error}")
        else:
            mend = f"; {self.repository.mend(name)}" if failed else ""
            raise NoCandidate(
                f"model '{name}' cannot be loaded: {'; '.join([*failed, *unavailable])}{mend}"
            )
        slot.status = ModelStatus(
            name,
            loaded=True,
            device=f"{candidate.backend}:{slot.model.device}",
            memory_bytes=slot.model.memory_bytes,
            unavailable=tuple(unavailable),
            failed=tuple(failed),
        )
        logger.info("model %s loaded on %s", name, slot.status.device)
        for line in unavailable:
            logger.info("model %s: not available here: %s", name, line)
        for line in failed:
            logger.warning("model %s fell back to %s: %s", name, slot.status.device, line)
        self._tell(slot.status)

    def _tell(self, status: ModelStatus) -> None:
        if self._on_change is not None:
            self._on_change(status)
