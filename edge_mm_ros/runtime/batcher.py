"""Which waiting pictures of several cameras a model sees next, and together."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Frame(Generic[Item]):
    """One item of one source.

    Attributes:
        source: where it comes from.
        item: what came.
        arrived_s: when it came, on the batcher's clock. [s]
    """

    source: str
    item: Item
    arrived_s: float


@dataclass(frozen=True)
class Counts:
    """What became of one source's items; `received` is the sum of all others.

    Attributes:
        received: all.
        skipped: came sooner than the rate allows.
        replaced: a newer one came before their turn.
        expired: waited past their deadline.
        served: taken.
        waiting: 1 where one waits now.
    """

    received: int = 0
    skipped: int = 0
    replaced: int = 0
    expired: int = 0
    served: int = 0
    waiting: int = 0

    @property
    def dropped(self) -> int:
        """Those that were wanted and came to nothing."""
        return self.replaced + self.expired


@dataclass
class _Source(Generic[Item]):
    """One source: its waiting item, and its place in the queue.

    Attributes:
        place: order among the sources that wait; kept when the item is replaced or expires, so
            that a fast source does not fall back behind the others.
        period_s: between its last two items; None before the second.
        due_s: when the rate allows the next item; None before the first.
        tally: of what became of its items, by the names of `Counts`.
    """

    frame: Frame[Item] | None = None
    stamped_s: float = 0.0
    place: int | None = None
    last_s: float = 0.0
    period_s: float | None = None
    due_s: float | None = None
    tally: Counter[str] = field(default_factory=Counter)


@dataclass
class Batcher(Generic[Item]):
    """Holds the newest item of each source and gives them out, the longest waiting source first.

    No source starves: one that waits is served within as many rounds as there are sources. Not
    thread safe: `ros.work_queue.Worker` calls it under its lock.

    Attributes:
        sources: their names.
        max_batch: items given out together at most.
        max_delay_s: how long an item may wait for those of other sources; it waits only while one
            is expected within that time. [s]
        max_age_s: an item that waited longer is dropped; 0: none is. [s]
        max_rate_hz: of each source; what comes sooner is skipped on arrival; 0: no limit. [Hz]
        clock: monotonic, for delays. [s]
        data_clock: for ages and rates; where it is the clock of a replay, no slowness of the
            machine changes what is dropped. [s]

    Raises:
        ValueError: a limit makes no sense.
    """

    sources: Sequence[str]
    max_batch: int = 1
    max_delay_s: float = 0.0
    max_age_s: float = 0.0
    max_rate_hz: float = 0.0
    clock: Callable[[], float] = time.monotonic
    data_clock: Callable[[], float] = time.monotonic
    _places: itertools.count[int] = field(default_factory=itertools.count, init=False)

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {self.max_batch}")
        for name in ("max_delay_s", "max_age_s", "max_rate_hz"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if 0 < self.max_age_s <= self.max_delay_s:
            raise ValueError(
                f"max_delay_s must be less than max_age_s, or waiting would let items expire; got "
                f"{self.max_delay_s:g} and {self.max_age_s:g}"
            )
        self._sources: dict[str, _Source[Item]] = {name: _Source() for name in self.sources}

    def put(self, source: str, item: Item) -> None:
        """Take an item; one of the same source that waits gives way to it."""
        kept, now_s, data_s = self._sources[source], self.clock(), self.data_clock()
        if kept.tally["received"]:
            kept.period_s = now_s - kept.last_s
        kept.tally["received"] += 1
        kept.last_s = now_s
        if self._comes_too_soon(kept, data_s):
            kept.tally["skipped"] += 1
            return
        if kept.frame is not None:
            kept.tally["replaced"] += 1
        if kept.place is None:
            kept.place = next(self._places)
        kept.frame, kept.stamped_s = Frame(source, item, now_s), data_s

    @property
    def waiting(self) -> int:
        """How many sources have an item that waits."""
        return sum(kept.frame is not None for kept in self._sources.values())

    def counts(self, source: str) -> Counts:
        """What became of a source's items."""
        kept = self._sources[source]
        return Counts(**kept.tally, waiting=int(kept.frame is not None))

    def dropped(self, source: str) -> int:
        """Items of a source that were wanted and came to nothing."""
        return self.counts(source).dropped

    def ready_in_s(self) -> float | None:
        """Seconds until `take` should be called; None where nothing waits."""
        waiting = self._in_turn()
        if not waiting:
            return None
        if self.max_delay_s <= 0 or len(waiting) >= min(self.max_batch, len(self._sources)):
            return 0.0
        now_s = self.clock()
        first_s = min(kept.frame.arrived_s for kept in waiting if kept.frame is not None)
        rest_s = first_s + self.max_delay_s - now_s
        others = [kept for kept in self._sources.values() if kept.frame is None]
        if rest_s > 0 and any(_is_expected(kept, now_s, rest_s) for kept in others):
            return rest_s
        return 0.0

    def take(self) -> list[Frame[Item]]:
        """The next items, one of each source, the longest waiting source first."""
        taken = []
        for kept in self._in_turn()[: self.max_batch]:
            if kept.frame is not None:
                taken.append(kept.frame)
            kept.frame, kept.place = None, None
            kept.tally["served"] += 1
        return taken

    def _in_turn(self) -> list[_Source[Item]]:
        """The sources with an item that is not too old, the longest waiting first."""
        if self.max_age_s > 0:
            oldest_s = self.data_clock() - self.max_age_s
            for kept in self._sources.values():
                if kept.frame is not None and kept.stamped_s < oldest_s:
                    kept.frame = None
                    kept.tally["expired"] += 1
        waiting = [kept for kept in self._sources.values() if kept.frame is not None]
        return sorted(waiting, key=lambda kept: -1 if kept.place is None else kept.place)

    def _comes_too_soon(self, kept: _Source[Item], data_s: float) -> bool:
        """Whether the rate forbids an item; on average the rate is kept, whatever the period."""
        if self.max_rate_hz <= 0:
            kept.due_s = None
            return False
        period_s = 1.0 / self.max_rate_hz
        due_s = kept.due_s
        if due_s is None or data_s - due_s > period_s or due_s - data_s > period_s:
            due_s = data_s  # the first one, after a pause, or a clock that jumped
        if data_s < due_s:
            return True
        kept.due_s = due_s + period_s
        return False


def _is_expected(kept: _Source[Item], now_s: float, within_s: float) -> bool:
    """Whether a source's next item should come in that time; one that is a period late is gone."""
    if kept.period_s is None:
        return False
    due_s = kept.last_s + kept.period_s
    return due_s <= now_s + within_s and now_s <= due_s + kept.period_s
