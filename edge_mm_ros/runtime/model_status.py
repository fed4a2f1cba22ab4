"""What a home of models tells of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

ChangeKind = Literal[
    "loaded",
    "unloaded",
    "evicted",
    "late",
    "fallback",
    "recovered",
    "failed",
    "hung",
    "swapped",
    "swap_failed",
]

_KEPT_CALLS = 512
_RATE_WINDOW_S = 10.0


@dataclass(frozen=True)
class ModelChange:
    """Something that happened to a model.

    Attributes:
        name: the model's name.
        kind: ``late``: a call passed its deadline and was answered by another candidate; ``hung``:
            it does not return at all; ``failed``: no candidate is left.
        from_candidate: what served before, ``backend:device``; empty where nothing did.
        to_candidate: what serves now; empty where nothing does.
        reason: why.
        requests_lost: requests that got no answer since the model was first asked for.
    """

    name: str
    kind: ChangeKind
    from_candidate: str = ""
    to_candidate: str = ""
    reason: str = ""
    requests_lost: int = 0

    def __str__(self) -> str:
        way = " -> ".join(part for part in (self.from_candidate, self.to_candidate) if part)
        text = f"model {self.name} {self.kind.replace('_', ' ')}"
        return text + (f" ({way})" if way else "") + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class ModelStatus:
    """How a model is.

    Attributes:
        name: the model's name.
        version: of the model, from its manifest.
        loaded: whether it is in memory.
        device: ``backend:device`` really in use; empty where it is not loaded.
        memory_bytes: measured size on the host, of all its loaded candidates.
        device_memory_bytes: the same on accelerators.
        priority: the higher, the longer it stays.
        leases: users at this moment.
        requests: calls since the model was first asked for.
        requests_lost: those that got no answer.
        failures: calls of a candidate that failed or came too late.
        fallbacks: changes to a worse candidate.
        hung_calls: calls that have not returned although their callers left.
        last_change: the last change, as text.
        chain: all candidates, the best first.
        rate_hz: calls per second of late.
        p50_ms: median duration of late; NaN without calls.
        p99_ms: 99th percentile.
        unavailable: better candidates that cannot run on this machine, with the reason.
        failed: better candidates that should run here but do not, with the reason.
        report: what the engine says of itself.
    """

    name: str
    version: str = ""
    loaded: bool = False
    device: str = ""
    memory_bytes: int = 0
    device_memory_bytes: int = 0
    priority: int = 0
    leases: int = 0
    requests: int = 0
    requests_lost: int = 0
    failures: int = 0
    fallbacks: int = 0
    hung_calls: int = 0
    last_change: str = ""
    chain: tuple[str, ...] = ()
    rate_hz: float = 0.0
    p50_ms: float = float("nan")
    p99_ms: float = float("nan")
    unavailable: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    report: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class CallStatistics:
    """Counts and durations of a model's calls."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: deque[tuple[float, float]] = deque(maxlen=_KEPT_CALLS)
        self.requests = 0
        self.lost = 0
        self.failures = 0
        self.fallbacks = 0

    def asked(self) -> None:
        """Note a request."""
        with self._lock:
            self.requests += 1

    def lose(self) -> None:
        """Note a request that got no answer."""
        with self._lock:
            self.lost += 1

    def fail(self) -> None:
        """Note a candidate's call that failed or came too late."""
        with self._lock:
            self.failures += 1

    def took(self, duration_s: float, end_s: float) -> None:
        """Note a call that was answered, and when by the clock."""
        with self._lock:
            self._calls.append((end_s, duration_s))

    def rate_hz(self) -> float:
        """Answered calls per second, over the last ten seconds."""
        since_s = self._clock() - _RATE_WINDOW_S
        with self._lock:
            ends = [end_s for end_s, _ in self._calls if end_s > since_s]
        if len(ends) == _KEPT_CALLS:  # more than are kept
            return len(ends) / max(1e-3, self._clock() - ends[0])
        return len(ends) / _RATE_WINDOW_S

    def percentiles_ms(self) -> tuple[float, float]:
        """Median and 99th percentile of the durations."""
        with self._lock:
            durations = [duration_s for _, duration_s in self._calls]
        if not durations:
            return float("nan"), float("nan")
        p50, p99 = np.percentile(durations, (50, 99)) * 1e3
        return float(p50), float(p99)
