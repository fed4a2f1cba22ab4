"""How fast a model writes of generated logs, beside the bare engine, and how fast it stops."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from edge_mm_ros.bench.bare_engines import BareLlama
from edge_mm_ros.bench.language_logs import EventLog, event_log
from edge_mm_ros.bench.material import WRITER
from edge_mm_ros.pipelines.summarization import EventRecord, EventWindow, SummaryWriter, Times
from edge_mm_ros.pipelines.summarization.fact_table import fact_table
from edge_mm_ros.pipelines.summarization.grammar import grammar_of
from edge_mm_ros.pipelines.summarization.prompting import prompt_of
from edge_mm_ros.runtime import ModelHost

MAX_TOKENS = 768
_PATIENCE_S = 30.0
_ENDLESS = 99
_FREE_TOKENS = 64


@dataclass(frozen=True)
class Timings:
    """What was measured beside the texts.

    Attributes:
        under_grammar: tokens per second of a lease over those of the bare engine, pair by pair,
            both under the grammar of a table.
        freely: the same without a grammar.
        first_ms: time to the first token of a new table.
        summary_s: from a critical event to the template's summary.
        cancelled_s: from a critical event to the end of the generation.
    """

    under_grammar: Sequence[float] = ()
    freely: Sequence[float] = ()
    first_ms: Sequence[float] = ()
    summary_s: Sequence[float] = ()
    cancelled_s: Sequence[float] = ()


def window_of(log: EventLog) -> EventWindow:
    """The log as the summarizer collects it."""
    record = EventRecord(1000)
    for event in log.events:
        record.add_event(event)
    for transcript in log.transcripts:
        record.add_transcript(transcript)
    return record.window(log.begin_ns, log.end_ns)


def cancel_times(
    writer: SummaryWriter,
    host: ModelHost,
    alarms: int,
    wait: Callable[[random.Random], None] = lambda rng: time.sleep(rng.uniform(0.1, 1.5)),
) -> tuple[list[float], list[float]]:
    """Seconds from a critical event to the template's summary, and to the end of the generation.

    Args:
        writer: it writes without haste until a critical event comes in.
        host: lends its model.
        alarms: how often.
        wait: passes the time from the request to the alarm.
    """
    summary_s: list[float] = []
    cancelled_s: list[float] = []
    rng = random.Random(alarms)
    for seed in range(alarms):
        log, alarm = event_log(seed), threading.Event()
        returned: list[float] = []

        def write(log: EventLog = log, alarm: Any = alarm, returned: Any = returned) -> None:
            window, times = window_of(log), Times("relative", log.begin_ns)
            writer.write(window, times, max_tokens=MAX_TOKENS, deadline_s=_PATIENCE_S,
                         candidates=_ENDLESS, stopped=alarm.is_set)  # fmt: skip
            returned.append(time.perf_counter())

        thread = threading.Thread(target=write)
        thread.start()
        wait(rng)
        writing = _is_leased(host)
        alarm.set()
        at_s = time.perf_counter()
        while _is_leased(host):
            time.sleep(0.001)
        free_s = time.perf_counter()
        thread.join()
        if writing:  # some logs are left to the template
            cancelled_s.append(free_s - at_s)
            summary_s.append(max(0.0, returned[0] - at_s))
    return summary_s, cancelled_s


def _is_leased(host: ModelHost) -> bool:
    return any(model.leases for model in host.status())


def speeds(
    host: ModelHost, count: int, cancelled: tuple[Sequence[float], Sequence[float]]
) -> Timings:
    """The speed through a lease beside the bare engine's, and what was measured before."""
    if not count:
        return Timings(summary_s=cancelled[0], cancelled_s=cancelled[1])
    bare = BareLlama()
    grammars, free, first_ms = [], [], []
    for seed in range(count):
        log = event_log(seed)
        table = fact_table(window_of(log), Times("relative", log.begin_ns))
        prompt = prompt_of(table)
        leased, unleased = _in_turn(host, bare, prompt, MAX_TOKENS, grammar_of(table), seed)
        grammars.append(leased[1] / unleased[1])
        first_ms.append(leased[0])
        leased, unleased = _in_turn(host, bare, prompt, _FREE_TOKENS, "", seed)
        free.append(leased[1] / unleased[1])
    return Timings(grammars, free, first_ms, *cancelled)


def _in_turn(
    host: ModelHost, bare: BareLlama, prompt: Any, max_tokens: int, grammar: str, seed: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Milliseconds to the first token and tokens per second: through a lease, and bare."""

    def leased() -> tuple[float, float]:
        with host.lease(WRITER) as model:
            return _timed(
                lambda: model.generate(
                    prompt, max_tokens=max_tokens, grammar=grammar, keep_prompt=True
                )
            )

    def unleased() -> tuple[float, float]:
        return _timed(lambda: bare.under_grammar(prompt, max_tokens, grammar))

    if seed % 2:
        first = leased()
        return first, unleased()
    other = unleased()
    return leased(), other


def _timed(generate: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds to the first token, and tokens per second after it."""
    begun_s = time.perf_counter()
    first_s, count = begun_s, 0
    with closing(generate()) as pieces:
        for piece in pieces:
            if piece:
                count += 1
                if count == 1:
                    first_s = time.perf_counter()
    return (first_s - begun_s) * 1e3, (count - 1) / max(time.perf_counter() - first_s, 1e-9)
