"""Simulated time against that of the wall."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Pace:
    """How quickly simulated time goes on.

    Attributes:
        begin_s: when simulated time began, of `time.perf_counter`.
        begin_ns: simulated time then.
        rate: how much faster it runs.
        held_s: for how long it was held.
    """

    begin_s: float
    begin_ns: int
    rate: float
    held_s: float = 0.0

    def now_ns(self, wall_s: float) -> int:
        """Simulated time."""
        return self.begin_ns + round((wall_s - self.begin_s - self.held_s) * self.rate * 1e9)

    def hold(self, seconds: float) -> None:
        """Let simulated time stand still for so long."""
        self.held_s += seconds
