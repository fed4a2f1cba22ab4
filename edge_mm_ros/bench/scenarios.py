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
