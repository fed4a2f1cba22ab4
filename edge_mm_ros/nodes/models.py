"""How nodes come to their models, and how they report them."""

from __future__ import annotations

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.datatypes import Health, HealthLevel
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.runtime import ModelHost, ModelStatus


def default_model_host() -> ModelHost:
    """A host over the shipped manifests and all installed backends; one per process."""
    return ModelHost(ModelRepository(), BackendRegistry.from_entry_points())


def model_health(host: ModelHost, name: str) -> Health:
    """The diagnostic entry of one model: a fallback in use is a warning, never silent."""
    status = next((s for s in host.status() if s.name == name), ModelStatus(name))
    values = {
        "model": name,
        "loaded": str(status.loaded),
        "device": status.device or "none",
        "memory_bytes": str(status.memory_bytes),
    }
    for kind, lines in (("unavailable", status.unavailable), ("failed", status.failed)):
        for index, line in enumerate(lines):
            values[f"{kind}_{index}"] = line
    if not status.loaded:
        return Health(f"model {name}", HealthLevel.OK, "not loaded", values)
    if status.failed:
        message = f"fell back to {status.device}"
        return Health(f"model {name}", HealthLevel.WARN, message, values)
    return Health(f"model {name}", HealthLevel.OK, f"runs on {status.device}", values)
