"""The loaded candidates of one model: which serves, which stand by, which are on trial or gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from edge_mm_ros.backends import BackendError
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.heap import trim_heap
from edge_mm_ros.model_repository import Candidate
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime.candidates import (
    CandidateLoader,
    CandidateUnavailable,
    LoadedCandidate,
    LoadTimeout,
    ModelSource,
    accelerator,
)
from edge_mm_ros.runtime.circuit_breaker import CircuitBreaker
from edge_mm_ros.runtime.courtesy import Courtesy
from edge_mm_ros.runtime.lane import Lane
from edge_mm_ros.runtime.memory_budget import BudgetExceeded, Holder, Need
from edge_mm_ros.runtime.model_status import ChangeKind, ModelChange

Effort = Literal["room", "evict", "wait_for_host", "wait"]
"""How far a load may go for its memory.

It may use free room only, evict others, wait for memory of the host but not of an accelerator
(where another candidate does without that), or wait for both.
"""


class NoCandidate(EdgeMmError):
    """No candidate of a model's chain can run here; tells why for each."""


class Admission(Protocol):
    """Lets a load begin once there is memory for it."""

    def __call__(self, name: str, need: Need, effort: Effort) -> AbstractContextManager[None]:
        """Keeps the memory reserved for the block.

        Raises:
            BudgetExceeded: there is none.
        """
        ...


class Tell(Protocol):
    """Is told what happened to a model."""

    def __call__(
        self,
        kind: ChangeKind,
        from_: Candidate | None = None,
        to: Candidate | None = None,
        reason: str = "",
    ) -> None:
        """Something happened."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What all models of a process share.

    Attributes:
        settings: of the process.
        loader: loads candidates.
        courtesy: knows which priorities run.
        clock: monotonic. [s]
        admit: gives memory.
        announce: is told every change.
    """

    settings: RuntimeParams
    loader: CandidateLoader
    courtesy: Courtesy
    clock: Callable[[], float]
    admit: Admission
    announce: Callable[[ModelChange], None]


@dataclass
class Chain:
    """A model's candidates, the best first, and what was learned of them.

    Attributes:
        source: manifest and files.
        breakers: of every candidate.
        priority: of the model.
        deadline_s: of each call.
        keep_alive_s: how long the idle model stays; None: until it is unloaded.
        unavailable: those that this machine does not have, with the reason.
        measured: sizes, once they were loaded.
        hung: threads that never came back from a call.
    """

    source: ModelSource
    breakers: dict[Candidate, CircuitBreaker]
    priority: int
    deadline_s: float
    keep_alive_s: float | None
    unavailable: dict[Candidate, str] = field(default_factory=dict)
    measured: dict[Candidate, Need] = field(default_factory=dict)
    hung: dict[Candidate, Lane] = field(default_factory=dict)

    @classmethod
    def of(cls, source: ModelSource, settings: RuntimeParams) -> Chain:
        """A chain of which nothing is known yet."""
        manifest = source.manifest
        return cls(
            source,
            {c: CircuitBreaker(settings) for c in manifest.candidates},
            manifest.effective_priority,
            manifest.effective_deadline_s,
            manifest.keep_alive_s,
        )

    def is_hung(self, candidate: Candidate) -> bool:
        """Whether a call of it still has not returned."""
        lane = self.hung.get(candidate)
        return lane is not None and lane.overdue

    def order(self, passed_over: Collection[Candidate]) -> list[Candidate]:
        """Whom to ask: the well ones, the best first; then, as a last resort, the others."""
        asked = [c for c in self.breakers if c not in passed_over]
        well = [c for c in asked if not self.breakers[c].is_open]
        return well + [c for c in asked if self.breakers[c].is_open and not self.is_hung(c)]

    def before(self, candidate: Candidate | None) -> list[Candidate]:
        """Those better than a candidate; all where there is none, or it is of another chain.

        Who looks without the lock may see the chain of one version and the candidate of another.
        """
        candidates = list(self.breakers)
        at = candidates.index(candidate) if candidate in self.breakers else len(candidates)
        return candidates[:at]

    def is_last(self, candidate: Candidate) -> bool:
        """Whether there is no other one to go to."""
        return all(
            other == candidate or other in self.unavailable or breaker.is_open
            for other, breaker in self.breakers.items()
        )


class CandidatePool:
    """The candidates of one model that are in memory.

    Attributes:
        lock: held while it is decided who serves, loads for that included.
        chain: of the version that serves.
        serving: who serves; None before the first load and after an unload.
        spares: loaded besides, in case they are needed.
        trial: a better candidate that failed, while it shows in the background that it is well.
        leases: users of the model at this moment.
        used_s: when the last lease ended, on the clock.
    """

    def __init__(self, name: str, source: ModelSource, around: Surroundings, tell: Tell) -> None:
        self.name = name
        self.around = around
        self.tell = tell
        self.lock = threading.RLock()
        self.chain = Chain.of(source, around.settings)
        self.serving: LoadedCandidate | None = None
        self.spares: dict[Candidate, LoadedCandidate] = {}
        self.trial: LoadedCandidate | None = None
        self.leases = 0
        self.used_s = around.clock()
        self._closing: list[LoadedCandidate] = []
        self._untrimmed = False
        self._replaced: tuple[Candidate, str] | None = None

    def ready(self, passed_over: Collection[Candidate] = ()) -> LoadedCandidate:
        """Who answers the next call; loaded, and from then on serving, where nobody was.

        Args:
            passed_over: candidates that failed this very call.

        Raises:
            NoCandidate: none is left that can be loaded.
            BudgetExceeded: there is no memory for the last one.
        """
        with self.lock:
            serving = self.serving
            if serving is not None and serving.candidate not in passed_over:
                if not serving.lane.overdue:
                    return serving
                self.pass_over(serving, "an earlier call still has not returned")
            for spare in tuple(self.spares.values()):
                if spare.candidate not in passed_over and not spare.lane.overdue:
                    return self._take(spare)
            return self._take(self.load_first(self.chain, passed_over))

    def pass_over(self, instance: LoadedCandidate, reason: str) -> None:
        """The serving candidate failed: it serves no more until it stayed well."""
        candidate = instance.candidate
        with self.lock:
            self.chain.breakers[candidate].open(reason, self.around.clock())
            self.serving = None
            if self._replaced is None:
                self._replaced = (candidate, reason)
            if instance.lane.overdue:
                self.chain.hung[candidate] = instance.lane
            # A request waits for the next one: what can be done later is left to the upkeep.
            self._untrimmed = True
            later = bool(self.spares) and not instance.lane.overdue
            if later or not instance.close():
                self._closing.append(instance)

    def drop_spare(self, instance: LoadedCandidate, reason: str) -> None:
        """A spare failed."""
        with self.lock:
            del self.spares[instance.candidate]
            self.chain.breakers[instance.candidate].open(reason, self.around.clock())
            self.close(instance)

    @property
    def replaced(self) -> Candidate | None:
        """Who failed and has no successor yet."""
        return self._replaced[0] if self._replaced is not None else None

    def install(self, chain: Chain, instance: LoadedCandidate) -> LoadedCandidate | None:
        """Another version takes over; all of the old one drain and go.

        Returns:
            who served before.
        """
        with self.lock:
            old = self.serving
            gone = self._take_all()
            self.chain, self.serving, self._replaced = chain, instance, None
            for each in gone:
                self.close(each)
        return old

    def take_back(self) -> None:
        """The candidate on trial stayed well: it serves again."""
        with self.lock:
            better, serving = self.trial, self.serving
            if better is None or serving is None:
                return
            self.trial = None
            self.serving = better
            serving.used_s = self.around.clock()
            self.spares[serving.candidate] = serving
            breaker = self.chain.breakers[better.candidate]
            reason = f"stayed well after: {breaker.reason}"
            breaker.close(self.around.clock())
        self.tell("recovered", from_=serving.candidate, to=better.candidate, reason=reason)

    def load_first(
        self, chain: Chain, passed_over: Collection[Candidate] = (), *, patient: bool = True
    ) -> LoadedCandidate:
        """The best candidate that can be loaded.

        Args:
            chain: the candidates.
            passed_over: those that are not asked.
            patient: whether to wait for memory that others hold.

        Raises:
            NoCandidate: none can.
            BudgetExceeded: there is no memory for the last one.
        """
        reasons = []
        order = chain.order(passed_over)
        for candidate in order:
            last = candidate == order[-1]
            effort: Effort = "evict"
            if patient:
                effort = "wait" if last else "wait_for_host"
            try:
                return self.load(chain, candidate, effort)
            except CandidateUnavailable as error:
                chain.unavailable[candidate] = str(error)
                reasons.append(f"{candidate}: {error}")
            except EdgeMmError as error:
                if last and isinstance(error, BudgetExceeded):
                    raise
                chain.breakers[candidate].open(str(error), self.around.clock())
                reasons.append(f"{candidate}: {error}")
        damaged = any(chain.breakers[candidate].is_open for candidate in order)
        raise NoCandidate(
            f"model '{chain.source.manifest.name}' cannot be loaded: "
            + ("; ".join(reasons) or "no candidate is left that could be tried")
            + (f"; {chain.source.mend}" if damaged else "")
        )

    def load(self, chain: Chain, candidate: Candidate, effort: Effort) -> LoadedCandidate:
        """Load one candidate, within the budget.

        Raises:
            CandidateUnavailable, LoadTimeout, BackendError, BudgetExceeded.
        """
        around = self.around
        need = chain.measured.get(candidate) or chain.source.need(candidate)
        with around.admit(self.name, need, effort):
            try:
                instance = around.loader.load(chain.source, candidate, around.clock)
            except LoadTimeout as error:
                chain.hung[candidate] = error.lane
                raise
            except BackendError:
                trim_heap()
                raise
        model = instance.model
        on_device = model.device_memory_bytes
        chain.measured[candidate] = Need(
            model.memory_bytes, accelerator(candidate) if on_device else "", on_device
        )
        return instance

    def close_all(self) -> list[LoadedCandidate]:
        """Give everything back that serves or stands by; returns it, who served last."""
        with self.lock:
            gone = self._take_all()
            for instance in gone:
                self.close(instance)
        return gone

    def close_one(self, key: object) -> Candidate | None:
        """Give one back, unless it is in use.

        Returns:
            which one; None where it is in use, or gone already.
        """
        if not self.lock.acquire(blocking=False):  # somebody loads or unloads: not now
            return None
        try:
            serving = self.serving
            if serving is not None and serving.identity == key and not self.leases:
                self.serving = None
                self.close(serving)
                return serving.candidate
            for candidate, spare in tuple(self.spares.items()):
                if spare.identity == key:
                    del self.spares[candidate]
                    self.close(spare)
                    return candidate
            return None
        finally:
            self.lock.release()

    def close(self, instance: LoadedCandidate) -> None:
        """Give one back that is in none of the lists any more."""
        if not instance.close():
            self._closing.append(instance)
        trim_heap()

    @property
    def leaves_work(self) -> bool:
        """Whether failed ones wait to be closed, or their memory to be given back."""
        return self._untrimmed or any(not each.lane.overdue for each in self._closing)

    def forget_closed(self) -> None:
        """Close failed ones; look again whether hung calls have returned, and their models."""
        closed = [instance for instance in tuple(self._closing) if instance.close()]
        with self.lock:
            self._closing = [instance for instance in self._closing if instance not in closed]
            untrimmed, self._untrimmed = self._untrimmed, False
        if closed or untrimmed:
            # A collection would hold up the request that has just gone to the next one.
            trim_heap(collect=False)

    def loaded(self) -> list[LoadedCandidate]:
        """All that take memory, hung ones included; who serves comes first."""
        serving, trial = self.serving, self.trial
        return [
            *([serving] if serving else []),
            *tuple(self.spares.values()),
            *([trial] if trial else []),
            *self._closing,
        ]

    def overdue(self) -> list[Lane]:
        """Threads in a call whose caller has left."""
        lanes = [*(each.lane for each in self.loaded()), *tuple(self.chain.hung.values())]
        return [lane for lane in dict.fromkeys(lanes) if lane.overdue]

    def holders(self) -> list[Holder]:
        """All that take memory, for the budget."""
        priority = self.chain.source.manifest.effective_priority
        serving, spares = self.serving, tuple(self.spares.values())
        held = []
        for instance in self.loaded():
            on_device = instance.model.device_memory_bytes
            serves, spare = instance is serving, instance in spares
            held.append(
                Holder(
                    self.name,
                    instance.identity,
                    instance.model.memory_bytes,
                    accelerator(instance.candidate) if on_device else "",
                    on_device,
                    priority,
                    self.used_s if serves else instance.used_s,
                    leased=self.leases > 0 if serves else not spare,
                    spare=spare,
                )
            )
        return held

    def _take(self, instance: LoadedCandidate) -> LoadedCandidate:
        """Let a loaded candidate serve; or only stand in, where the serving one is just late."""
        instance.used_s = self.around.clock()
        if self.serving is not None:
            self.spares[instance.candidate] = instance
            return instance
        self.spares.pop(instance.candidate, None)
        self.serving = instance
        self.chain.breakers[instance.candidate].close(self.around.clock())
        better = self.chain.before(instance.candidate)
        replaced, self._replaced = self._replaced, None
        if replaced is None:
            breakers = self.chain.breakers
            passed = [f"{c}: {breakers[c].reason}" for c in better if breakers[c].is_open]
            self.tell("loaded", to=instance.candidate, reason="; ".join(passed))
        else:
            candidate, reason = replaced
            kind: ChangeKind = "fallback" if candidate in better else "recovered"
            self.tell(kind, from_=candidate, to=instance.candidate, reason=reason)
        return instance

    def _take_all(self) -> list[LoadedCandidate]:
        gone = [*self.spares.values(), *([self.serving] if self.serving else [])]
        self.spares.clear()
        self.serving = None
        self._replaced = None
        return gone
