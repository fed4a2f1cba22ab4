"""A backend whose failures can be ordered; for what real engines do not do on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_mm_ros.backends import BackendError, LoadedModel, ModelArtifact, Probe


class FakeModel:
    """A loaded model that only counts."""

    memory_bytes = 1_000
    device_memory_bytes = 0
    report: Mapping[str, str] = {}

    def __init__(self, device: str) -> None:
        self.device = device
        self.warm_ups = 0
        self.closed = False

    def warm_up(self) -> None:
        self.warm_ups += 1

    def close(self) -> None:
        self.closed = True


class FakeBackend:
    """Loads `FakeModel`s.

    Args:
        name: name of the backend.
        unavailable: reason by device for devices that are not there.
        broken: devices on which a load fails.
    """

    def __init__(
        self,
        name: str = "fake",
        unavailable: Mapping[str, str] | None = None,
        broken: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.unavailable = dict(unavailable or {})
        self.broken = broken
        self.loaded: list[FakeModel] = []

    def probe(self, device: str) -> Probe:
        reason = self.unavailable.get(device, "")
        return Probe(not reason, reason)

    def load(self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]) -> LoadedModel:
        if device in self.broken:
            raise BackendError(f"{artifact.path}: {device} is out of memory")
        self.loaded.append(FakeModel(device))
        return self.loaded[-1]
