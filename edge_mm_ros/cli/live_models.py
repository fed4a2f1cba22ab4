"""The models of a running system, as its nodes tell of them on ``/diagnostics``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_mm_ros.cli.live_status import printable
from edge_mm_ros.datatypes import Health, HealthLevel

if TYPE_CHECKING:
    from edge_mm_ros.ros.bystander import Bystander
    from edge_mm_ros.ros.diagnostics import NodeHealth

FIRST_WAIT_S = 6.0
DISCOVERY_S = 1.2
SILENT_S = 3.0
FORGOTTEN_S = 30.0
_MODEL = "model "
_EVERY_SECOND = "state"


@dataclass(frozen=True)
class ModelLine:
    """One model of one node.

    Attributes:
        node: full name of the node.
        model: the model's name.
        level: how it is.
        message: one sentence on that.
        state: ``loaded``, ``fallback``, ``not loaded`` or ``failed``.
        device: ``backend:device`` in use; empty where it is not loaded.
        version: of the model.
        memory_bytes: on the host.
        device_memory_bytes: on accelerators.
        rate_hz: calls per second.
        p50_ms, p99_ms: durations of its calls; NaN without calls.
        requests, requests_lost, failures, fallbacks, hung_calls: counts since the process began.
        dropped: messages that its node has dropped since it was activated.
        last_change: the last change, as text.
        silent_s: how long ago the node told of it.
    """

    node: str
    model: str
    level: HealthLevel
    message: str
    state: str
    device: str
    version: str
    memory_bytes: int
    device_memory_bytes: int
    rate_hz: float
    p50_ms: float
    p99_ms: float
    requests: int
    requests_lost: int
    failures: int
    fallbacks: int
    hung_calls: int
    dropped: int
    last_change: str
    silent_s: float

    @property
    def is_silent(self) -> bool:
        """Whether its node, which should tell every second, does not."""
        return self.silent_s > SILENT_S


@dataclass
class _Node:
    heard_s: float
    models: dict[str, Health] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


class LiveModels:
    """Takes entries of ``/diagnostics``, and gives the newest of every model.

    Args:
        clock: monotonic. [s]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._nodes: dict[str, _Node] = {}

    def take(self, entries: Iterable[NodeHealth]) -> None:
        """Take the entries of one message."""
        by_node: dict[str, list[Health]] = {}
        for entry in entries:
            by_node.setdefault(entry.node, []).append(entry.health)
        for name, healths in by_node.items():
            if any(health.name == _EVERY_SECOND for health in healths):
                self._nodes[name] = _Node(self._clock())  # all that there is now
            node = self._nodes.setdefault(name, _Node(self._clock()))
            for health in healths:
                if health.name.startswith(_MODEL):
                    node.models[health.name.removeprefix(_MODEL)] = health
                if "dropped" in health.values:
                    node.dropped[health.name] = _count(health.values, "dropped")

    @property
    def nodes(self) -> frozenset[str]:
        """Full names of all nodes that were heard, with models or without."""
        return frozenset(self._nodes)

    def lines(self) -> list[ModelLine]:
        """All models, by node and name; those of nodes long silent are left out."""
        now_s = self._clock()
        return [
            _line(name, model, health, sum(node.dropped.values()), now_s - node.heard_s)
            for name, node in sorted(self._nodes.items())
            if now_s - node.heard_s < FORGOTTEN_S
            for model, health in sorted(node.models.items())
        ]


def hear_all(bystander: Bystander, models: LiveModels, wait_s: float) -> None:
    """Listen until every node that is there has told once, or the time is over.

    Nodes are discovered one by one: all are there once none was added for a while.
    """
    deadline_s = time.monotonic() + wait_s
    known: set[str] = set()
    while (left_s := deadline_s - time.monotonic()) > 0:
        bystander.spin(min(DISCOVERY_S, left_s))
        before, known = known, bystander.diagnosed_nodes()
        if known and known == before and known <= models.nodes:
            return


def _line(node: str, model: str, health: Health, dropped: int, silent_s: float) -> ModelLine:
    values = health.values
    return ModelLine(
        printable(node),
        printable(model),
        health.level,
        printable(health.message),
        printable(values.get("state", "")),
        printable(values.get("device", "")),
        printable(values.get("version", "")),
        _count(values, "memory_bytes"),
        _count(values, "device_memory_bytes"),
        _number(values, "rate_hz"),
        _number(values, "p50_ms"),
        _number(values, "p99_ms"),
        _count(values, "requests"),
        _count(values, "requests_lost"),
        _count(values, "failures"),
        _count(values, "fallbacks"),
        _count(values, "hung_calls"),
        dropped,
        printable(values.get("last_change", "")),
        silent_s,
    )


def _number(values: Mapping[str, str], key: str) -> float:
    """NaN where a node of another version does not tell it, or tells no number."""
    try:
        return float(values.get(key, "nan"))
    except ValueError:
        return float("nan")


def _count(values: Mapping[str, str], key: str) -> int:
    number = _number(values, key)
    return int(number) if math.isfinite(number) else 0
