"""A host over scripted engines, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.fake_clock import FakeClock
from fakes.scripted_backend import ScriptedBackend, write_manifest
from helpers.scene import Scene

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime import ModelChange, ModelHost
from edge_mm_ros.runtime.memory_budget import MemoryBudget

PLENTY_BYTES = 10**12


@pytest.fixture
def make_scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """A scene of models ``name={manifest keys}``, under settings."""
    made = []

    def make(models: dict[str, dict[str, Any]] | None = None, **settings: Any) -> Scene:
        for name, keys in (models or {"detector": {}}).items():
            write_manifest(tmp_path, name, **keys)
        engine, clock = ScriptedBackend(), FakeClock()
        engine.answers = {"gpu": 1.0, "cpu": 2.0}
        params = RuntimeParams(**settings)
        host = ModelHost(
            ModelRepository([tmp_path]),
            BackendRegistry([engine]),
            params,
            budget=MemoryBudget(params, available=lambda: PLENTY_BYTES),
            clock=clock,
            background=False,
        )
        told: list[ModelChange] = []
        host.add_listener(told.append)
        made.append(host)
        return Scene(host, engine, clock, told, tmp_path)

    yield make
    for host in made:
        host.close()
