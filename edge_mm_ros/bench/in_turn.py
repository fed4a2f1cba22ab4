"""Two ways to do the same, measured in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """Durations of two ways, pair by pair.

    Attributes:
        ours_ms: the one that may cost more.
        bare_ms: the one that it is measured against.
        ours_cpu_ms: time of the processor for the first, all threads together.
        bare_cpu_ms: the same for the second.
    """

    ours_ms: tuple[float, ...]
    bare_ms: tuple[float, ...]
    ours_cpu_ms: tuple[float, ...] = ()
    bare_cpu_ms: tuple[float, ...] = ()

    @property
    def overhead_ms(self) -> float:
        """Median of the differences within the pairs.

        Both calls of a pair meet the same machine: what slows it for seconds cancels out, and what
        hits a single call makes an outlier, which the median leaves aside. The difference of the
        two medians has neither property.
        """
        return float(np.median(np.subtract(self.ours_ms, self.bare_ms)))

    @property
    def cpu_overhead_percent(self) -> float:
        """Median of the differences in time of the processor, which no other process takes part in.

        It does not show waiting, but tells an overhead from a busy machine.
        """
        difference = np.median(np.subtract(self.ours_cpu_ms, self.bare_cpu_ms))
        return 100.0 * float(difference / np.median(self.bare_cpu_ms))

    @property
    def overhead_percent(self) -> float:
        """The same, of the bare one's median."""
        return 100.0 * self.overhead_ms / float(np.median(self.bare_ms))


def compare(ours: Callable[[], object], bare: Callable[[], object], pairs: int) -> Comparison:
    """Measure both in turn; who begins a pair changes, for the second finds other caches.

    The first pair, in which both allocate, does not count.
    """
    taken: dict[Callable[[], object], list[tuple[float, float]]] = {ours: [], bare: []}
    for pair in range(pairs + 1):
        for operate in (ours, bare) if pair % 2 else (bare, ours):
            begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
            operate()
            cpu_s = time.process_time() - begun_cpu_s
            taken[operate].append(((time.perf_counter() - begun_s) * 1e3, cpu_s * 1e3))
    ours_ms, ours_cpu_ms = zip(*taken[ours][1:])
    bare_ms, bare_cpu_ms = zip(*taken[bare][1:])
    return Comparison(ours_ms, bare_ms, ours_cpu_ms, bare_cpu_ms)
