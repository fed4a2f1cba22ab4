"""Writes summaries with a language model where it can be trusted, else with the template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from edge_mm_ros.backends import BackendError, GenerationModel
from edge_mm_ros.datatypes import EdgeMmError, SafetyLevel, Summary
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.summarization.facts import (
    Group,
    brief_sentence,
    grouped,
    speech_sentence,
    worst,
)
from edge_mm_ros.pipelines.summarization.grounding import ungrounded
from edge_mm_ros.pipelines.summarization.plain_text import one_line
from edge_mm_ros.pipelines.summarization.record import EventWindow, severity
from edge_mm_ros.pipelines.summarization.template import AUTHOR, write_template
from edge_mm_ros.pipelines.summarization.times import Times
from edge_mm_ros.runtime import ModelHost

_MAX_FAULTS_TOLD = 3
_ENOUGH_GROUPS = 3
_INSTRUCTION = "Rewrite as a short report:"


class _NotWritten(EdgeMmError):
    """Why the model wrote nothing that can be used."""


class SummaryWriter:
    """Writes one summary at a time.

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

    def write(
        self,
        window: EventWindow,
        times: Times,
        *,
        max_tokens: int,
        deadline_s: float,
        stopped: Callable[[], bool] = lambda: False,
        withheld: str = "",
    ) -> Summary:
        """The summary of a window.

        Args:
            window: what to tell of.
            times: how to tell times.
            max_tokens: length of the model's text at most.
            deadline_s: time from now, after which the template writes.
            stopped: asked between pieces of text; True leaves the writing to the template.
            withheld: why the model is not to be asked; empty where it may be.
        """
        author, reason = self._model, ""
        try:
            if not self._model:
                raise _NotWritten("no model is chosen")
            if withheld:
                raise _NotWritten(withheld)
            if not _groups_for_model(window):
                raise _NotWritten("there is no event to tell of but spoken words")
            if stopped():  # before the prompt is read, which cannot be interrupted
                raise _NotWritten("the writing was stopped")
            text = self._write_with_model(window, times, max_tokens, deadline_s, stopped)
        except _NotWritten as error:
            author, reason = AUTHOR, str(error)
        except EdgeMmError as error:
            author, reason = AUTHOR, f"the model cannot be used: {one_line(str(error))}"
        except Exception as error:  # whatever a foreign model raises, the summary comes
            author, reason = AUTHOR, f"the model failed: {type(error).__name__}: {error}"
        if reason:
            text = write_template(window, times)
        return Summary(
            text=text,
            start_ns=window.start_ns,
            end_ns=window.end_ns,
            author=author,
            reason=reason,
            event_ids=tuple(incident.event_id for incident in window.incidents),
        )

    def _write_with_model(
        self,
        window: EventWindow,
        times: Times,
        max_tokens: int,
        deadline_s: float,
        stopped: Callable[[], bool],
    ) -> str:
        until_ns = self._now_ns() + round(deadline_s * NS_PER_S)
        pieces: list[str] = []
        with self._host.lease(self._model) as model:
            if not isinstance(model, GenerationModel):
                raise BackendError(f"model '{self._model}' does not generate text")
            answer: Any = model.generate(
                prompt(window, times), max_tokens=max_tokens, temperature=0.0, seed=0
            )
            with closing(answer):
                while True:
                    if stopped():
                        raise _NotWritten("the writing was stopped")
                    if self._now_ns() > until_ns:
                        raise _NotWritten(f"the model exceeded its deadline of {deadline_s:g} s")
                    piece = next(answer, None)
                    if piece is None:
                        break
                    pieces.append(piece)
                    if len(pieces) > max_tokens:
                        raise _NotWritten(f"the model did not end within {max_tokens} tokens")
        prose = one_line("".join(pieces))
        text = " ".join(
            part for part in (prose, speech_sentence(window.transcripts, times)) if part
        )
        if faults := ungrounded(text, window, times):
            told = "; ".join(faults[:_MAX_FAULTS_TOLD])
            more = (
                f" and {len(faults) - _MAX_FAULTS_TOLD} more" if faults[_MAX_FAULTS_TOLD:] else ""
            )
            raise _NotWritten(f"the model's text is not grounded in the events: {told}{more}")
        return text


def prompt(window: EventWindow, times: Times) -> list[Mapping[str, str]]:
    """What the model is asked: the facts of the events, never the words that were spoken."""
    facts = [brief_sentence(group, window.start_ns, times) for group in _groups_for_model(window)]
    return [{"role": "user", "content": f"{_INSTRUCTION} {' '.join(facts)}"}]


def _groups_for_model(window: EventWindow) -> list[Group]:
    """Every danger, and of the lesser events as many as a small model can keep apart.

    A spoken keyword is left to the sentence that quotes all speech, where that has it.
    """
    heard = " ".join(transcript.text for transcript in window.transcripts).casefold()
    groups = [
        group
        for group in grouped(window.incidents)
        if not group[0].word or group[0].word.casefold() not in heard
    ]
    by_weight = sorted(groups, key=lambda group: severity(worst(group)))
    dangers = sum(worst(group) is SafetyLevel.DANGER for group in groups)
    chosen = by_weight[: max(dangers, _ENOUGH_GROUPS)]
    return [group for group in groups if group in chosen]
