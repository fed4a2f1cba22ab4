"""When a candidate is no longer asked, and when it is again."""

from __future__ import annotations

from collections import deque

from edge_mm_ros.params.runtime import RuntimeParams


class CircuitBreaker:
    """The circuit breaker of one candidate (M. Nygard, *Release It!*, 2007).

    Closed, it is asked. A failure, or too many late answers within a window, opens it. Once the
    backoff has passed it may be tried; it closes after it stayed well for the probation. Where it
    opens again before it was well for as long as its last backoff, the backoff doubles: a candidate
    that comes and goes is asked ever more rarely.
    """

    def __init__(self, settings: RuntimeParams) -> None:
        self._settings = settings
        self._late_s: deque[float] = deque()
        self._backoff_s = settings.backoff_s
        self._closed_s: float | None = None
        self._well_since_s: float | None = None
        self._checks = 0
        self.reason = ""
        self.retry_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests pass it over."""
        return bool(self.reason)

    def open(self, reason: str, now_s: float) -> None:
        """It failed: pass it over from now on."""
        settings = self._settings
        if self.is_open or (self._closed_s is not None and self._flapped(now_s)):
            self._backoff_s = min(settings.max_backoff_s, 2 * self._backoff_s)
        else:
            self._backoff_s = settings.backoff_s
        self.reason = reason
        self.retry_s = now_s + self._backoff_s
        self._well_since_s = None
        self._checks = 0
        self._late_s.clear()

    def late(self, now_s: float) -> bool:
        """Note a late answer.

        Returns:
            whether these are now too many; the caller opens it then.
        """
        self._late_s.append(now_s)
        while self._late_s[0] < now_s - self._settings.deadline_window_s:
            self._late_s.popleft()
        return len(self._late_s) >= self._settings.deadline_misses

    def may_try(self, now_s: float) -> bool:
        """Whether it is time for a trial."""
        return self.retry_s is not None and now_s >= self.retry_s

    def tried_well(self, now_s: float) -> bool:
        """Note a good trial.

        Returns:
            whether it stayed well for the whole probation; the caller closes it then.
        """
        settings = self._settings
        if self._well_since_s is None:
            self._well_since_s = now_s
        self._checks += 1
        well_s = now_s - self._well_since_s
        self.retry_s = now_s + settings.probation_s / settings.probation_checks
        return self._checks >= settings.probation_checks and well_s >= settings.probation_s

    def close(self, now_s: float) -> None:
        """It serves, again or for the first time."""
        if self.is_open:
            self._closed_s = now_s
        self.reason = ""
        self.retry_s = None

    def _flapped(self, now_s: float) -> bool:
        assert self._closed_s is not None
        return now_s - self._closed_s < max(self._backoff_s, self._settings.probation_s)
