"""Fixtures that all rooms share."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from edge_mm_ros.ros.private_graph import PrivateGraph

# Machines are shared: speed is for benchmarks. The same examples each time, so that a red test
# is red again.
settings.register_profile(
    "shared", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """The path of a real recording; skips the test, saying which, where it is absent."""

    def path_of(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"needs the recording shared/data/{name}")
        return path

    return path_of


@pytest.fixture
def ros_graph() -> Iterator[PrivateGraph]:
    """A private ROS graph; skips where no ROS 2 is installed."""
    if importlib.util.find_spec("rclpy") is None:
        pytest.skip("needs ROS 2 (rclpy)")
    from edge_mm_ros.ros.private_graph import PrivateGraph

    with PrivateGraph() as graph:
        yield graph
