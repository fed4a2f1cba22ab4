"""What waits to be said: the most important first, bounded, and nothing that is out of date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from edge_mm_ros.pipelines.stamps import to_ns


class Importance(IntEnum):
    """What is said first, and cuts what is less important."""

    ALARM = 0
    ANSWER = 1
    SUMMARY = 2


@dataclass(frozen=True)
class Utterance:
    """Something to be said.

    Attributes:
        text: fit to be spoken.
        importance: what it is.
        since_ns: when it came, nanoseconds.
        key: by which it can be withdrawn; empty: it cannot.
        cut: how often it was cut already.
    """

    text: str
    importance: Importance
    since_ns: int
    key: str = ""
    cut: int = 0


class SpeechQueue:
    """Utterances in the order in which they are said.

    Of summaries only the newest waits. A full queue gives up its least important one, the oldest
    of these first; an alarm only for alarms.

    Attributes:
        lost: how many were given up, by ``full``, ``old``, ``replaced`` and ``over``.
    """

    def __init__(self, capacity: int, max_wait_s: float) -> None:
        self._capacity = capacity
        self._max_wait_ns = to_ns(max_wait_s)
        self._waiting: list[Utterance] = []
        self.lost: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, utterance: Utterance) -> None:
        """Add an utterance behind those that are as important."""
        if utterance.importance is Importance.SUMMARY:
            self._keep(lambda one: one.importance is not Importance.SUMMARY, "replaced")
        self._insert(utterance, before_equals=False)

    def put_back(self, utterance: Utterance) -> None:
        """Add an utterance that was cut before those that are as important."""
        self._insert(utterance, before_equals=True)

    def withdraw(self, key: str) -> None:
        """What it warns of is over; it need not be said any more."""
        self._keep(lambda one: one.key != key, "over")

    def take(self, now_ns: int) -> Utterance | None:
        """The next one; None where nothing waits that is still of use."""
        self._keep(lambda one: now_ns - one.since_ns <= self._max_wait_ns, "old")
        return self._waiting.pop(0) if self._waiting else None

    def _insert(self, utterance: Utterance, *, before_equals: bool) -> None:
        def precedes(one: Utterance) -> bool:
            if before_equals:
                return one.importance < utterance.importance
            return one.importance <= utterance.importance

        place = sum(map(precedes, self._waiting))
        self._waiting.insert(place, utterance)
        if len(self._waiting) > self._capacity:
            least = self._waiting[-1].importance
            oldest = next(i for i, one in enumerate(self._waiting) if one.importance is least)
            del self._waiting[oldest]
            self.lost["full"] += 1

    def _keep(self, good: Callable[[Utterance], bool], why: str) -> None:
        kept = [one for one in self._waiting if good(one)]
        if lost := len(self._waiting) - len(kept):
            self.lost[why] += lost
        self._waiting = kept
