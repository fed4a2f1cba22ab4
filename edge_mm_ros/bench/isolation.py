"""The detector's latency while a summary and a transcription run on the same cores.

Both sides, and the detector alone, in turn in one run: with the runtime's measures (scheduling
priorities, pauses between tokens, one thread for the language model), and without any.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.bench.material import DETECTOR, TRANSCRIBER, WRITER
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.bench.usage import Use, uses
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime import ModelHost

ROUNDS = 3
DETECTIONS = 60
PERIOD_S = 0.2
SUMMARY_TOKENS = 16
MAX_RATIO = 1.6
COMPANY = (TRANSCRIBER, WRITER)


@dataclass
class Run:
    """One stretch of detections.

    Attributes:
        detections_ms: from the request to its answer.
        company_s: durations of what else ran, by model; the one that was cut off at the end does
            not count.
        duration_s: of the stretch.
    """

    detections_ms: list[float] = field(default_factory=list)
    company_s: dict[str, list[float]] = field(default_factory=dict)
    duration_s: float = 0.0

    @property
    def p99_ms(self) -> float:
        """99th percentile of the detections."""
        return float(np.percentile(self.detections_ms, 99))

    def per_second(self, model: str) -> float:
        """How often a model of the company finished per second."""
        return len(self.company_s[model]) / self.duration_s


@dataclass
class Round:
    """One of each kind."""

    alone: Run
    company_alone: Run
    measures: Run
    no_measures: Run


def run(
    rounds: int = ROUNDS, detections: int = DETECTIONS, period_s: float = PERIOD_S
) -> BenchResult:
    """Measure.

    Args:
        rounds: of the detector alone, with company, and with company but without measures.
        detections: in each of them.
        period_s: of the pictures; one that comes late does not shift the next.
    """
    use = uses(SUMMARY_TOKENS)
    done: list[Round] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        _write_without_options(Path(folder))
        careful = stack.enter_context(_host(ModelRepository(), RuntimeParams()))
        careless = stack.enter_context(
            _host(ModelRepository([Path(folder)]), RuntimeParams(priorities=False, pause_s=0.0))
        )
        for _ in range(rounds):
            done.append(
                Round(
                    alone=_detect(careful, use, detections, period_s),
                    company_alone=_company_alone(careful, use, detections * period_s / 2),
                    measures=_detect(careful, use, detections, period_s, COMPANY),
                    no_measures=_detect(careless, use, detections, period_s, COMPANY),
                )
            )
    return result(done)


def result(rounds: Sequence[Round]) -> BenchResult:
    """Measures and bars."""
    kinds: Mapping[str, list[Run]] = {
        "alone": [each.alone for each in rounds],
        "in company": [each.measures for each in rounds],
        "in company, without measures": [each.no_measures for each in rounds],
    }
    measures = []
    for kind, runs in kinds.items():
        all_ms = [ms for each in runs for ms in each.detections_ms]
        measures.append(Measure.of(f"detection {kind}", "ms", all_ms))
        measures.append(Measure.of(f"p99 {kind}", "ms", [each.p99_ms for each in runs]))
    ratios = [each.measures.p99_ms / each.alone.p99_ms for each in rounds]
    careless = [each.no_measures.p99_ms / each.alone.p99_ms for each in rounds]
    measures.append(Measure.of("p99 in company over alone", "ratio", ratios))
    measures.append(Measure.of("the same without measures", "ratio", careless))
    bars = [Bar.at_most("p99 in company over alone", _median(ratios), "ratio", MAX_RATIO)]
    for model in COMPANY:
        for kind, runs in (
            ("alone", [each.company_alone for each in rounds]),
            ("beside the detector", kinds["in company"]),
            ("beside the detector, without measures", kinds["in company, without measures"]),
        ):
            rates = [each.per_second(model) for each in runs]
            measures.append(Measure.of(f"{model} {kind}", "1/s", rates))
        finished = sum(len(each.measures.company_s[model]) for each in rounds)
        # A detector that is never disturbed because nothing else runs proves nothing.
        bars.append(Bar.at_least(f"{model}: finished beside the detector", finished, "", 1))
    return BenchResult("isolation", tuple(measures), tuple(bars))


def _detect(
    host: ModelHost,
    use: Mapping[str, Use],
    detections: int,
    period_s: float,
    company: Sequence[str] = (),
) -> Run:
    done = Run()
    with _running(host, use, company, done):
        begun_s = time.perf_counter()
        for index in range(-3, detections):  # the first ones meet cold caches
            due_s = begun_s + (index + 3) * period_s
            time.sleep(max(0.0, due_s - time.perf_counter()))
            asked_s = time.perf_counter()
            with host.lease(DETECTOR) as model:
                use[DETECTOR](model)
            if index >= 0:
                done.detections_ms.append((time.perf_counter() - asked_s) * 1e3)
        done.duration_s = time.perf_counter() - begun_s
    return done


def _company_alone(host: ModelHost, use: Mapping[str, Use], duration_s: float) -> Run:
    """How fast the others are without the detector, together as always."""
    done = Run()
    with _running(host, use, COMPANY, done):
        time.sleep(duration_s)
        done.duration_s = duration_s
    return done


@contextmanager
def _running(
    host: ModelHost, use: Mapping[str, Use], models: Sequence[str], done: Run
) -> Iterator[None]:
    """Let models run without a pause, each on a thread of its own."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            while not stop.is_set():
                begun_s = time.perf_counter()
                with host.lease(name) as model:
                    use[name](model)
                if not stop.is_set():
                    done.company_s[name].append(time.perf_counter() - begun_s)
        except EdgeMmError as error:
            errors.append(error)

    done.company_s = {name: [] for name in models}
    threads = [threading.Thread(target=work, args=(name,)) for name in models]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


@contextmanager
def _host(repository: ModelRepository, settings: RuntimeParams) -> Iterator[ModelHost]:
    host = ModelHost(repository, BackendRegistry.from_entry_points(), settings)
    try:
        for name in (DETECTOR, *COMPANY):
            host.preload(name)
        yield host
    finally:
        host.close()


def _write_without_options(folder: Path) -> None:
    """The shipped manifests without their thread shares: each engine takes all cores."""
    shipped = ModelRepository()
    for name in (DETECTOR, *COMPANY):
        path = shipped.manifest_path(name)
        manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
        manifest.pop("options", None)
        (folder / path.name).write_text(yaml.safe_dump(manifest), encoding="utf-8")


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")
