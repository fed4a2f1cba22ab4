"""Load and unload each real model again and again: what the process keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.backends.process_share import resident_bytes
from edge_mm_ros.bench.material import DETECTOR, TRANSCRIBER, VOICE_DETECTOR, WRITER
from edge_mm_ros.bench.memory import MEGA
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.bench.usage import Use, uses
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.runtime import ModelHost

MODELS = (DETECTOR, TRANSCRIBER, WRITER, VOICE_DETECTOR)
ROUNDS = 100
LEAST_ROUNDS = 20
SETTLED_AFTER = 5
LONG_ROUND_S = 1.0
MAX_GROWTH_MB = 20.0
MAX_GROWTH_SHARE = 0.05


def run(rounds: int = ROUNDS, models: tuple[str, ...] = MODELS) -> BenchResult:
    """Load, use once, unload.

    Args:
        rounds: of each model; a fifth, but at least 20, where one takes over a second.
        models: by name.
    """
    use = uses()
    host = ModelHost(ModelRepository(), BackendRegistry.from_entry_points())
    try:
        sizes = {name: _sizes_mb(host, name, use[name], rounds) for name in models}
    finally:
        host.close()
    return result(sizes)


def result(sizes: Mapping[str, Sequence[float]]) -> BenchResult:
    """Measures and bars.

    Args:
        sizes: by model, the process's size after each round, in MB.
    """
    measures, bars = [], []
    for name, after in sizes.items():
        settled = after[min(SETTLED_AFTER, len(after)) - 1]
        measures.append(Measure.of(f"{name}: size after a round", "MB", after))
        bars.append(
            Bar.at_most(
                f"{name}: growth from round {SETTLED_AFTER} to {len(after)}",
                after[-1] - settled,
                "MB",
                max(MAX_GROWTH_MB, MAX_GROWTH_SHARE * settled),
            )
        )
        bars.append(Bar.at_least(f"{name}: rounds", len(after), "", LEAST_ROUNDS))
    return BenchResult("leak", tuple(measures), tuple(bars))


def _sizes_mb(host: ModelHost, name: str, use: Use, rounds: int) -> list[float]:
    sizes: list[float] = []
    durations_s: list[float] = []
    while len(sizes) < _rounds(rounds, durations_s):
        begun_s = time.perf_counter()
        with host.lease(name) as model:
            use(model)
        del model
        host.unload(name)
        sizes.append(resident_bytes() / MEGA)
        durations_s.append(time.perf_counter() - begun_s)
    return sizes


def _rounds(wanted: int, durations_s: Sequence[float]) -> int:
    """Fewer where a round takes long, as the first ones tell."""
    first = durations_s[:SETTLED_AFTER]
    if len(first) < SETTLED_AFTER or float(np.median(first)) <= LONG_ROUND_S:
        return wanted
    return max(LEAST_ROUNDS, wanted // 5)
