"""Backends are found by entry point; a broken one is kept aside with its reason."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from fakes.fake_backend import FakeBackend

from edge_mm_ros.backends import BackendError, BackendRegistry
from edge_mm_ros.backends.registry import ENTRY_POINT_GROUP


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, ENTRY_POINT_GROUP)


def test_the_installed_backends_are_found() -> None:
    registry = BackendRegistry.from_entry_points()
    assert {"onnxruntime", "faster_whisper", "llama_cpp"} <= set(registry.names())
    assert registry.broken == {}


def test_a_broken_backend_does_not_hide_the_others() -> None:
    registry = BackendRegistry.from_entry_points(
        [
            point("good", "fakes.fake_backend:FakeBackend"),
            point("bad", "fakes.no_such_module:Backend"),
        ]
    )
    assert registry.names() == ("good",)
    assert "no_such_module" in registry.broken["bad"]
    with pytest.raises(BackendError, match="backend 'bad' is broken: ModuleNotFoundError"):
        registry.get("bad")


def test_an_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BackendError, match="unknown backend 'x'; installed backends: fake"):
        BackendRegistry([FakeBackend()]).get("x")
