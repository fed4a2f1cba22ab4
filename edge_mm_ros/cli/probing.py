"""Tries each candidate of a model for real."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import Candidate, ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime.candidates import CandidateLoader, LoadedCandidate, ModelSource
from edge_mm_ros.runtime.memory_budget import BudgetExceeded, MemoryBudget

Outcome = Literal["ok", "unavailable", "failed"]


@dataclass(frozen=True)
class ProbeResult:
    """How one candidate did.

    Attributes:
        candidate: ``backend:device``.
        outcome: ``unavailable``: this machine does not have it; ``failed``: it should work.
        reason: why it is not ``ok``.
        load_s: time to load, its checks included.
        p50_ms: median of some runs on a synthetic input.
        memory_bytes: measured size on the host.
        device_memory_bytes: the same on the accelerator.
        device: really in use.
        report: what the engine says of itself.
    """

    candidate: str
    outcome: Outcome
    reason: str = ""
    load_s: float | None = None
    p50_ms: float | None = None
    memory_bytes: int = 0
    device_memory_bytes: int = 0
    device: str = ""
    report: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def probe(
    repository: ModelRepository,
    registry: BackendRegistry,
    name: str,
    runs: int,
    settings: RuntimeParams,
    on_begin: Callable[[Candidate], None] = lambda _: None,
) -> Iterator[ProbeResult]:
    """Load each candidate of a model in turn, check it, run it, and give its memory back.

    Args:
        repository: manifests and files.
        registry: the engines.
        name: of the model, or path of its manifest.
        runs: how often each runs on a synthetic input.
        settings: whose budget the model must fit into.
        on_begin: told of each candidate before it is tried.

    Raises:
        EdgeMmError: manifest or files cannot be used.
    """
    source = ModelSource.read(repository, name)
    loader = CandidateLoader(registry, settings)
    budget = MemoryBudget(settings)
    for candidate in source.manifest.candidates:
        on_begin(candidate)
        if reason := loader.why_not(candidate):
            yield ProbeResult(str(candidate), "unavailable", reason)
            continue
        try:
            need = source.need(candidate)
            if budget.plan(need, ()).hopeless:
                raise BudgetExceeded(budget.refusal(source.manifest.name, need, (), 0.0))
            yield _try(loader, source, candidate, runs)
        except EdgeMmError as error:
            yield ProbeResult(str(candidate), "failed", str(error))


def _try(
    loader: CandidateLoader, source: ModelSource, candidate: Candidate, runs: int
) -> ProbeResult:
    begin_s = time.monotonic()
    loaded = loader.load(source, candidate, time.monotonic)
    load_s = time.monotonic() - begin_s
    try:
        durations_ms = [_run_ms(loaded, source) for _ in range(runs)]
        model = loaded.model
        return ProbeResult(
            str(candidate),
            "ok",
            load_s=load_s,
            p50_ms=statistics.median(durations_ms) if durations_ms else None,
            memory_bytes=model.memory_bytes,
            device_memory_bytes=model.device_memory_bytes,
            device=loaded.device,
            report=dict(model.report),
        )
    finally:
        loaded.close()


def _run_ms(loaded: LoadedCandidate, source: ModelSource) -> float:
    begin_s = time.perf_counter()
    loaded.lane.call(loaded.model.warm_up, source.manifest.effective_deadline_s)
    return (time.perf_counter() - begin_s) * 1e3
