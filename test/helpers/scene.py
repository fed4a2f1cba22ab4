"""A model host over scripted engines, and waiting for what its threads do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fakes.fake_clock import FakeClock
from fakes.scripted_backend import ScriptedBackend

from edge_mm_ros.runtime import ModelChange, ModelHost


@dataclass
class Scene:
    """A host and what is around it."""

    host: ModelHost
    engine: ScriptedBackend
    clock: FakeClock
    told: list[ModelChange]
    folder: Path

    def ask(self, name: str = "detector") -> float:
        """One request; gives the answer."""
        with self.host.lease(name) as model:
            return float(model.run({"x": np.zeros(1, np.float32)})["y"][0])

    def kinds(self) -> list[str]:
        """What was told, in order."""
        return [change.kind for change in self.told]


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for what another thread does."""
    tick = threading.Event()
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        tick.wait(0.005)
    raise AssertionError("did not happen in time")
