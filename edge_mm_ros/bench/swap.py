"""Three real models under a budget that holds two: who goes, what it takes, how often they load."""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.bench.material import DETECTOR, TRANSCRIBER, WRITER
from edge_mm_ros.bench.memory import MEGA, MemoryWatch
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.bench.usage import Use, uses
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.heap import trim_heap
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime import ModelChange, ModelHost

MODELS = (DETECTOR, TRANSCRIBER, WRITER)
LEASES = 100
SEED = 3
SPARE_ROOM = 1.05
MAX_SIZE = 1.10


@dataclass
class Tally:
    """What happened while the models were leased.

    Attributes:
        budget_bytes: for all models.
        engines_bytes: what the engines keep once they have started, without any model.
        highest_bytes: largest growth of the process over that.
        hits: leases of a model that was in memory.
        loads: by lease of one that was not, how often it was loaded.
        refused: leases that failed, with the reason.
        sizes_bytes: growth of the process at each lease.
    """

    budget_bytes: int
    engines_bytes: int = 0
    highest_bytes: int = 0
    hits: int = 0
    loads: list[int] = field(default_factory=list)
    loads_without_miss: int = 0
    refused: list[str] = field(default_factory=list)
    sizes_bytes: list[int] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Leases in which the model was used."""
        return self.hits + len(self.loads) - len(self.refused)


def run(leases: int = LEASES, models: tuple[str, ...] = MODELS) -> BenchResult:
    """Lease at random.

    Args:
        leases: how many; at each, a second user asks for the same model at the same moment.
        models: by name; the budget holds all but the smallest.
    """
    use = uses()
    with MemoryWatch() as watch:
        imported = watch.look()
        budget = _budget({name: _size_bytes(name, use[name]) for name in models})
        started = _settled(watch)
    tally = Tally(budget, engines_bytes=started - imported)
    host = ModelHost(
        ModelRepository(),
        BackendRegistry.from_entry_points(),
        RuntimeParams(memory_bytes=budget),
    )
    try:
        with MemoryWatch() as watch:
            _lease_at_random(host, models, use, leases, tally, watch, started)
        tally.highest_bytes = watch.highest_bytes - started
    finally:
        host.close()
    return result(tally, leases)


def result(tally: Tally, leases: int) -> BenchResult:
    """Measures and bars of what happened."""
    budget_mb = tally.budget_bytes / MEGA
    return BenchResult(
        "swap",
        (
            Measure.of("budget", "MB", [budget_mb]),
            Measure.of("kept by engines once started", "MB", [tally.engines_bytes / MEGA]),
            Measure.of("size at a lease", "MB", [size / MEGA for size in tally.sizes_bytes]),
            Measure.of("loads at a miss", "", tally.loads),
            Measure.of("leases of a model in memory", "", [tally.hits]),
        ),
        (
            Bar.at_least("leases that were answered", tally.answered, "", leases),
            Bar.at_most("largest size", tally.highest_bytes / MEGA, "MB", MAX_SIZE * budget_mb),
            Bar.at_most("loads at one miss", max(tally.loads, default=0), "", 1),
            Bar.at_most("loads without a miss", tally.loads_without_miss, "", 0),
            # Where nothing ever had to go, the budget was not tried.
            Bar.at_least("misses", len(tally.loads), "", leases / 10),
        ),
        tuple(tally.refused[:5]),
    )


def _lease_at_random(
    host: ModelHost,
    models: tuple[str, ...],
    use: Mapping[str, Use],
    leases: int,
    tally: Tally,
    watch: MemoryWatch,
    started: int,
) -> None:
    chance = random.Random(SEED)
    loaded: list[str] = []

    def listen(change: ModelChange) -> None:
        if change.kind == "loaded":
            loaded.append(change.name)

    def lease(name: str, operate: Use) -> None:
        with host.lease(name) as model:
            tally.sizes_bytes.append(watch.look() - started)
            operate(model)

    host.add_listener(listen)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(leases):
            name = chance.choice(models)
            in_memory = any(each.loaded for each in host.status() if each.name == name)
            loaded.clear()
            both = [threads.submit(lease, name, use[name]), threads.submit(lease, name, _look_at)]
            failures = [each.exception() for each in both]
            for error in failures:
                if error is not None and not isinstance(error, EdgeMmError):
                    raise error
            tally.refused += [str(error) for error in failures if error is not None][:1]
            if in_memory:
                tally.hits += 1
                tally.loads_without_miss += len(loaded)
            else:
                tally.loads.append(len(loaded))


def _look_at(model: Any) -> object:
    """The second user only needs it to be there."""
    return model.device


def _size_bytes(name: str, use: Use) -> int:
    """What the host measures of a model; taken at its second load, when its engine has started."""
    host = ModelHost(ModelRepository(), BackendRegistry.from_entry_points())
    try:
        for _ in range(2):
            with host.lease(name) as model:
                use(model)
                size: int = model.memory_bytes
            host.unload(name)
    finally:
        host.close()
    return size


def _budget(sizes: Mapping[str, int]) -> int:
    """Room for all but the smallest, and a little more: sizes differ from load to load."""
    return int(SPARE_ROOM * (sum(sizes.values()) - min(sizes.values())))


def _settled(watch: MemoryWatch) -> int:
    trim_heap()
    return watch.look()
