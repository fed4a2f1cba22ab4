"""What NVIDIA's management library tells of a GPU (package ``nvidia-ml-py``, optional)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

NOT_MEASURED = "not measured; pip install nvidia-ml-py"
_DRIVER_FILE = Path("/proc/driver/nvidia/version")

T = TypeVar("T")


def free_device_bytes(index: int) -> int | None:
    """Free memory of CUDA device `index`; None where nothing can tell it."""
    return _ask(lambda nvml: int(nvml.nvmlDeviceGetMemoryInfo(_handle(nvml, index)).free))


def device_name(index: int) -> str:
    """The GPU's product name; ``cuda:N`` where nothing can tell it."""
    name = _ask(lambda nvml: _text(nvml.nvmlDeviceGetName(_handle(nvml, index))))
    return name or f"cuda:{index}"


def driver_version(driver_file: Path = _DRIVER_FILE) -> str:
    """Version of NVIDIA's driver; empty where there is none."""
    version = _ask(lambda nvml: _text(nvml.nvmlSystemGetDriverVersion()))
    if version:
        return version
    try:
        return driver_file.read_text().splitlines()[0].strip()
    except (OSError, IndexError):
        return ""


def taken_bytes(before: int | None, after: int | None) -> int | None:
    """What was taken between two readings of the free memory; None where one is missing."""
    return None if before is None or after is None else max(0, before - after)


def _ask(question: Callable[[Any], T]) -> T | None:
    """The library's answer; None where it or its driver is not there."""
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # the library's own errors are made when it loads
        return None
    try:
        return question(nvml)
    except Exception:  # for example on devices whose memory it does not know
        return None
    finally:
        nvml.nvmlShutdown()


def _handle(nvml: Any, index: int, environ: Mapping[str, str] = os.environ) -> Any:
    """The device that CUDA calls `index`, which may see only some of those that are there."""
    visible = [name.strip() for name in environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    chosen = visible[index] if index < len(visible) and visible[0] else str(index)
    if chosen.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(chosen))
    return nvml.nvmlDeviceGetHandleByUUID(chosen)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
