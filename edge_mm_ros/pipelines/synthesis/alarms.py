"""Which safety events are said aloud, and how often."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from edge_mm_ros.datatypes import EventPhase, InvalidInput, SafetyEvent, SafetyLevel
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_REMEMBERED = 1000


class AlarmFilter:
    """Lets through the events that must be said, each once, and again only after a while.

    Args:
        levels: events of these levels are alarms.
        repeat_s: the same event, and the same sentence, is said again after so long at the
            earliest.
        max_age_s: older events are history, as a late subscriber gets it, and not said.
        begin_ns: when listening began: an older event is history, a newer one that is too old
            comes of a wrong clock or a slow network.
    """

    def __init__(
        self, levels: Collection[SafetyLevel], repeat_s: float, max_age_s: float, begin_ns: int
    ) -> None:
        self._levels = frozenset(levels)
        self._repeat_ns = to_ns(repeat_s)
        self._max_age_ns = to_ns(max_age_s)
        self._begin_ns = begin_ns
        self._said_ns: OrderedDict[str, int] = OrderedDict()

    def admits(self, event: SafetyEvent, now_ns: int) -> bool:
        """Whether an event is to be said now.

        Raises:
            InvalidInput: of the kind ``late``: it is too old, though it happened since the begin.
        """
        if event.level not in self._levels or event.phase is EventPhase.ENDED:
            return False
        if now_ns - event.stamp_ns > self._max_age_ns:
            if event.stamp_ns <= self._begin_ns:
                return False
            age_s = (now_ns - event.stamp_ns) / NS_PER_S
            raise InvalidInput(
                "late",
                f"the event '{event.event_id}' is {age_s:.1f} s old and not said any more; are the "
                "clocks of the machines set alike?",
            )
        marks = (f"event {event.event_id}", f"text {event.message}")
        if any(self._recently(mark, now_ns) for mark in marks):
            return False
        for mark in marks:
            self._said_ns[mark] = now_ns
            self._said_ns.move_to_end(mark)
        while len(self._said_ns) > _REMEMBERED:
            self._said_ns.popitem(last=False)
        return True

    def _recently(self, mark: str, now_ns: int) -> bool:
        said_ns = self._said_ns.get(mark)
        # A clock that was set back must not silence an alarm.
        return said_ns is not None and 0 <= now_ns - said_ns < self._repeat_ns
