"""What a lease costs over the bare engine: the same input, the same settings, in turn."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.bench.bare_engines import (
    BareLlama,
    ComputingTimes,
    WindowedWhisper,
    detector_session,
)
from edge_mm_ros.bench.in_turn import Comparison, compare
from edge_mm_ros.bench.material import (
    CHAT,
    DETECTOR,
    LANGUAGE,
    TRANSCRIBER,
    WRITER,
    first_tensor,
    speech,
)
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime import ModelHost

MAX_OVERHEAD_PERCENT = 3.0
MAX_DETECTION_OVERHEAD_MS = 0.3
DETECTIONS = 300
TRANSCRIPTIONS = 30
GENERATIONS = 40
SPEECH_SAMPLES = 5 * 16_000
TOKENS = 12


@dataclass(frozen=True)
class Around:
    """What of each detection was not the engine's computing, pair by pair, in milliseconds."""

    leased_ms: tuple[float, ...]
    bare_ms: tuple[float, ...]

    @property
    def overhead_ms(self) -> float:
        """Median of the differences within the pairs."""
        return float(np.median(np.subtract(self.leased_ms, self.bare_ms)))


def run(
    detections: int = DETECTIONS,
    transcriptions: int = TRANSCRIPTIONS,
    generations: int = GENERATIONS,
) -> BenchResult:
    """Measure.

    Args:
        detections: pairs of a leased and a bare detection.
        transcriptions: pairs of transcriptions of five seconds of the sample's speech.
        generations: pairs of answers of 12 tokens.

    Raises:
        EdgeMmError: lease and engine do not give the same answer.
    """
    # A lower scheduling priority is no cost of the lease, and with it whatever else runs on the
    # machine would slow one side alone.
    settings = RuntimeParams(priorities=False)
    host = ModelHost(ModelRepository(), BackendRegistry.from_entry_points(), settings)
    try:
        around, detection = _detections(host, detections)
        compared = {
            "detection": detection,
            "transcription": _transcriptions(host, transcriptions),
            "generation": _generations(host, generations),
        }
    finally:
        host.close()
    return result(around, compared)


def result(around: Around, compared: dict[str, Comparison]) -> BenchResult:
    """Measures and bars.

    Args:
        around: of the detections, what is not the engine's computing.
        compared: leased and bare calls by task.
    """
    measures = [
        Measure.of("detection, leased: around the computing", "ms", around.leased_ms),
        Measure.of("detection, bare engine: around the computing", "ms", around.bare_ms),
    ]
    bars = [
        Bar.at_most(
            "detection: lease over bare engine around the computing, median of the pairs",
            around.overhead_ms,
            "ms",
            MAX_DETECTION_OVERHEAD_MS,
        )
    ]
    for task, comparison in compared.items():
        measures += [
            Measure.of(f"{task}, leased", "ms", comparison.ours_ms),
            Measure.of(f"{task}, bare engine", "ms", comparison.bare_ms),
            Measure.of(
                f"{task}: time of the processor over bare engine",
                "%",
                [comparison.cpu_overhead_percent],
            ),
        ]
        bars.append(
            Bar.at_most(
                f"{task}: lease over bare engine, median of the pairs",
                comparison.overhead_percent,
                "%",
                MAX_OVERHEAD_PERCENT,
            )
        )
    return BenchResult("backend", tuple(measures), tuple(bars))


def _detections(host: ModelHost, pairs: int) -> tuple[Around, Comparison]:
    """Detections in turn, and what each side does around the engine's computing.

    Two calls of the engine differ by more than what a lease costs. Its tenths of a millisecond are
    therefore measured within each call: the whole, less the computing by the engine's own profile.
    """
    times = ComputingTimes()
    with tempfile.TemporaryDirectory() as folder:
        with times.watching(Path(folder)):
            session = detector_session()
            host.preload(DETECTOR)
        feeds = {session.get_inputs()[0].name: first_tensor()}

        def bare() -> list[NDArray[np.float32]]:
            return list(session.run(None, feeds))

        def leased() -> list[NDArray[np.float32]]:
            with host.lease(DETECTOR) as model:
                return list(model.run(feeds).values())

        _refuse_other(DETECTOR, [a.tolist() for a in leased()], [a.tolist() for a in bare()])
        comparison = compare(leased, bare, pairs)
        bare_session, leased_session = times.sessions
        leased_computing_ms = times.of(leased_session)[-pairs:]
        bare_computing_ms = times.of(bare_session)[-pairs:]
    return (
        Around(
            tuple(np.subtract(comparison.ours_ms, leased_computing_ms)),
            tuple(np.subtract(comparison.bare_ms, bare_computing_ms)),
        ),
        comparison,
    )


def _transcriptions(host: ModelHost, pairs: int) -> Comparison:
    samples, engine = speech()[:SPEECH_SAMPLES], WindowedWhisper()

    def leased() -> str:
        with host.lease(TRANSCRIBER) as model:
            found = model.transcribe(samples, LANGUAGE).segments
        return " ".join(segment.text for segment in found)

    def bare() -> str:
        return engine(samples)

    _refuse_other(TRANSCRIBER, leased(), bare())
    return compare(leased, bare, pairs)


def _generations(host: ModelHost, pairs: int) -> Comparison:
    engine = BareLlama()

    def leased() -> str:
        with (
            host.lease(WRITER) as model,
            closing(model.generate(CHAT, max_tokens=TOKENS, temperature=0.0, seed=0)) as pieces,
        ):
            return "".join(pieces)

    def bare() -> str:
        return engine(TOKENS)

    _refuse_other(WRITER, leased(), bare())
    return compare(leased, bare, pairs)


def _refuse_other(model: str, ours: object, bare: object) -> None:
    """Two that do not do the same cannot be compared."""
    if ours != bare:
        raise EdgeMmError(
            f"benchmark: model '{model}' gives another answer through the lease ({ours!r:.200}) "
            f"than through its bare engine ({bare!r:.200})"
        )
