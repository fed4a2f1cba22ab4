"""Several texts of a language model within a deadline, and the best that passes the verifier."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any

from edge_mm_ros.backends import BackendError, GenerationModel
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.pipelines.summarization.fact_table import FactTable
from edge_mm_ros.pipelines.summarization.facts import more_events
from edge_mm_ros.pipelines.summarization.grammar import grammar_of
from edge_mm_ros.pipelines.summarization.plain_text import one_line
from edge_mm_ros.pipelines.summarization.prompting import prompt_of
from edge_mm_ros.pipelines.summarization.verifier import verify

LATE = "its deadline has passed"
_TEMPERATURE = 0.7
_LOOK_S = 0.02
_MAX_CHARS = 20_000  # no table that the model is trusted with has so much to tell
_FAULTS_TOLD = 2


@dataclass(frozen=True)
class Limits:
    """How much a model may write.

    Attributes:
        candidates: texts at most.
        max_tokens: length of each at most.
        deadline_ns: when it must be done, on the clock that is passed along.
        brief: leave out details, for a machine that is slow now.
    """

    candidates: int
    max_tokens: int
    deadline_ns: int
    brief: bool = False


@dataclass(frozen=True)
class Draft:
    """A text that passed.

    Attributes:
        text: without citations, with the number of events that it does not tell of.
        told: facts that it tells of.
        variety: different beginnings of its sentences.
    """

    text: str
    told: int
    variety: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """Higher is better: more facts, then more variety, then shorter."""
        return (self.told, self.variety, -len(self.text))


class Drafting:
    """Lets a model write candidates on a thread of its own, which the caller need not wait for.

    An engine that hangs holds this thread up, and nobody else. Thread safe.

    Args:
        lease: lends the model.
        table: what to tell.
        limits: how much.
        now_ns: the clock of the deadline.
        faults_of: what else is wrong with a text that passed the verifier.
    """

    def __init__(
        self,
        lease: Callable[[], AbstractContextManager[Any]],
        table: FactTable,
        limits: Limits,
        now_ns: Callable[[], int],
        faults_of: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._lease = lease
        self._table = table
        self._limits = limits
        self._now_ns = now_ns
        self._faults_of = faults_of
        self._cancelled = threading.Event()
        self._done = threading.Event()
        self._late = False
        self._thread = threading.Thread(target=self._run, name="drafting", daemon=True)
        self.best: Draft | None = None
        self.tried = 0
        self.rejected: tuple[str, ...] = ()
        self.error = ""

    def write(self, stopped: Callable[[], bool]) -> str:
        """Let the model write until it is done, the deadline has passed, or it is stopped.

        Returns:
            why it was ended early; empty where it was not.
        """
        self._thread.start()
        try:
            while not self._done.wait(_LOOK_S):
                if stopped():
                    return "the writing was stopped"
                if self._now_ns() > self._limits.deadline_ns:
                    return LATE
            return LATE if self._late else ""
        finally:
            self._cancelled.set()

    def ends_within(self, patience_s: float, stopped: Callable[[], bool]) -> bool:
        """Whether the model lets the thread go in time; does not wait on when it is stopped."""
        until_s = time.monotonic() + patience_s
        while self._thread.is_alive() and time.monotonic() < until_s and not stopped():
            self._thread.join(_LOOK_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._lease() as model:
                if not isinstance(model, GenerationModel):
                    raise BackendError("the model does not generate text")
                self._write_candidates(model)
        except EdgeMmError as error:
            self.error = f"the model cannot be used: {one_line(str(error))}"
        except Exception as error:  # whatever a foreign model raises, the summary comes
            self.error = f"the model failed: {type(error).__name__}: {one_line(str(error))}"
        finally:
            self._done.set()

    def _write_candidates(self, model: GenerationModel) -> None:
        brief = self._limits.brief
        prompt, grammar = prompt_of(self._table, brief=brief), grammar_of(self._table, brief=brief)
        longest_ns = 0
        for seed in range(self._limits.candidates):
            begun_ns = self._now_ns()
            if self._cancelled.is_set() or begun_ns + longest_ns > self._limits.deadline_ns:
                return
            text = self._generate(model, prompt, grammar, seed)
            if text is None:
                return
            longest_ns = max(longest_ns, self._now_ns() - begun_ns)
            self._judge(text)

    def _generate(self, model: GenerationModel, prompt: Any, grammar: str, seed: int) -> str | None:
        """One candidate; None where it was cancelled."""
        pieces: list[str] = []
        chars = 0
        answer: Any = model.generate(
            prompt,
            max_tokens=self._limits.max_tokens,
            temperature=_TEMPERATURE if seed else 0.0,
            seed=seed,
            grammar=grammar,
            keep_prompt=True,
        )
        self.tried += 1
        with closing(answer):
            for piece in answer:
                if self._cancelled.is_set():
                    return None
                if self._now_ns() > self._limits.deadline_ns:
                    self._late = True
                    return None
                if piece:
                    pieces.append(piece)
                    chars += len(piece)
                if len(pieces) > self._limits.max_tokens or chars > _MAX_CHARS:
                    self._reject(f"it did not end within {self._limits.max_tokens} tokens")
                    return ""
        return "".join(pieces)

    def _judge(self, text: str) -> None:
        verdict = verify(text, self._table)
        text = " ".join(part for part in (verdict.text, self._left_out(verdict.told)) if part)
        faults = verdict.faults or self._faults_of(text)
        if faults:
            more = f" and {len(faults) - _FAULTS_TOLD} more" if faults[_FAULTS_TOLD:] else ""
            self._reject(f"{'; '.join(faults[:_FAULTS_TOLD])}{more}")
            return
        begins = {" ".join(part.split()[:1]) for part in verdict.text.split(". ")}
        draft = Draft(text, len(verdict.told), len(begins))
        if self.best is None or draft.rank > self.best.rank:
            self.best = draft

    def _left_out(self, told: Sequence[str]) -> str:
        """How many events are in no fact, or in one that is not told."""
        untold = sum(fact.count for fact in self._table.facts if fact.fact_id not in told)
        return more_events(self._table.left_out + untold)

    def _reject(self, why: str) -> None:
        self.rejected = (*self.rejected, why)
