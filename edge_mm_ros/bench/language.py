"""Summaries of generated logs: are they true, who writes them, how long do they take."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.bench.language_checker import faults_of, missing_dangers
from edge_mm_ros.bench.language_logs import EventLog, event_log
from edge_mm_ros.bench.language_speed import (
    MAX_TOKENS,
    Timings,
    cancel_times,
    speeds,
    window_of,
)
from edge_mm_ros.bench.material import WRITER
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.datatypes import Summary
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.pipelines.summarization import (
    SummaryWriter,
    Times,
    ungrounded,
    write_template,
)
from edge_mm_ros.runtime import ModelHost

LOGS = 300
SAMPLE = 50
PLAIN_LOGS = 100
SPEED_LOGS = 20
ALARMS = 40
DEADLINE_S = 3.0
MIN_MODEL_SHARE = 0.5
MIN_SPEED_RATIO = 0.95
MAX_CANCEL_S = 0.2
_PLAIN_PROMPT = "Write a short summary of these safety events for the operator:"
_TOLD_REASONS = 3


@dataclass(frozen=True)
class Written:
    """One summary of a log.

    Attributes:
        log: what it tells of.
        summary: what was written.
        took_s: how long it took.
        ungrounded: what the summarizer's own check finds in it.
    """

    log: EventLog
    summary: Summary
    took_s: float
    ungrounded: tuple[str, ...]

    @property
    def by_model(self) -> bool:
        """Whether the model's text was taken."""
        return not self.summary.reason


@dataclass(frozen=True)
class PlainText:
    """What the model writes about a log without facts, grammar and check.

    Attributes:
        log: what it tells of.
        text: what it wrote.
        ungrounded: what the summarizer's own check finds in it.
    """

    log: EventLog
    text: str
    ungrounded: tuple[str, ...]


def run(
    logs: int = LOGS,
    sample: int = SAMPLE,
    plain_logs: int = PLAIN_LOGS,
    speed_logs: int = SPEED_LOGS,
    alarms: int = ALARMS,
    deadline_s: float = DEADLINE_S,
    first_seed: int = 0,
) -> BenchResult:
    """Measure.

    Args:
        logs: generated logs, of which summaries are written.
        sample: how many of the summaries the second checker reads.
        plain_logs: how many of these logs the model also tells of with a plain prompt.
        speed_logs: how many texts are written both through a lease and by the bare engine.
        alarms: how many times a critical event comes in while the model writes.
        deadline_s: for each summary.
        first_seed: of the logs.
    """
    seeds = range(first_seed, first_seed + logs)
    # A lower scheduling priority would let whatever else runs on the machine slow one side alone.
    settings = RuntimeParams(priorities=False)
    host = ModelHost(ModelRepository(), BackendRegistry.from_entry_points(), settings)
    try:
        writer = SummaryWriter(host, WRITER, time.monotonic_ns)
        writer.warm_up().join()
        written = [_write(writer, event_log(seed), deadline_s) for seed in seeds]
        cancelled = cancel_times(writer, host, alarms)
        plain = [_write_plainly(host, event_log(seed)) for seed in seeds[:plain_logs]]
        timings = speeds(host, speed_logs, cancelled)
    finally:
        host.close()
    return result(written, plain, timings, sample, deadline_s)


def result(
    written: Sequence[Written],
    plain: Sequence[PlainText],
    timings: Timings,
    sample: int,
    deadline_s: float,
) -> BenchResult:
    """Measures and bars.

    Args:
        written: the summaries.
        plain: the same model with a plain prompt.
        timings: what was measured beside them.
        sample: how many summaries the second checker reads.
        deadline_s: of each summary.
    """
    read = random.Random(sample).sample(list(written), min(sample, len(written)))
    second = {id(each): faults_of(each.summary.text, each.log) for each in read}
    missing = [missing_dangers(each.summary.text, each.log) for each in written]
    took = [each.took_s for each in written]
    bars = [
        Bar.at_most("ungrounded or contradicted, by the verifier",
                    sum(bool(each.ungrounded) for each in written), "texts", 0),
        Bar.at_most(f"ungrounded or contradicted, by the second checker, of {len(read)}",
                    sum(bool(faults) for faults in second.values()), "texts", 0),
        Bar.at_most("critical facts missing", sum(map(len, missing)), "rules", 0),
        Bar.at_least("written by the model", _share([each.by_model for each in written]), "",
                     MIN_MODEL_SHARE),
        Bar.at_most("time to a summary, 95th percentile", _percentile(took, 95), "s", deadline_s),
        Bar.at_most("from a critical event to the end of the generation, 95th percentile",
                    _percentile(timings.cancelled_s, 95), "s", MAX_CANCEL_S),
        Bar.at_least("tokens per second over the bare engine's, under the grammar, median of pairs",
                     _percentile(timings.under_grammar, 50), "", MIN_SPEED_RATIO),
        Bar.at_least("tokens per second over the bare engine's, written freely, median of pairs",
                     _percentile(timings.freely, 50), "", MIN_SPEED_RATIO),
    ]  # fmt: skip
    measures = (
        Measure.of("time to a summary", "s", took),
        Measure.of("candidates tried", "", [each.summary.tried for each in written]),
        Measure.of("length of a summary", "characters", [len(w.summary.text) for w in written]),
        Measure.of("first token of a new table", "ms", timings.first_ms),
        Measure.of("tokens per second, lease over bare, under the grammar", "",
                   timings.under_grammar),
        Measure.of("tokens per second, lease over bare, written freely", "", timings.freely),
        Measure.of("from a critical event to the template's summary", "s", timings.summary_s),
        Measure.of("from a critical event to the end of the generation", "s", timings.cancelled_s),
    )  # fmt: skip
    notes = _notes(written, plain, second, deadline_s)
    return BenchResult("language", measures, tuple(bars), notes)


def _notes(
    written: Sequence[Written],
    plain: Sequence[PlainText],
    second: Mapping[int, tuple[str, ...]],
    deadline_s: float,
) -> tuple[str, ...]:
    took = [each.took_s for each in written]
    late = sum(each > deadline_s for each in took)
    notes = [
        f"later than the deadline: {late} of {len(took)}; the latest {max(took, default=0):.3f} s"
    ]
    if plain:
        by_verifier = _share([bool(each.ungrounded) for each in plain])
        by_second = _share([bool(faults_of(each.text, each.log)) for each in plain])
        lost = _share([bool(missing_dangers(each.text, each.log)) for each in plain])
        notes.append(
            f"the same model with a plain prompt, {len(plain)} logs: ungrounded "
            f"{by_verifier:.0%} by the verifier, {by_second:.0%} by the second checker; "
            f"a danger missing in {lost:.0%}"
        )
    reasons = Counter(
        each.summary.reason.partition(":")[0] for each in written if each.summary.reason
    )
    notes += [f"by the template, {n} times: {why}" for why, n in reasons.most_common(_TOLD_REASONS)]
    faults = [fault for each in second.values() for fault in each]
    faults += [fault for each in written for fault in each.ungrounded]
    return (*notes, *faults[:_TOLD_REASONS])


def _write(writer: SummaryWriter, log: EventLog, deadline_s: float) -> Written:
    window, times = window_of(log), Times("relative", log.begin_ns)
    begun_s = time.perf_counter()
    summary = writer.write(window, times, max_tokens=MAX_TOKENS, deadline_s=deadline_s)
    took_s = time.perf_counter() - begun_s
    return Written(log, summary, took_s, ungrounded(summary.text, window, times))


def _write_plainly(host: ModelHost, log: EventLog) -> PlainText:
    window, times = window_of(log), Times("relative", log.begin_ns)
    content = f"{_PLAIN_PROMPT} {write_template(window, times)}"
    with (
        host.lease(WRITER) as model,
        closing(model.generate([{"role": "user", "content": content}], max_tokens=160)) as pieces,
    ):
        text = " ".join("".join(pieces).split())
    return PlainText(log, text, ungrounded(text, window, times))


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("nan")


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else float("nan")
