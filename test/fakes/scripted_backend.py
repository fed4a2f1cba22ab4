"""An engine that does what a test says: fails, hangs, gives nonsense, takes memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendError, ModelArtifact, Probe, TensorSpec

Feeds = Mapping[str, NDArray[Any]]


class ScriptedModel:
    """From ``x`` float32 (1,) to ``y`` float32 (1,); answers with the number of its device."""

    def __init__(self, backend: ScriptedBackend, device: str, artifact: ModelArtifact) -> None:
        self._backend = backend
        self.device = device
        self.artifact = artifact
        self.memory_bytes = backend.sizes.get(artifact.name, 1_000)
        self.device_memory_bytes = 0
        self.report: Mapping[str, str] = {}
        self.metadata: Mapping[str, str] = {}
        self.inputs: Sequence[TensorSpec] = (TensorSpec("x", (1,), np.dtype(np.float32)),)
        self.outputs: Sequence[TensorSpec] = (TensorSpec("y", (1,), np.dtype(np.float32)),)
        self.closed = False

    def run(self, feeds: Feeds) -> Feeds:
        if self.closed:
            raise BackendError("closed")
        self._backend.calls.append(self.device)
        self._backend.step(self._backend.on_run, self.device)
        return {"y": np.full(1, self._backend.answers.get(self.device, 0.0), np.float32)}

    def generate(self, messages: Any, **options: Any) -> Iterator[str]:
        for word in ("all", "is", "well"):
            self._backend.step(self._backend.on_run, self.device)
            yield f"{self.device}:{word}"

    def warm_up(self) -> None:
        self._backend.step(self._backend.on_warm_up, self.device)

    def close(self) -> None:
        self.closed = True
        self._backend.closed.append(self.artifact.name)


class ScriptedBackend:
    """Loads `ScriptedModel`s.

    Attributes:
        on_load, on_run, on_warm_up: by device, what happens then; may raise or block.
        sizes: measured bytes by the model's name.
        answers: what ``y`` is, by device.
        loaded: all models, in order.
        calls: the device of every run.
        closed: the name of every model that was closed.
    """

    name = "fake"

    def __init__(self) -> None:
        self.on_load: dict[str, Callable[[], None]] = {}
        self.on_run: dict[str, Callable[[], None]] = {}
        self.on_warm_up: dict[str, Callable[[], None]] = {}
        self.unavailable: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.answers: dict[str, float] = {}
        self.loaded: list[ScriptedModel] = []
        self.calls: list[str] = []
        self.closed: list[str] = []

    def probe(self, device: str) -> Probe:
        reason = self.unavailable.get(device, "")
        return Probe(not reason, reason)

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> ScriptedModel:
        self.step(self.on_load, device)
        self.loaded.append(ScriptedModel(self, device, artifact))
        return self.loaded[-1]

    @staticmethod
    def step(script: Mapping[str, Callable[[], None]], device: str) -> None:
        if device in script:
            script[device]()


def fails(reason: str = "device lost") -> Callable[[], None]:
    """A step that raises as an engine does."""

    def step() -> None:
        raise BackendError(reason)

    return step


class Hang:
    """A step that blocks until it is released."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.release.wait(30), "nobody released the engine"


def write_manifest(folder: Path, name: str, **keys: Any) -> None:
    """A manifest with a file beside it; `keys` are further lines, as YAML."""
    (folder / f"{name}.bin").write_bytes(b"weights")
    lines = {"chain": "[fake:gpu, fake:cpu]", "task": "detection", **keys}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    (folder / f"{name}.yaml").write_text(f"name: {name}\npath: {name}.bin\n{text}")
