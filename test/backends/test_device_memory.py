"""What is told of a GPU, with and without NVIDIA's library."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_mm_ros.backends import device_memory
from edge_mm_ros.backends.device_memory import (
    device_name,
    driver_version,
    free_device_bytes,
    taken_bytes,
)


class FakeNvml:
    """Two GPUs; counts how often it was opened and closed."""

    def __init__(self) -> None:
        self.open = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return ("first", "second")[index]

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:  # noqa: N802
        return {"GPU-b": "second"}[name]

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:  # noqa: N802
        return SimpleNamespace(free={"first": 1000, "second": 2000}[handle])

    def nvmlDeviceGetName(self, handle: str) -> bytes:  # noqa: N802
        return b"GPU " + handle.encode()

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "550.1"


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def test_each_gpu_has_its_own_memory_and_name(nvml: FakeNvml) -> None:
    assert [free_device_bytes(index) for index in (0, 1)] == [1000, 2000]
    assert device_name(1) == "GPU second"
    assert driver_version() == "550.1"
    assert nvml.open == 0


@pytest.mark.parametrize("visible", ["1", "1,0", "GPU-b", " GPU-b , 0"])
def test_the_first_gpu_is_the_first_that_is_visible(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, visible: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert free_device_bytes(0) == 2000


def test_a_gpu_that_is_not_there_has_no_memory_to_tell(nvml: FakeNvml) -> None:
    assert free_device_bytes(7) is None
    assert device_name(7) == "cuda:7"
    assert nvml.open == 0


def test_without_the_library_the_drivers_own_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert free_device_bytes(0) is None
    file = tmp_path / "version"
    assert driver_version(file) == ""
    file.write_text("NVRM version: Kernel Module  540.3.0\nGCC version: 12\n")
    assert driver_version(file) == "NVRM version: Kernel Module  540.3.0"


def test_what_was_taken_is_known_only_where_both_readings_are() -> None:
    assert taken_bytes(1000, 400) == 600
    assert taken_bytes(400, 1000) == 0  # somebody else gave some back
    assert taken_bytes(None, 400) is taken_bytes(400, None) is None
    assert "nvidia-ml-py" in device_memory.NOT_MEASURED
