"""Under pressure a process gives up what it needs least, step by step, and takes it back later."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_mm_ros.datatypes import Health, HealthLevel
from edge_mm_ros.params.degradation import DegradationParams
from edge_mm_ros.runtime.pressure import LatencyGauge, Reading, SystemPressure

logger = logging.getLogger(__name__)

FULL = "full"
_MOST_DOUBLINGS = 4


@dataclass(frozen=True)
class LadderStep:
    """One step.

    Attributes:
        from_step: what was given up last before; ``full`` where nothing was.
        to_step: what is given up last now.
        down: whether more is given up than before.
        reason: why, with the measured values.
        reading: of a step down, what pressed most.
        limit: its limit.
    """

    from_step: str
    to_step: str
    down: bool
    reason: str
    reading: Reading | None = None
    limit: float = 0.0

    def __str__(self) -> str:
        way = "down" if self.down else "up"
        return f"{way} from '{self.from_step}' to '{self.to_step}': {self.reason}"


class Ladder:
    """Steps down while something is over its limit, and up once all is well, with hysteresis.

    It steps down when one value was over its limit for a while, and up when all values were below
    a share of their limits for longer; between the two it stays. A step up that did not last
    doubles the wait for the next one. A source that was readable once and is no more is not taken
    for good: the ladder does not step up without it.

    Args:
        steps: what is given up, the first one first.
        limits: by source.
        relief: share of the limits below which all is well, 0 to 1.
        down_after_s: how long pressure lasts before each step down.
        up_after_s: how long all is well before each step up.

    Attributes:
        level: how many steps are taken.
    """

    def __init__(
        self,
        steps: Sequence[str],
        limits: Mapping[str, float],
        *,
        relief: float = 0.85,
        down_after_s: float = 3.0,
        up_after_s: float = 30.0,
    ) -> None:
        self.level = 0
        self._steps = tuple(steps)
        self._limits = dict(limits)
        self._relief = relief
        self._down_after_s = down_after_s
        self._up_after_s = up_after_s
        self._pressed_since_s: float | None = None
        self._well_since_s: float | None = None
        self._stepped_up_s: float | None = None
        self._doublings = 0
        self._once_readable: set[str] = set()

    @property
    def taken(self) -> tuple[str, ...]:
        """The steps that are taken."""
        return self._steps[: self.level]

    @property
    def wait_up_s(self) -> float:
        """How long all must be well before the next step up."""
        return self._up_after_s * float(2**self._doublings)

    def over_limit(self, readings: Iterable[Reading]) -> list[Reading]:
        """The readings over their limits, the farthest first."""
        over = [(self._share(reading), reading) for reading in readings]
        pressing = [(share, reading) for share, reading in over if share > 1]
        return [reading for _, reading in sorted(pressing, key=lambda each: -each[0])]

    def update(self, readings: Sequence[Reading], now_s: float) -> LadderStep | None:
        """Look at what was measured.

        Args:
            readings: of one moment.
            now_s: that moment, on a monotonic clock.

        Returns:
            the step that is to be taken now.
        """
        watched = [reading for reading in readings if reading.source in self._limits]
        told = [reading for reading in watched if reading.value is not None]
        self._once_readable |= {reading.source for reading in told}
        pressing = self.over_limit(told)
        lost = self._once_readable - {reading.source for reading in told}
        well = not lost and all(self._share(reading) < self._relief for reading in told)
        self._pressed_since_s = _since(self._pressed_since_s, bool(pressing), now_s)
        self._well_since_s = _since(self._well_since_s, well, now_s)
        if pressing and self.level < len(self._steps):
            if now_s - _or(self._pressed_since_s, now_s) >= self._down_after_s:
                return self._step_down(pressing[0], now_s)
        elif well and self.level and now_s - _or(self._well_since_s, now_s) >= self.wait_up_s:
            return self._step_up(told, now_s)
        return None

    def _step_down(self, reading: Reading, now_s: float) -> LadderStep:
        lasted_s = None if self._stepped_up_s is None else now_s - self._stepped_up_s
        if lasted_s is not None:
            relapse = lasted_s < self.wait_up_s
            self._doublings = min(_MOST_DOUBLINGS, self._doublings + 1) if relapse else 0
            self._stepped_up_s = None
        self._pressed_since_s = now_s
        before = self._name()
        self.level += 1
        limit = self._limits[reading.source]
        reason = f"{reading.source} is {reading}, over {limit:g} {reading.unit}"
        return LadderStep(before, self._name(), True, reason, reading, limit)

    def _step_up(self, told: Sequence[Reading], now_s: float) -> LadderStep:
        waited_s = self.wait_up_s
        self._well_since_s = self._stepped_up_s = now_s
        before = self._name()
        self.level -= 1
        values = ", ".join(f"{reading.source} {reading}" for reading in told)
        reason = f"all is well for {waited_s:g} s: {values}"
        return LadderStep(before, self._name(), False, reason)

    def _name(self) -> str:
        return self._steps[self.level - 1] if self.level else FULL

    def _share(self, reading: Reading) -> float:
        """A value as a share of its limit; 0 where it is not watched."""
        limit = self._limits.get(reading.source)
        return 0.0 if limit is None or reading.value is None else reading.value / limit


class Degradation:
    """A declared ladder over the real system: looks, steps, tells.

    Args:
        params: the ladder.
        apply: called with the steps that are taken, after each step.
        announce: called with the diagnostic entry of each step.
        system: what the system tells; None: the real one.
        latency_window_s: for how long a latency counts.
        clock: monotonic. [s]

    Attributes:
        latency: to be told how long things take.
    """

    def __init__(
        self,
        params: DegradationParams,
        apply: Callable[[tuple[str, ...]], None],
        announce: Callable[[Health], None],
        *,
        system: SystemPressure | None = None,
        latency_window_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.latency = LatencyGauge(latency_window_s, clock)
        self._limits = params.limits
        self._ladder = Ladder(
            params.steps,
            params.limits,
            relief=params.relief,
            down_after_s=params.down_after_s,
            up_after_s=params.up_after_s,
        )
        self._apply = apply
        self._announce = announce
        self._system = system or SystemPressure()
        self._clock = clock
        self._readings: tuple[Reading, ...] = ()
        self._last: LadderStep | None = None

    @property
    def taken(self) -> tuple[str, ...]:
        """The steps that are taken."""
        return self._ladder.taken

    def update(self) -> None:
        """Look, and take a step where it is due; to be called about once a second."""
        found = (self.latency.read(), *self._system.read())
        self._readings = tuple(reading for reading in found if reading.source in self._limits)
        step = self._ladder.update(self._readings, self._clock())
        if step is None:
            return
        self._last = step
        logger.log(logging.WARNING if step.down else logging.INFO, "degradation: step %s", step)
        self._apply(self._ladder.taken)
        self._announce(_step_health(step))

    def health(self) -> Health:
        """Which steps are taken and why, and every value; what is not readable is told as such."""
        values = {"taken": ", ".join(self.taken) or FULL}
        for reading in self._readings:
            limit = self._limits[reading.source]
            text = str(reading)
            values[reading.source] = (
                text if reading.value is None else f"{text} of {limit:g} {reading.unit}"
            )
        if self._readings and all(reading.value is None for reading in self._readings):
            return Health("degradation", HealthLevel.WARN, "nothing of it is readable", values)
        over = self._ladder.over_limit(self._readings)
        pressing = ", ".join(f"{reading.source} {reading}" for reading in over)
        if self.taken and self._last is not None:
            message = f"given up: {values['taken']}; last step {self._last}"
            return Health("degradation", HealthLevel.WARN, message, values)
        if over:
            return Health("degradation", HealthLevel.WARN, f"under pressure: {pressing}", values)
        return Health("degradation", HealthLevel.OK, FULL, values)


def _step_health(step: LadderStep) -> Health:
    values = {"from": step.from_step, "to": step.to_step, "reason": step.reason}
    if step.reading is not None and step.reading.value is not None:
        values |= {
            "source": step.reading.source,
            "value": f"{step.reading.value:g}",
            "limit": f"{step.limit:g}",
            "unit": step.reading.unit,
        }
    level = HealthLevel.WARN if step.down else HealthLevel.OK
    return Health("degradation step", level, str(step), values)


def _since(since_s: float | None, holds: bool, now_s: float) -> float | None:
    """Since when something holds."""
    if not holds:
        return None
    return now_s if since_s is None else since_s


def _or(since_s: float | None, now_s: float) -> float:
    return now_s if since_s is None else since_s
