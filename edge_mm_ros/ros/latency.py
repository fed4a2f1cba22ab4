"""How long something took, over the last calls."""

from __future__ import annotations

from collections import deque

import numpy as np


class LatencyWindow:
    """The durations of the last `size` calls, and the number of all."""

    def __init__(self, size: int = 256) -> None:
        self._recent_s: deque[float] = deque(maxlen=size)
        self.count = 0

    def add_s(self, duration_s: float) -> None:
        """Add one duration, seconds."""
        self._recent_s.append(duration_s)
        self.count += 1

    def percentile_ms(self, percent: float) -> float:
        """A percentile over the window, milliseconds; NaN where there was no call."""
        recent = tuple(self._recent_s)
        return float(np.percentile(recent, percent) * 1e3) if recent else float("nan")

    def values(self) -> dict[str, str]:
        """For a diagnostic entry."""
        if not self._recent_s:
            return {}
        return {
            "handled": str(self.count),
            "p50_ms": f"{self.percentile_ms(50):.2f}",
            "p99_ms": f"{self.percentile_ms(99):.2f}",
        }
