"""What a benchmark says: measures with their spread, and bars that hold or do not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

PACKAGES = ("numpy", "onnxruntime", "faster-whisper", "llama-cpp-python", "opencv-python-headless")


@dataclass(frozen=True)
class Measure:
    """Many values of one quantity, as median and spread.

    Attributes:
        name: the quantity.
        unit: its unit.
        count: how many values.
        median, p10, p90, p99: percentiles.
    """

    name: str
    unit: str
    count: int
    median: float
    p10: float
    p90: float
    p99: float

    @classmethod
    def of(cls, name: str, unit: str, values: Sequence[float]) -> Measure:
        """From the values themselves; percentiles are NaN where there are none."""
        if not values:
            nan = float("nan")
            return cls(name, unit, 0, nan, nan, nan, nan)
        p10, median, p90, p99 = (float(p) for p in np.percentile(values, (10, 50, 90, 99)))
        return cls(name, unit, len(values), median, p10, p90, p99)


@dataclass(frozen=True)
class Bar:
    """A figure that was asked for.

    Attributes:
        name: the figure.
        value: what was measured.
        unit: its unit.
        limit: the bound.
        ok: whether it holds; a value that is not a number never does.
    """

    name: str
    value: float
    unit: str
    limit: float
    ok: bool

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, limit: float) -> Bar:
        """Holds where the value does not exceed the limit."""
        return cls(name, value, unit, limit, bool(value <= limit))

    @classmethod
    def at_least(cls, name: str, value: float, unit: str, limit: float) -> Bar:
        """Holds where the value reaches the limit."""
        return cls(name, value, unit, limit, bool(value >= limit))


@dataclass(frozen=True)
class BenchResult:
    """The outcome of one scenario."""

    scenario: str
    measures: tuple[Measure, ...]
    bars: tuple[Bar, ...]
    notes: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=lambda: describe_environment())

    @property
    def ok(self) -> bool:
        """Whether all bars hold."""
        return all(bar.ok for bar in self.bars)

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not a number becomes null."""
        return _without_nan(
            {
                "scenario": self.scenario,
                "ok": self.ok,
                "environment": dict(self.environment),
                "measures": [asdict(measure) for measure in self.measures],
                "bars": [asdict(bar) for bar in self.bars],
                "notes": list(self.notes),
            }
        )


def describe_environment() -> dict[str, Any]:
    """Processor, versions and commit."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": versions,
        "commit": _commit(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _commit() -> str:
    root = Path(__file__).resolve().parents[2]
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
