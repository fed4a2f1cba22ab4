"""The scenarios by name; each module is imported only when it is run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from edge_mm_ros.bench.result import BenchResult
from edge_mm_ros.datatypes import EdgeMmError

SCENARIOS: Mapping[str, str] = MappingProxyType(
    {
        "latency": "latency per stage on the sample; the detector node against bare ONNX Runtime",
        "backend": "a lease against the bare engine: detection, transcription, generation",
        "swap": "three models under a budget that holds two: memory and loads",
        "leak": "load and unload each model again and again: the size of the process",
        "fallback": "an engine that fails or hangs: answers, diagnosis, return",
        "multicam": "four cameras before one slow detector: age of results, shares, memory",
        "language": "summaries of generated logs: true, by the model, in time",
        "fusion": "tracks of simulated scenes against truth, a SORT-style tracker beside; speed",
        "sensor_loss": "each sensor removed in turn: alarms, zones without coverage, events",
        "speech": "live transcripts: word errors, delays, inventions, a spoken stop; bare beside",
        "voice": "a critical alarm while an answer is spoken: the answer cut, the alarm heard",
        "isolation": "the detector while speech and language run on the same cores",
    }
)
"""What there is, with a line on each; scenario ``x`` is ``edge_mm_ros.bench.x.run``."""


def scenario(name: str) -> Callable[[], BenchResult]:
    """The function of a scenario.

    Raises:
        EdgeMmError: there is none of that name; lists the ones there are.
    """
    if name not in SCENARIOS:
        raise EdgeMmError(f"no benchmark named '{name}'; there are: {', '.join(SCENARIOS)}")
    run: Callable[[], BenchResult] = importlib.import_module(f"edge_mm_ros.bench.{name}").run
    return run
