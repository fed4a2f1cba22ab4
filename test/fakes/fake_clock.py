"""A clock that a test sets."""

from __future__ import annotations


class FakeClock:
    """Seconds that pass only where a test lets them."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
