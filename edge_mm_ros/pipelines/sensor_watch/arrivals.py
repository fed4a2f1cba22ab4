"""How one sensor's measurements come: at all, anew, with stamps that go on, at their rate."""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass

from edge_mm_ros.datatypes import InvalidInput, SensorFault
from edge_mm_ros.pipelines.stamps import JUMP_NS, NS_PER_S, to_ns

_BACK_NS = to_ns(0.2)  # neighbours may overtake each other by less
_OFFENCES = 3  # so many impossible stamps within the window are a habit
_WINDOW_NS = to_ns(2.0)
_REPEATS = 2  # of equal data; fewer may be one message that came twice
_OWN_RATE_S = 30.0  # time constant of a rate that changes for good
_LEAST_COUNT = 5  # of measurements that tell a rate
_WARM_UP_NS = to_ns(5.0)  # first measurements come while everything starts


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a sensor.

    Attributes:
        fault: which kind.
        line: what is wrong, and the mend; without figures that change.
    """

    fault: SensorFault
    line: str


WELL = Verdict(SensorFault.NONE, "measures")


class ArrivalWatch:
    """Follows the arrivals of one sensor.

    A measurement is good that is new, not too late, and whose stamp goes on and fits the clock.
    Where none is good for the timeout, what came instead tells the fault. Times of arrival are
    those of a clock that all sensors share; the first call of `verdict` begins the wait for the
    first measurement.
    """

    def __init__(self) -> None:
        self.heard = False
        self.lag_ns = 0
        self._begin_ns: int | None = None
        self._arrived_ns = 0
        self._good_ns: int | None = None
        self._newest_ns: int | None = None
        self._stamp_ns = -1
        self._content: int | None = None
        self._repeats = 0
        self._offences: deque[int] = deque()
        self._offence = WELL
        self._bad: Verdict | None = None
        self._stamps: deque[int] = deque(maxlen=256)
        self._own_rate_hz = 0.0
        self._first_ns = 0
        self._refused = (0, "")

    @property
    def rate_hz(self) -> float:
        """How often it measures, by the middle gap of its last stamps; 0: not known yet."""
        stamps = tuple(self._stamps)
        gaps = sorted(after - before for before, after in itertools.pairwise(stamps))
        return NS_PER_S / max(gaps[len(gaps) // 2], 1) if gaps else 0.0

    def arrive(
        self,
        stamp_ns: int,
        now_ns: int,
        content: int | None,
        *,
        tolerance_ns: int,
        lag_limit_ns: int | None,
        late: bool = False,
    ) -> bool:
        """One measurement came.

        Args:
            stamp_ns: its stamp.
            now_ns: when it came.
            content: a digest of its data; None where equal data may come again.
            tolerance_ns: how far stamps may lie ahead of the clock.
            lag_limit_ns: how far they may lie behind it; None where nothing tells.
            late: whether it is too late for the objects to be corrected by it.

        Returns:
            whether it is good.

        Raises:
            InvalidInput: its stamp is 0 (``stamp_zero``) or ahead of the clock (``stamp_ahead``):
                it cannot be used.
        """
        if self._begin_ns is None:
            self._begin_ns = now_ns
        if not self.heard:
            self.heard, self._first_ns = True, now_ns
        self._arrived_ns = now_ns
        self._refuse_impossible(stamp_ns, now_ns, tolerance_ns)
        self.lag_ns = now_ns - stamp_ns
        bad = self._judge(stamp_ns, now_ns, content, lag_limit_ns, late=late)
        self._stamp_ns, self._content = stamp_ns, content
        if bad is not None:
            self._bad = bad
            return False
        self._good_ns = now_ns
        self._note_rate(stamp_ns)
        return True

    def note_refused(self, now_ns: int, why: str) -> None:
        """A measurement came that could not be used at all."""
        self._refused = (now_ns, why)

    def _refuse_impossible(self, stamp_ns: int, now_ns: int, tolerance_ns: int) -> None:
        if stamp_ns == 0:
            line = "its stamps are 0: its driver gives none, and nothing can be placed in time"
            self._offend(now_ns, line)
            raise InvalidInput(
                "stamp_zero",
                "the stamp is 0: its driver gives none, and nothing can be placed in time",
            )
        if stamp_ns - now_ns > tolerance_ns:
            self._offend(now_ns, "its stamps lie ahead of the clock; is its clock right?")
            raise InvalidInput(
                "stamp_ahead",
                f"the stamp lies {(stamp_ns - now_ns) / NS_PER_S:.1f} s ahead of the clock; the "
                "measurement is left out; is its clock right?",
            )

    def _offend(self, now_ns: int, line: str) -> Verdict:
        self._offences.append(now_ns)
        self._bad = self._offence = Verdict(SensorFault.STAMPS, line)
        return self._bad

    def _judge(
        self,
        stamp_ns: int,
        now_ns: int,
        content: int | None,
        lag_limit_ns: int | None,
        *,
        late: bool,
    ) -> Verdict | None:
        same = content is not None and content == self._content
        self._repeats = self._repeats + 1 if same else 0
        newest = stamp_ns if self._newest_ns is None else self._newest_ns
        if newest - stamp_ns > JUMP_NS:
            self._newest_ns = stamp_ns  # a clock that was set back goes on from there
        else:
            self._newest_ns = max(newest, stamp_ns)
        if newest - stamp_ns > _BACK_NS:
            line = "its stamps run backward; do two drivers publish under its name?"
            return self._offend(now_ns, line)
        if same:
            line = "it gives the same data again and again; restart its driver"
            return Verdict(SensorFault.FROZEN, line)
        if stamp_ns == self._stamp_ns:
            line = "its stamps stand still; restart its driver"
            return Verdict(SensorFault.STAMPS, line)
        if lag_limit_ns is not None and self.lag_ns > lag_limit_ns:
            line = "its stamps lie far behind those of the others; is its clock right?"
            return Verdict(SensorFault.STAMPS, line)
        if late:
            line = (
                "comes later than horizon_s: raise tracking.horizon_s or lower its latency, or set "
                "right the clock of another sensor that runs ahead"
            )
            return Verdict(SensorFault.STAMPS, line)
        return None

    def verdict(self, now_ns: int, timeout_ns: int) -> Verdict:
        """How it is at a time, by what came until then."""
        if self._begin_ns is None:
            self._begin_ns = now_ns
        while self._offences and now_ns - self._offences[0] > max(_WINDOW_NS, timeout_ns):
            self._offences.popleft()
        if len(self._offences) >= _OFFENCES:
            return self._offence
        good_ns = self._begin_ns if self._good_ns is None else self._good_ns
        if now_ns - good_ns <= timeout_ns:
            return WELL
        refused_ns, why = self._refused
        if why and now_ns - refused_ns <= timeout_ns:
            line = f"none of its measurements can be used: {why}"
            return Verdict(SensorFault.SILENT, line)
        if not self.heard:
            return Verdict(
                SensorFault.SILENT,
                "has not been heard; does its driver run, and is its name right?",
            )
        comes = self._arrived_ns > good_ns and now_ns - self._arrived_ns <= timeout_ns
        frozen = self._bad is not None and self._bad.fault is SensorFault.FROZEN
        if comes and self._bad is not None and not (frozen and self._repeats < _REPEATS):
            return self._bad
        return Verdict(
            SensorFault.SILENT,
            f"silent for more than {timeout_ns / NS_PER_S:g} s; is it connected, and does its "
            "driver run?",
        )

    # Rate ----------------------------------------------------------------------------------------

    def _note_rate(self, stamp_ns: int) -> None:
        if self._stamps and stamp_ns < self._stamps[-1]:
            self._stamps.clear()
        self._stamps.append(stamp_ns)
        while self._stamps[-1] - self._stamps[0] > _WINDOW_NS:
            self._stamps.popleft()
        if len(self._stamps) < _LEAST_COUNT or self._arrived_ns - self._first_ns < _WARM_UP_NS:
            return
        if self._own_rate_hz == 0.0:
            self._own_rate_hz = self.rate_hz
        step_s = (self._stamps[-1] - self._stamps[-2]) / NS_PER_S
        gain = 1.0 - math.exp(-step_s / _OWN_RATE_S)
        self._own_rate_hz += gain * (self.rate_hz - self._own_rate_hz)

    def rate_verdict(self, factor: float) -> Verdict:
        """Whether it measures about as often as is its way, of late."""
        if self._own_rate_hz == 0.0 or len(self._stamps) < _LEAST_COUNT:
            return WELL
        share = self.rate_hz / self._own_rate_hz
        if share > factor:
            line = "measures far more often than before; do two drivers publish under its name?"
            return Verdict(SensorFault.RATE, line)
        if share < 1.0 / factor:
            line = "measures far more seldom than before; is its computer or its link overloaded?"
            return Verdict(SensorFault.RATE, line)
        return WELL
