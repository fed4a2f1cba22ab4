"""What happens to a model in the background: trials, spares and idle models that go, hung calls."""

from __future__ import annotations

import logging
from functools import partial

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import Candidate
from edge_mm_ros.runtime.candidate_pool import CandidatePool
from edge_mm_ros.runtime.candidates import CandidateUnavailable
from edge_mm_ros.runtime.lane import Lane

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.25


class Upkeep:
    """Looks after one model, from one thread."""

    def __init__(self, pool: CandidatePool) -> None:
        self._pool = pool
        self._told_hung: frozenset[Lane] = frozenset()

    @property
    def hung_calls(self) -> int:
        """Calls that did not return for a whole deadline after their callers left."""
        return sum(lane.overdue for lane in self._told_hung)

    def maintain(self, now_s: float) -> None:
        """Do what is due."""
        self._pool.forget_closed()
        self._watch_calls()
        self._drop_spares(now_s)
        self._drop_idle(now_s)
        self._keep_standby()
        self._try_better(now_s)

    def due_s(self) -> float | None:
        """When something is due again; None: not before something happens."""
        pool, due = self._pool, []
        settings, manifest = pool.around.settings, pool.chain.source.manifest
        now_s, serving = pool.around.clock(), pool.serving
        if pool.overdue():
            due.append(now_s + _LOOK_AGAIN_S)
        if pool.leaves_work:
            due.append(now_s)
        if serving is not None:
            for candidate in pool.chain.before(serving.candidate):
                retry_s = pool.chain.breakers[candidate].retry_s
                if retry_s is not None:
                    due.append(max(retry_s, now_s + _LOOK_AGAIN_S))
            if manifest.warm_standby:
                if not pool.spares and self._standby() is not None:
                    due.append(now_s)
            else:
                spares = tuple(pool.spares.values())
                due += [spare.used_s + settings.standby_s for spare in spares]
            if pool.chain.keep_alive_s is not None and not pool.leases:
                due.append(pool.used_s + pool.chain.keep_alive_s)
        elif pool.trial is not None:
            due.append(now_s)
        return min(due, default=None)

    def _watch_calls(self) -> None:
        """A call that stays out for another deadline counts as hung."""
        pool = self._pool
        deadline_s = pool.chain.deadline_s
        overdue = pool.overdue()
        self._told_hung &= frozenset(overdue)
        for lane in overdue:
            if lane in self._told_hung or lane.overdue_s < deadline_s:
                continue
            self._told_hung |= {lane}
            with pool.lock:
                serving = pool.serving
                if serving is not None and serving.lane is lane:
                    pool.pass_over(serving, "a call does not return")
            pool.tell("hung", reason=f"a call has not returned for {lane.overdue_s:.1f} s")

    def _drop_spares(self, now_s: float) -> None:
        pool = self._pool
        if pool.chain.source.manifest.warm_standby or not pool.spares:
            return
        with pool.lock:
            for candidate, spare in tuple(pool.spares.items()):
                if now_s - spare.used_s >= pool.around.settings.standby_s:
                    del pool.spares[candidate]
                    pool.close(spare)

    def _drop_idle(self, now_s: float) -> None:
        pool = self._pool
        keep_alive_s = pool.chain.keep_alive_s
        if keep_alive_s is None or pool.serving is None:
            return
        with pool.lock:
            if pool.leases or now_s - pool.used_s < keep_alive_s:
                return
            gone = pool.close_all()
        if gone:
            reason = f"idle for {keep_alive_s:g} s"
            pool.tell("unloaded", from_=gone[-1].candidate, reason=reason)

    def _standby(self) -> Candidate | None:
        """The next one after the one that serves which could stand by."""
        pool, chain = self._pool, self._pool.chain
        if pool.serving is None:
            return None
        worse = list(chain.breakers)[len(chain.before(pool.serving.candidate)) + 1 :]
        usable = (c for c in worse if c not in chain.unavailable and not chain.breakers[c].is_open)
        return next(usable, None)

    def _keep_standby(self) -> None:
        pool = self._pool
        chain = pool.chain
        if not chain.source.manifest.warm_standby or pool.spares:
            return
        candidate = self._standby()
        if candidate is None:
            return
        try:
            spare = pool.load(chain, candidate, "room")
        except CandidateUnavailable as error:
            chain.unavailable[candidate] = str(error)
            return
        except EdgeMmError as error:
            chain.breakers[candidate].open(str(error), pool.around.clock())
            logger.warning("model %s: no warm standby on %s: %s", pool.name, candidate, error)
            return
        with pool.lock:
            if pool.chain is chain and candidate not in pool.spares and pool.serving is not None:
                pool.spares[candidate] = spare
            else:
                pool.close(spare)

    def _try_better(self, now_s: float) -> None:
        pool = self._pool
        chain, serving = pool.chain, pool.serving
        if serving is None:
            self._end_trial()
            return
        for candidate in chain.before(serving.candidate):
            breaker = chain.breakers[candidate]
            if not breaker.may_try(now_s) or chain.is_hung(candidate):
                continue
            try:
                trial = pool.trial
                if trial is None or trial.candidate != candidate:
                    self._end_trial()
                    pool.trial = pool.load(chain, candidate, "room")
                else:
                    source = chain.source
                    trial.lane.call(partial(source.check, trial.model), chain.deadline_s)
            except EdgeMmError as error:
                logger.info("model %s: %s is not well yet: %s", pool.name, candidate, error)
                if pool.trial is not None and pool.trial.lane.overdue:
                    chain.hung[candidate] = pool.trial.lane
                self._end_trial()
                breaker.open(str(error), now_s)
            else:
                if breaker.tried_well(now_s):
                    pool.take_back()
            return
        self._end_trial()

    def _end_trial(self) -> None:
        trial, self._pool.trial = self._pool.trial, None
        if trial is not None:
            self._pool.close(trial)
