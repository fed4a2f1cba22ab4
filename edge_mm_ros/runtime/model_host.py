"""Owns the models of a process: loaded at their first lease, shared, given back."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.backends.device_memory import free_device_bytes
from edge_mm_ros.heap import use_one_heap
from edge_mm_ros.model_repository import ModelManifest, ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime.candidate_pool import Effort, NoCandidate, Surroundings
from edge_mm_ros.runtime.candidates import CandidateLoader, ModelSource
from edge_mm_ros.runtime.courtesy import Courtesy
from edge_mm_ros.runtime.leased_model import LeasedModel, leased_model
from edge_mm_ros.runtime.maintenance import Maintenance
from edge_mm_ros.runtime.memory_budget import BudgetExceeded, Holder, MemoryBudget, Need
from edge_mm_ros.runtime.model_slot import ModelSlot
from edge_mm_ros.runtime.model_status import ModelChange, ModelStatus

logger = logging.getLogger(__name__)

_MAY_TAKE_MEMORY = frozenset({"loaded", "fallback", "recovered", "swapped"})
_WARNINGS = frozenset({"late", "fallback", "failed", "hung", "swap_failed"})
_LONGEST_WAIT_S = 0.1
_HUNG_CALLS_BEFORE_RESTART = 2


class ModelHost:
    """Every model of a process. Thread safe.

    A model is loaded at its first lease, through the first candidate of its chain that works;
    concurrent first leases load it once. It stays until it is unloaded, evicted for another one,
    or idle for as long as its manifest says. Every change is logged and told to the listeners.
    """

    def __init__(
        self,
        repository: ModelRepository,
        backends: BackendRegistry,
        settings: RuntimeParams | None = None,
        *,
        budget: MemoryBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
        background: bool = True,
    ) -> None:
        """Make an empty host.

        Args:
            repository: manifests and files.
            backends: the engines.
            settings: of this process.
            budget: the memory; by default what the settings and the machine allow.
            clock: monotonic. [s]
            background: whether `maintain` is called by a thread of its own when it is due.
        """
        use_one_heap()
        self.repository = repository
        self.backends = backends
        self.settings = settings or RuntimeParams()
        self._budget = budget or MemoryBudget(self.settings, device_available=_free_bytes_of)
        self._clock = clock
        self._loader = CandidateLoader(backends, self.settings)
        self._around = Surroundings(
            self.settings,
            self._loader,
            Courtesy(self.settings.pause_s if self.settings.priorities else 0.0),
            clock,
            self._admit,
            self._announce,
        )
        self._slots: dict[str, ModelSlot] = {}
        self._slots_lock = threading.Lock()
        self._users: Counter[str] = Counter()
        self._memory = threading.Condition()
        self._waiting_for_memory = 0
        self._reserved: list[Holder] = []
        self._listeners: list[Callable[[ModelChange], None]] = []
        self._maintenance = Maintenance(self._due_s, self.maintain, clock) if background else None

    # -- using models ---------------------------------------------------------------------------

    def verify(self, name: str) -> ModelManifest:
        """Check, without loading, that a model can be loaded here.

        Args:
            name: of a model, or path of a manifest.

        Returns:
            its manifest.

        Raises:
            ModelUnavailable: manifest or file is missing, or a file is not the declared one.
            ParameterError: the manifest has refused keys.
            CanaryFailed: its golden values cannot be read.
            NoCandidate: no backend of its chain can run here.
            BudgetExceeded: it is larger than the whole budget.
        """
        source = ModelSource.read(self.repository, name)
        reasons = []
        for candidate in source.manifest.candidates:
            reason = self._loader.why_not(candidate)
            if reason:
                reasons.append(f"{candidate}: {reason}")
                continue
            need, holders = source.need(candidate), self._holders()
            if self._budget.plan(need, holders).hopeless:
                reasons.append(self._budget.refusal(name, need, holders, 0.0))
                continue
            return source.manifest
        raise NoCandidate(f"model '{name}' cannot run here: {'; '.join(reasons)}")

    def candidates(self, name: str) -> dict[str, str]:
        """By candidate of a model's chain: why it cannot run here; empty where it can.

        Raises:
            ModelUnavailable, ParameterError: the manifest cannot be used.
        """
        manifest = self.repository.manifest(name)
        return {str(c): self._loader.why_not(c) for c in manifest.candidates}

    def lease(self, name: str) -> AbstractContextManager[Any]:
        """The model, kept in memory at least until the block ends.

        It has the protocol of its task: `TensorModel`, `TranscriptionModel` or `GenerationModel`,
        and `identity`, which changes when another candidate or version took over.

        Raises:
            ModelUnavailable, ParameterError, NoCandidate, BudgetExceeded: it cannot be loaded; on
                entry.
        """
        return _Lease(self, name)

    def preload(self, name: str) -> None:
        """Load and warm a model now; raises as `lease`."""
        with self.lease(name):
            pass

    def unload(self, name: str, timeout_s: float = 10.0) -> bool:
        """Give a model's memory back once nobody uses it.

        Returns:
            False where it was still leased after `timeout_s`; it then stays.
        """
        with self._slots_lock:
            slot = self._slots.get(name)
        return slot is None or slot.unload(timeout_s)

    def retain(self, name: str) -> None:
        """Note one more part of the process that works with a model."""
        with self._slots_lock:
            self._users[name] += 1

    def release(self, name: str) -> bool:
        """Undo one `retain`; the last one unloads the model.

        Returns:
            False where it was still leased, and stays.
        """
        with self._slots_lock:
            self._users[name] -= 1
            if self._users[name] > 0:
                return True
            del self._users[name]
        return self.unload(name)

    def swap(self, name: str, source: str) -> None:
        """Let another manifest's model serve under a name, between two calls.

        It is loaded beside the old one where memory allows, and must pass its canary.

        Args:
            name: of the model that is replaced.
            source: name or path of the manifest that takes over.

        Raises:
            SwapFailed: it cannot take over; the old one goes on.
            ModelUnavailable, ParameterError, CanaryFailed: its manifest or files cannot be used.
        """
        new = ModelSource.read(self.repository, source)
        self._slot(name).swap(new)
        self._look_again()

    def close(self) -> None:
        """Unload everything."""
        if self._maintenance is not None:
            self._maintenance.close()
        for name in tuple(self._slots):
            self.unload(name)

    # -- watching models ------------------------------------------------------------------------

    def status(self) -> tuple[ModelStatus, ...]:
        """All models that were ever asked for; waits for nothing."""
        return tuple(slot.status() for slot in tuple(self._slots.values()))

    def add_listener(self, listener: Callable[[ModelChange], None]) -> None:
        """Tell somebody every change, on the thread where it happens."""
        self._listeners = [*self._listeners, listener]

    def remove_listener(self, listener: Callable[[ModelChange], None]) -> None:
        """Undo `add_listener`."""
        self._listeners = [each for each in self._listeners if each != listener]

    @property
    def restart_wanted(self) -> str:
        """Why this process should be started again; empty where it need not.

        A hung engine cannot be ended from inside: one is borne, two are too many, and so is one
        whose model has nobody else to go to.
        """
        slots = [slot for slot in tuple(self._slots.values()) if slot.upkeep.hung_calls]
        hung = [slot.status() for slot in slots]
        count = sum(status.hung_calls for status in hung)
        names = ", ".join(status.name for status in hung)
        if count >= _HUNG_CALLS_BEFORE_RESTART:
            return f"{count} calls of engines do not return ({names})"
        if any(not status.loaded and status.requests_lost for status in hung):
            return f"the engine of {names} does not return, and no other candidate is left"
        return ""

    def maintain(self) -> None:
        """What is due now; called by the host's own thread, if it has one."""
        for slot in tuple(self._slots.values()):
            slot.upkeep.maintain(self._clock())

    # -- inside ---------------------------------------------------------------------------------

    def _slot(self, name: str) -> ModelSlot:
        def read() -> ModelSource:
            return ModelSource.read(self.repository, name)

        slot = self._slots.get(name)
        if slot is None:
            made = ModelSlot(name, read(), self._around)  # the files' digests may take a while
            with self._slots_lock:
                return self._slots.setdefault(name, made)
        slot.refresh(read)
        return slot

    def _holders(self) -> list[Holder]:
        held = [holder for slot in tuple(self._slots.values()) for holder in slot.holders()]
        return held + self._reserved

    @contextmanager
    def _admit(self, name: str, need: Need, effort: Effort) -> Iterator[None]:
        begin_s, waited = time.monotonic(), False
        while True:
            with self._memory:
                holders = self._holders()
                plan = self._budget.plan(need, holders)
                if plan.fits and not plan.evict:
                    reservation = _reserve(name, need)
                    self._reserved = [*self._reserved, reservation]
                    break
            evict = () if plan.hopeless or effort == "room" else plan.evict
            if [each for each in evict if self._slots[each.name].evict(each.key)]:
                continue
            waits = effort == "wait" or (effort == "wait_for_host" and not plan.lacks_device)
            rest_s = begin_s + self.settings.wait_s - time.monotonic()
            if plan.hopeless or not waits or rest_s <= 0:
                waited_s = self.settings.wait_s if waited else 0.0
                raise BudgetExceeded(self._budget.refusal(name, need, holders, waited_s))
            if not waited:
                waited = True
                logger.info("model %s waits for %s", name, need)
            with self._memory:
                self._waiting_for_memory += 1
                # Not for longer at once: memory may come back outside of this process, too.
                self._memory.wait(min(rest_s, _LONGEST_WAIT_S))
                self._waiting_for_memory -= 1
        try:
            yield
        finally:
            with self._memory:
                self._reserved = [each for each in self._reserved if each is not reservation]
                self._memory.notify_all()

    def _make_room(self) -> None:
        """A model may have turned out larger than its estimate."""
        with self._memory:
            plan = self._budget.plan(Need(0), self._holders())
        for holder in plan.evict:
            self._slots[holder.name].evict(holder.key)

    def _look_again(self) -> None:
        self._note_memory()
        if self._maintenance is not None:
            self._maintenance.watch()

    def _note_memory(self) -> None:
        """Who waits for memory may get some now."""
        if self._waiting_for_memory:
            with self._memory:
                self._memory.notify_all()

    def _due_s(self) -> float | None:
        due = [slot.upkeep.due_s() for slot in tuple(self._slots.values())]
        return min((each for each in due if each is not None), default=None)

    def _announce(self, change: ModelChange) -> None:
        logger.log(logging.WARNING if change.kind in _WARNINGS else logging.INFO, "%s", change)
        if change.kind in _MAY_TAKE_MEMORY and self.settings.strategy == "keep":
            self._make_room()
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:  # a listener's fault must not cost a request its answer
                logger.exception("a listener of model changes failed")
        self._look_again()


class _Lease:
    """One lease; a class, because a generator's steps count in every call of a model."""

    __slots__ = ("_host", "_name", "_slot")

    def __init__(self, host: ModelHost, name: str) -> None:
        self._host = host
        self._name = name

    def __enter__(self) -> LeasedModel:
        self._slot = self._host._slot(self._name)
        self._slot.begin_lease()
        return leased_model(self._slot)

    def __exit__(self, *_: object) -> None:
        if self._slot.end_lease():
            self._host._look_again()
        else:
            self._host._note_memory()


def _free_bytes_of(accelerator: str) -> int | None:
    """Free memory of an accelerator such as ``cuda:0``; None where nothing can tell it."""
    kind, _, index = accelerator.partition(":")
    return free_device_bytes(int(index)) if kind == "cuda" and index.isdigit() else None


def _reserve(name: str, need: Need) -> Holder:
    return Holder(
        f"{name} (loading)", object(), need.host_bytes, need.device, need.device_bytes, 0, 0.0, True
    )
