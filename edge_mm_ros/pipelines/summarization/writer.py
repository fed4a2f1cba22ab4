"""Writes summaries with a language model where it can be trusted, else with the template."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from edge_mm_ros.datatypes import Summary
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.summarization.drafting import LATE, Drafting, Limits
from edge_mm_ros.pipelines.summarization.fact_table import ENOUGH_FACTS, FactTable, fact_table
from edge_mm_ros.pipelines.summarization.facts import speech_sentence
from edge_mm_ros.pipelines.summarization.grounding import ungrounded
from edge_mm_ros.pipelines.summarization.prompting import PROMPT_HEAD
from edge_mm_ros.pipelines.summarization.record import EventWindow
from edge_mm_ros.pipelines.summarization.template import AUTHOR, write_template
from edge_mm_ros.pipelines.summarization.times import Times
from edge_mm_ros.runtime import ModelHost

logger = logging.getLogger(__name__)

DEFAULT_CANDIDATES = 3
MAX_FACTS = 10
# What is left of a deadline once the model is told to end: a busy machine wakes a thread late.
_RESERVE_S = 0.1
_RESERVE = 0.1
_EASY = 0.3  # with so much of the deadline left, a brief text may be a full one the next time


@dataclass(frozen=True)
class _Attempt:
    """What came of asking the model: a text, or why there is none."""

    text: str = ""
    reason: str = ""
    tried: int = 0
    rejected: tuple[str, ...] = ()


class SummaryWriter:
    """Writes one summary at a time.

    Where the model did not end in time, it writes briefly from then on, until that is easy again.

    The model gets the facts of the events alone. What was said is quoted by the template behind
    its text, so no spoken word can instruct it.

    Args:
        host: lends the model.
        model: its name; empty: the template writes everything.
        now_ns: the clock that the deadline is measured on.
    """

    def __init__(self, host: ModelHost, model: str, now_ns: Callable[[], int]) -> None:
        self._host = host
        self._model = model
        self._now_ns = now_ns
        self._drafting: Drafting | None = None
        self._brief = False

    def warm_up(self, stopped: Callable[[], bool] = lambda: False) -> threading.Thread:
        """Let the model read what all its prompts begin with, on a thread of its own.

        What is wrong with the model is told by the first summary.

        Args:
            stopped: asked between two parts; True ends it.
        """
        thread = threading.Thread(
            target=self._read_head, args=(stopped,), name="reading ahead", daemon=True
        )
        thread.start()
        return thread

    def _read_head(self, stopped: Callable[[], bool]) -> None:
        try:
            with self._host.lease(self._model) as model:
                pieces: Any = model.generate(PROMPT_HEAD, max_tokens=1, keep_prompt=True)
                with closing(pieces):
                    for piece in pieces:
                        if piece or stopped():
                            return
        except Exception as error:
            logger.debug("the prompt could not be read ahead: %s", error)

    def write(
        self,
        window: EventWindow,
        times: Times,
        *,
        max_tokens: int,
        deadline_s: float,
        candidates: int = DEFAULT_CANDIDATES,
        stopped: Callable[[], bool] = lambda: False,
        withheld: str = "",
    ) -> Summary:
        """The summary of a window.

        Args:
            window: what to tell of.
            times: how to tell times.
            max_tokens: length of the model's text at most.
            deadline_s: time from now, within which there is a summary: the best text of the model
                by then, if any passed, else the template's. The model has to end a little before.
            candidates: texts that the model may write; the best that passes is taken.
            stopped: asked all the while; True ends the model's writing at once.
            withheld: why the model is not to be asked; empty where it may be.
        """
        begun_ns = self._now_ns()
        # Written first: at the deadline nothing is left to be done.
        template = write_template(window, times)
        attempt = _Attempt(reason=withheld)
        if not self._model:
            attempt = _Attempt(reason="no model is chosen")
        elif not withheld:
            model_s = deadline_s - min(_RESERVE_S, _RESERVE * deadline_s)
            until_ns = begun_ns + round(model_s * NS_PER_S)
            limits = Limits(candidates, max_tokens, until_ns, self._brief)
            attempt = self._ask_model(window, times, limits, deadline_s, stopped)
        return Summary(
            text=attempt.text or template,
            start_ns=window.start_ns,
            end_ns=window.end_ns,
            author=AUTHOR if attempt.reason else self._model,
            reason=attempt.reason,
            event_ids=tuple(incident.event_id for incident in window.incidents),
            tried=attempt.tried,
            rejected=attempt.rejected,
        )

    def _ask_model(
        self,
        window: EventWindow,
        times: Times,
        limits: Limits,
        deadline_s: float,
        stopped: Callable[[], bool],
    ) -> _Attempt:
        table = fact_table(window, times, 1 if limits.brief else ENOUGH_FACTS)
        left_s = (limits.deadline_ns - self._now_ns()) / NS_PER_S
        if reason := self._why_not(table, left_s, stopped):
            return _Attempt(reason=reason)
        self._drafting = drafting = Drafting(
            lambda: self._host.lease(self._model),
            table,
            limits,
            self._now_ns,
            lambda text: ungrounded(_whole(text, window, times), window, times),
        )
        ended = drafting.write(stopped)
        best, rejected = drafting.best, drafting.rejected
        left_s = (limits.deadline_ns - self._now_ns()) / NS_PER_S
        if best is None and ended == LATE:
            self._brief = True
        elif best is not None and drafting.tried == limits.candidates:
            self._brief = limits.brief and left_s < _EASY * deadline_s
        if best is not None:
            text = _whole(best.text, window, times)
            return _Attempt(text, "", drafting.tried, rejected)
        if ended == LATE:
            reason = f"the model exceeded its deadline of {deadline_s:g} s"
        elif ended:
            reason = ended
        elif drafting.error:
            reason = drafting.error
        else:
            first = rejected[0] if rejected else "it wrote nothing in time"
            reason = f"no text of the model passed: {first}"
        return _Attempt("", reason, drafting.tried, rejected)

    def _why_not(self, table: FactTable, patience_s: float, stopped: Callable[[], bool]) -> str:
        """Why the model is not asked; empty where it is. Waits for the end of its last text."""
        if not table.facts:
            return "there is no event to tell of but spoken words"
        if len(table.facts) > MAX_FACTS:
            return f"{len(table.facts)} facts must be told; the model is trusted with {MAX_FACTS}"
        if stopped():
            return "the writing was stopped"
        if self._drafting is not None and not self._drafting.ends_within(patience_s, stopped):
            return "the model has not answered the last time and still does not"
        return ""


def _whole(text: str, window: EventWindow, times: Times) -> str:
    """The model's text, and what was said."""
    parts = (text, speech_sentence(window.transcripts, times))
    return " ".join(part for part in parts if part)
