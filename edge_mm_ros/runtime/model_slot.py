"""One model of a process: leases, calls that go to the next candidate on failure, swap."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from edge_mm_ros.backends import BackendError, InputRefused, LoadedModel
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import Candidate, ModelManifest
from edge_mm_ros.runtime.candidate_pool import CandidatePool, Chain, Surroundings
from edge_mm_ros.runtime.candidates import LoadedCandidate, ModelSource
from edge_mm_ros.runtime.lane import DeadlineExceeded
from edge_mm_ros.runtime.memory_budget import BudgetExceeded, Holder
from edge_mm_ros.runtime.model_status import CallStatistics, ChangeKind, ModelChange, ModelStatus
from edge_mm_ros.runtime.upkeep import Upkeep

T = TypeVar("T")

_RELOAD_AFTER_FAILURES = 3


class SwapFailed(EdgeMmError):
    """A model could not take another's place; the old one goes on."""


class ModelSlot:
    """A model by its name. Thread safe.

    A call goes to the candidate that serves; where that fails, or does not answer in time, the same
    call goes to the next one of the chain. A candidate that failed is passed over from then on,
    until it stayed well for a while in the background.
    """

    def __init__(self, name: str, source: ModelSource, around: Surroundings) -> None:
        self.name = name
        self._around = around
        self._statistics = CallStatistics(around.clock)
        self._last_change = ""
        self._failures_in_turn = 0
        self._pool = CandidatePool(name, source, around, self._tell)
        self._idle = threading.Condition(self._pool.lock)
        self._unloading = 0
        self.upkeep = Upkeep(self._pool)

    def begin_lease(self) -> None:
        """Load the model where it is not loaded, and keep it until `end_lease`.

        Raises:
            NoCandidate, BudgetExceeded: it cannot be loaded.
        """
        with self._pool.lock:
            self._pool.leases += 1
            try:
                self._pool.ready()
            except BaseException:
                self._pool.leases -= 1
                raise

    def end_lease(self) -> bool:
        """Undo one `begin_lease`.

        Returns:
            whether the upkeep has something to do some time after.
        """
        pool = self._pool
        with pool.lock:
            pool.leases -= 1
            pool.used_s = self._around.clock()
            if self._unloading and not pool.leases:
                self._idle.notify_all()
        return pool.chain.keep_alive_s is not None

    def refresh(self, read: Callable[[], ModelSource]) -> None:
        """Read manifest and files again where nothing of them is loaded.

        Raises:
            EdgeMmError: they cannot be used any more.
        """
        with self._pool.lock:
            if self._pool.serving is None and not self._pool.leases:
                source = read()
                if source != self._pool.chain.source:
                    self._pool.chain = Chain.of(source, self._around.settings)

    @property
    def manifest(self) -> ModelManifest:
        """The manifest in force."""
        return self._pool.chain.source.manifest

    def serving(self) -> LoadedCandidate:
        """Who answers the next call.

        Raises:
            NoCandidate, BudgetExceeded: none can be loaded.
        """
        return self._pool.ready()

    def call(self, operate: Callable[[LoadedModel], T]) -> T:
        """Run `operate` on the candidate that serves, on failure on the next.

        Raises:
            InputRefused: the input does not fit; no other candidate is asked.
            BackendError: every candidate failed; tells each reason.
        """
        chain = self._pool.chain
        failed: dict[Candidate, str] = {}
        self._statistics.asked()
        self._around.courtesy.begin(chain.priority)
        try:
            while True:
                instance = self._next(failed)
                begun_s = self._around.clock()
                try:
                    result = instance.lane.call(partial(operate, instance.model), chain.deadline_s)
                except InputRefused:
                    raise
                except Exception as error:
                    self._note_failure(instance, error, failed)
                else:
                    self._note_answer(instance, begun_s)
                    return result
        finally:
            self._around.courtesy.end(chain.priority)

    def stream(self, iterate: Callable[[LoadedModel], Iterator[T]]) -> Iterator[T]:
        """As `call`, for a result that comes in pieces.

        The next candidate is asked only while no piece was given out.

        Raises:
            InputRefused: the input does not fit.
            BackendError: every candidate failed, or the one that had begun did.
        """
        chain = self._pool.chain
        make_way = partial(self._around.courtesy.make_way, chain.priority)
        failed: dict[Candidate, str] = {}
        self._statistics.asked()
        while True:
            instance = self._next(failed)
            begun_s, begun = self._around.clock(), False
            pieces = instance.lane.stream(
                partial(iterate, instance.model), chain.deadline_s, make_way
            )
            try:
                for piece in pieces:
                    begun = True
                    yield piece
            except InputRefused:
                raise
            except Exception as error:
                self._note_failure(instance, error, failed)
                if begun:
                    self._statistics.lose()
                    raise BackendError(
                        f"model '{self.name}' failed half-way on {instance.candidate}: {error}"
                    ) from error
            else:
                self._note_answer(instance, begun_s)
                return
            finally:
                pieces.close()

    def unload(self, timeout_s: float) -> bool:
        """Give all memory back once nobody uses the model; False where somebody still did."""
        begin_s = time.monotonic()
        if not self._pool.lock.acquire(timeout=timeout_s):  # somebody loads
            return False
        try:
            rest_s = max(0.0, begin_s + timeout_s - time.monotonic())
            self._unloading += 1
            try:
                if not self._idle.wait_for(lambda: self._pool.leases == 0, timeout=rest_s):
                    return False
            finally:
                self._unloading -= 1
            gone = self._pool.close_all()
        finally:
            self._pool.lock.release()
        if gone:
            self._tell("unloaded", from_=gone[-1].candidate)
        return True

    def evict(self, key: object) -> bool:
        """Give one loaded candidate's memory back for another model; False where it is in use."""
        gone = self._pool.close_one(key)
        if gone is None:
            return False
        self._tell("evicted", from_=gone, reason="another model needs the memory")
        return True

    def swap(self, source: ModelSource) -> None:
        """Let another version take over between two calls; the old one drains and goes.

        Where both do not fit into the memory, the old one goes first and comes back where the new
        one fails.

        Raises:
            SwapFailed: the new one cannot be loaded or fails its canary; the old one goes on.
        """
        pool = self._pool
        task, new_task = pool.chain.source.manifest.task, source.manifest.task
        if task != new_task:
            raise self._swap_failed(source, f"it is for {new_task}, {task} is needed")
        chain = Chain.of(source, self._around.settings)
        with pool.lock:
            pool.leases += 1  # or making room for the new one could evict the old one
        try:
            old = pool.install(chain, pool.load_first(chain, patient=False))
        except BudgetExceeded:
            old = self._swap_in_place(chain)
        except EdgeMmError as error:
            raise self._swap_failed(source, str(error)) from error
        finally:
            self.end_lease()
        self._failures_in_turn = 0
        serving = pool.serving
        self._tell(
            "swapped",
            from_=old.candidate if old else None,
            to=serving.candidate if serving else None,
            reason=f"now {_version(source)}",
        )

    def holders(self) -> list[Holder]:
        """Everything of this model that takes memory."""
        return self._pool.holders()

    def status(self) -> ModelStatus:
        """How it is, without waiting for anything."""
        pool, statistics = self._pool, self._statistics
        chain, serving, loaded = pool.chain, pool.serving, pool.loaded()
        manifest = chain.source.manifest
        better = chain.before(serving.candidate if serving else None)
        p50_ms, p99_ms = statistics.percentiles_ms()
        return ModelStatus(
            self.name,
            version=manifest.version,
            loaded=serving is not None,
            device=serving.device if serving else "",
            memory_bytes=sum(each.model.memory_bytes for each in loaded),
            device_memory_bytes=sum(each.model.device_memory_bytes for each in loaded),
            priority=manifest.effective_priority,
            leases=pool.leases,
            requests=statistics.requests,
            requests_lost=statistics.lost,
            failures=statistics.failures,
            fallbacks=statistics.fallbacks,
            hung_calls=self.upkeep.hung_calls,
            last_change=self._last_change,
            chain=tuple(str(candidate) for candidate in chain.breakers),
            rate_hz=statistics.rate_hz(),
            p50_ms=p50_ms,
            p99_ms=p99_ms,
            unavailable=tuple(
                f"{c}: {chain.unavailable[c]}" for c in better if c in chain.unavailable
            ),
            failed=tuple(
                f"{c}: {chain.breakers[c].reason}" for c in better if chain.breakers[c].is_open
            ),
            report=dict(serving.model.report) if serving else {},
        )

    def _next(self, failed: dict[Candidate, str]) -> LoadedCandidate:
        try:
            return self._pool.ready(tuple(failed))
        except EdgeMmError as error:
            self._statistics.lose()
            if not failed:
                raise
            reasons = "; ".join(f"{candidate}: {why}" for candidate, why in failed.items())
            if self._pool.replaced is not None:
                self._tell("failed", from_=self._pool.replaced, reason=reasons)
            if failed.keys() != self._pool.chain.breakers.keys():
                reasons += f"; {error}"
            raise BackendError(
                f"model '{self.name}': no candidate gave an answer: {reasons}"
            ) from error

    def _note_answer(self, instance: LoadedCandidate, begun_s: float) -> None:
        now_s = self._around.clock()
        self._statistics.took(now_s - begun_s, now_s)
        instance.used_s = now_s
        if instance is self._pool.serving:
            self._failures_in_turn = 0

    def _note_failure(
        self, instance: LoadedCandidate, error: Exception, failed: dict[Candidate, str]
    ) -> None:
        pool, candidate = self._pool, instance.candidate
        reason = (
            str(error) if isinstance(error, EdgeMmError) else f"{type(error).__name__}: {error}"
        )
        late = isinstance(error, DeadlineExceeded)
        failed[candidate] = reason
        self._statistics.fail()
        with pool.lock:
            if instance is pool.serving:
                if late:
                    if pool.chain.breakers[candidate].late(self._around.clock()):
                        pool.pass_over(instance, f"too many late answers: {reason}")
                    else:
                        self._tell("late", from_=candidate, reason=reason)
                    return
                self._failures_in_turn += 1
                # The last one is loaded anew only where it fails again and again.
                reload = self._failures_in_turn >= _RELOAD_AFTER_FAILURES
                if reload or not pool.chain.is_last(candidate):
                    self._failures_in_turn = 0
                    pool.pass_over(instance, reason)
            elif pool.spares.get(candidate) is instance and not late:
                pool.drop_spare(instance, reason)

    def _swap_in_place(self, chain: Chain) -> LoadedCandidate | None:
        pool = self._pool
        with pool.lock:
            old = pool.serving
            pool.close_all()
            try:
                pool.install(chain, pool.load_first(chain))
            except EdgeMmError as error:
                pool.ready()
                raise self._swap_failed(chain.source, str(error)) from error
        return old

    def _swap_failed(self, source: ModelSource, reason: str) -> SwapFailed:
        serving = self._pool.serving
        self._tell("swap_failed", from_=serving.candidate if serving else None, reason=reason)
        return SwapFailed(
            f"model '{self.name}': {_version(source)} cannot take over: {reason}; "
            f"{_version(self._pool.chain.source)} goes on"
        )

    def _tell(
        self,
        kind: ChangeKind,
        from_: Candidate | None = None,
        to: Candidate | None = None,
        reason: str = "",
    ) -> None:
        if kind == "fallback":
            self._statistics.fallbacks += 1
        change = ModelChange(
            self.name, kind, str(from_ or ""), str(to or ""), reason, self._statistics.lost
        )
        self._last_change = str(change)
        self._around.announce(change)


def _version(source: ModelSource) -> str:
    return f"{source.manifest.name} {source.manifest.version}".strip()
