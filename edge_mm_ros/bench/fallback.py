"""An engine that fails or hangs at request 100 of 300: answers, diagnosis, return.

The model is the shipped detector, on two real sessions of ONNX Runtime; the first one fails when
it is told to. Four incidents: it raises, and it hangs; each with the next candidate not loaded,
and with the next candidate kept warm. A detector node shares the host, and the diagnosis counts
when it has arrived on ``/diagnostics``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from edge_mm_ros.backends import BackendError, BackendRegistry
from edge_mm_ros.bench.diagnostics import Told, listening_to_models
from edge_mm_ros.bench.failing_backend import Deed, FailingBackend, Orders, Trouble
from edge_mm_ros.bench.material import DETECTOR, first_tensor
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime import ModelHost

REQUESTS = 300
FAILS_AT = 100
MENDED_AT = 150
DEADLINE_S = 3.0
MAX_TAKEOVER_MS = 50.0
MAX_DIAGNOSIS_S = 1.0
MAX_RETURN_S = 60.0
REQUESTS_AFTER_RETURN = 30
SETTINGS = RuntimeParams(backoff_s=0.5, probation_s=2.0)


@dataclass
class Incident:
    """What happened when an engine failed.

    Attributes:
        trouble: how it failed.
        warm: whether the next candidate was in memory.
        requests: how many were made.
        unanswered: those that got no answer, with the reason.
        known_s: when the failure could be known: it raised, or its deadline had passed.
        answered_s: when the request that met the failure was answered.
        changes: what the node told on ``/diagnostics``, with the moment of arrival.
        own_s: what the next candidate's engine took for that answer.
        load_s: what it took for load and first run before; 0 where it was warm.
    """

    trouble: Trouble
    warm: bool
    requests: int = 0
    unanswered: list[str] = field(default_factory=list)
    known_s: float = float("nan")
    answered_s: float = float("nan")
    changes: list[Told] = field(default_factory=list)
    own_s: float = float("nan")
    load_s: float = 0.0

    @property
    def name(self) -> str:
        """For the report."""
        return f"{self.trouble}, next one {'warm' if self.warm else 'not loaded'}"

    @property
    def takeover_ms(self) -> float:
        """From the known failure to the next one's answer, less the inference itself."""
        return (self.answered_s - self.known_s - self.own_s) * 1e3

    @property
    def diagnosis_s(self) -> float:
        """From the known failure to the news of the fallback; infinite where none came."""
        told = (at_s for at_s, kind in tuple(self.changes) if kind in ("late", "fallback"))
        return next(told, float("inf")) - self.known_s

    def count(self, kind: str) -> int:
        """How often a kind of change was told."""
        return sum(told == kind for _, told in tuple(self.changes))


def run(
    requests: int = REQUESTS, fails_at: int = FAILS_AT, mended_at: int = MENDED_AT
) -> BenchResult:
    """Let the engine fail in each way.

    Args:
        requests: in each incident; more follow until the first candidate is back.
        fails_at: the request that meets the failure.
        mended_at: the request before which it is mended.
    """
    incidents: list[Incident] = []
    for warm in (False, True):
        for trouble in ("raises", "hangs"):
            incident = Incident(trouble, warm)
            let_it_fail(incident, requests, fails_at, mended_at)
            incidents.append(incident)
    return result(incidents, requests)


def result(incidents: Sequence[Incident], requests: int) -> BenchResult:
    """Measures and bars of what happened."""
    measures, bars, notes = [], [], []
    for incident in incidents:
        name = incident.name
        load_ms = incident.load_s * 1e3
        if not incident.warm:
            measures.append(Measure.of(f"{name}: load of the next one", "ms", [load_ms]))
        measures.append(
            Measure.of(f"{name}: inference of the first answer", "ms", [incident.own_s * 1e3])
        )
        answered = incident.requests - len(incident.unanswered)
        bars += [
            Bar.at_least(f"{name}: requests", incident.requests, "", requests),
            Bar.at_least(f"{name}: requests answered", answered, "", incident.requests),
            Bar.at_most(
                f"{name}: takeover, without the inference",
                incident.takeover_ms,
                "ms",
                MAX_TAKEOVER_MS + load_ms,
            ),
            Bar.at_most(f"{name}: diagnosis", incident.diagnosis_s, "s", MAX_DIAGNOSIS_S),
        ]
        for kind in ("fallback", "recovered"):
            told = incident.count(kind)
            bars.append(Bar.at_least(f"{name}: {kind}", told, "", 1))
            bars.append(Bar.at_most(f"{name}: {kind}, not more than once", told, "", 1))
        notes += incident.unanswered[:3]
    return BenchResult("fallback", tuple(measures), tuple(bars), tuple(notes))


def let_it_fail(incident: Incident, requests: int, fails_at: int, mended_at: int) -> None:
    """Make requests through an incident, and note in it what happens."""
    first, second = Orders(), Orders()
    with tempfile.TemporaryDirectory() as folder:
        _write_manifest(Path(folder), incident.warm)
        host = _host(Path(folder), first, second)
        try:
            with listening_to_models(host, DETECTOR, incident.changes):
                _request(host, incident, requests, fails_at, mended_at, first, second)
        finally:
            first.mend()
            host.close()


def _request(
    host: ModelHost,
    incident: Incident,
    requests: int,
    fails_at: int,
    mended_at: int,
    first: Orders,
    second: Orders,
) -> None:
    picture = first_tensor()
    with host.lease(DETECTOR) as model:
        feeds = {model.inputs[0].name: picture}
    if incident.warm:
        _wait_for_standby(second)
    mended_s = float("inf")
    back_at = None
    while incident.requests < requests or not _is_over(incident, back_at, mended_s):
        index = incident.requests
        if index == fails_at:
            before = len(second.deeds)
            first.fail(incident.trouble)
        if index == mended_at:
            first.mend()
            mended_s = time.monotonic()
        incident.requests += 1
        try:
            with host.lease(DETECTOR) as model:
                model.run(feeds)
        except EdgeMmError as error:
            incident.unanswered.append(f"{incident.name}, request {index}: {error}")
        if index == fails_at:
            incident.answered_s = time.monotonic()
            _note_failure(incident, first, second.deeds[before:])
        if back_at is None and incident.count("recovered"):
            back_at = incident.requests


def _is_over(incident: Incident, back_at: int | None, mended_s: float) -> bool:
    """A while after the return, in which it would flap, or when it has not come for too long."""
    if back_at is not None:
        return incident.requests >= back_at + REQUESTS_AFTER_RETURN
    return time.monotonic() > mended_s + MAX_RETURN_S


def _note_failure(incident: Incident, first: Orders, deeds: Sequence[Deed]) -> None:
    if first.failed_s is None:
        raise EdgeMmError("benchmark: the first candidate was not asked when it should have failed")
    deadline_s = DEADLINE_S if incident.trouble == "hangs" else 0.0
    incident.known_s = first.failed_s + deadline_s
    incident.own_s = sum(deed.duration_s for deed in deeds if deed.what == "run")
    incident.load_s = sum(deed.duration_s for deed in deeds if deed.what != "run")


def _wait_for_standby(second: Orders) -> None:
    until_s = time.monotonic() + MAX_RETURN_S
    while not any(deed.what == "warm_up" for deed in second.deeds):
        if time.monotonic() > until_s:
            raise BackendError("benchmark: the next candidate was not loaded as a warm standby")
        time.sleep(0.05)


def _host(folder: Path, first: Orders, second: Orders) -> ModelHost:
    engine = BackendRegistry.from_entry_points().get("onnxruntime")
    backends = (FailingBackend("first", engine, first), FailingBackend("second", engine, second))
    return ModelHost(ModelRepository([folder]), BackendRegistry(backends), SETTINGS)


def _write_manifest(folder: Path, warm: bool) -> None:
    """The shipped detector with a chain of its own."""
    shipped = ModelRepository().manifest_path(DETECTOR)
    manifest = yaml.safe_load(shipped.read_text(encoding="utf-8")) | {
        "chain": ["first:cpu", "second:cpu"],
        "warm_standby": warm,
        "deadline_s": DEADLINE_S,
    }
    manifest.pop("options", None)
    (folder / shipped.name).write_text(yaml.safe_dump(manifest), encoding="utf-8")
