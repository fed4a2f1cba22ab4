"""Guarding against clocks that jump back."""

from __future__ import annotations

NS_PER_S = 1_000_000_000

# Messages of one topic may overtake each other by less; a clock set back is off by more.
JUMP_NS = NS_PER_S


def to_ns(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * NS_PER_S)


class StampGuard:
    """Follows the newest stamp of one source."""

    def __init__(self) -> None:
        self.newest_ns: int | None = None

    def jumped_back_s(self, stamp_ns: int) -> float:
        """How far a stamp lies before the newest, seconds; 0 where that is less than 1 s.

        After a jump the stamp is the newest.
        """
        newest = self.newest_ns
        if newest is not None and newest - stamp_ns > JUMP_NS:
            self.newest_ns = stamp_ns
            return (newest - stamp_ns) / NS_PER_S
        self.newest_ns = stamp_ns if newest is None else max(newest, stamp_ns)
        return 0.0

    def reset(self) -> None:
        """Forget the newest stamp."""
        self.newest_ns = None


class SteadyTime:
    """Time of one source that never goes back: its stamps, and where they do, the clock.

    A measurement whose stamp lies before an earlier one is as much later than that one as it came
    later, so what lasts lasts as long as if the source's clock had never been set back.
    """

    def __init__(self) -> None:
        self._time_ns: int | None = None
        self._now_ns = 0

    def at(self, stamp_ns: int, now_ns: int) -> int:
        """The time of the next measurement, nanoseconds.

        Args:
            stamp_ns: its stamp.
            now_ns: when it came, on a clock that all sources share.
        """
        if self._time_ns is not None and stamp_ns < self._time_ns:
            stamp_ns = self._time_ns + max(0, now_ns - self._now_ns)
        self._time_ns, self._now_ns = stamp_ns, now_ns
        return stamp_ns


class Beat:
    """Instants at a fixed distance, each given out once.

    What is judged at them does not depend on how often, or when exactly, somebody asks.

    Args:
        period_ns: their distance, nanoseconds.
        kept_ns: how far back they are given out after a pause.
    """

    def __init__(self, period_ns: int, kept_ns: int = 2 * NS_PER_S) -> None:
        self._period_ns = period_ns
        self._kept_ns = kept_ns
        self._last_ns: int | None = None

    def until(self, now_ns: int) -> list[int]:
        """The instants since the last call, oldest first.

        The first time, and after a clock was set back, it is now alone.
        """
        last_ns, period_ns = self._last_ns, self._period_ns
        if last_ns is None or last_ns - now_ns > JUMP_NS:
            self._last_ns = now_ns
            return [now_ns]
        if now_ns <= last_ns:
            return []
        self._last_ns = now_ns
        first = max(last_ns, now_ns - self._kept_ns) // period_ns + 1
        return [beat * period_ns for beat in range(first, now_ns // period_ns + 1)]
