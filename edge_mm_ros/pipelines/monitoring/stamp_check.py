"""Telling of stamps that jump back or lie ahead of the clock."""

from __future__ import annotations

from collections.abc import Callable

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.monitoring.watch import Source
from edge_mm_ros.pipelines.stamps import NS_PER_S, StampGuard, SteadyTime


class StampCheck:
    """Follows the stamps of all sources.

    Args:
        tolerance_s: how far stamps may lie ahead of the clock.
        on_notice: told a topic and what is wrong with its stamps.
    """

    def __init__(self, tolerance_s: float, on_notice: Callable[[str, InvalidInput], None]) -> None:
        self._tolerance_s = tolerance_s
        self._on_notice = on_notice
        self._stamps: dict[Source, StampGuard] = {}
        self._times: dict[Source, SteadyTime] = {}

    def reset(self) -> None:
        """Forget all stamps."""
        self._stamps.clear()
        self._times.clear()

    def is_ahead(
        self, source: Source, stamp_ns: int, now_ns: int, effect: str, effect_ahead: str
    ) -> bool:
        """Tell of a stamp that jumps back or lies ahead of the clock; returns whether it is ahead.

        One that is ahead is no measure for those that follow.

        Args:
            source: where it comes from.
            stamp_ns: the stamp.
            now_ns: the clock.
            effect: what follows from a jump.
            effect_ahead: what follows where it lies ahead.
        """
        if self.tell_ahead(source, stamp_ns, now_ns, effect_ahead):
            return True
        guard = self._stamps.setdefault(source, StampGuard())
        self.tell_jump(source, guard.jumped_back_s(stamp_ns), effect)
        return False

    def steady_ns(self, source: Source, stamp_ns: int, now_ns: int) -> int:
        """The time that conditions about a source go by, which never goes back."""
        return self._times.setdefault(source, SteadyTime()).at(stamp_ns, now_ns)

    def tell_ahead(self, source: Source, stamp_ns: int, now_ns: int, effect: str) -> bool:
        """Tell of a stamp that lies ahead of the clock; returns whether it does."""
        ahead_s = (stamp_ns - now_ns) / NS_PER_S
        ahead = ahead_s > self._tolerance_s
        if ahead:
            line = f"stamps lie {ahead_s:.1f} s ahead of the clock; {effect}; is its clock right?"
            self._on_notice(source.topic, InvalidInput("stamp_ahead", line))
        return ahead

    def tell_jump(self, source: Source, back_s: float, effect: str) -> None:
        """Tell of stamps that jumped back; 0 s is no jump."""
        if back_s:
            line = f"stamps jumped back by {back_s:.1f} s; {effect}; was a clock set back?"
            self._on_notice(source.topic, InvalidInput("stamp_jump", line))
