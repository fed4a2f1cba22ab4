"""What the backends share: engines that are imported at first use, options, and their errors."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from edge_mm_ros.backends.protocol import BackendError, Probe
from edge_mm_ros.params.base import ParameterError, StrictModel, validate

Options = TypeVar("Options", bound=StrictModel)


def missing_package(*packages: str) -> str:
    """The first of the packages that is not installed; empty where all are. Imports nothing."""
    return next((name for name in packages if importlib.util.find_spec(name) is None), "")


def import_engine(package: str, mend: str) -> Any:
    """The engine's module.

    Raises:
        BackendError: it is missing or broken; ends with `mend`.
    """
    try:
        return importlib.import_module(package)
    except Exception as error:  # a broken native library raises more than ImportError
        raise BackendError(f"{package} cannot be imported ({first_line(error)}); {mend}") from error


def checked_options(kind: type[Options], options: Mapping[str, Any], where: str) -> Options:
    """A manifest's options as a checked value.

    Raises:
        BackendError: names `where` and every refused option.
    """
    try:
        return validate(kind, dict(options), where)
    except ParameterError as error:
        raise BackendError(str(error)) from error


def device_index(device: str) -> int:
    """``N`` of ``cuda:N``; 0 where none is given."""
    index = device.partition(":")[2]
    return int(index) if index.isdigit() else 0


def cuda_driver_present() -> bool:
    """Whether NVIDIA's driver library loads: a cheap test before an engine is imported for it."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def probe_cuda(package: str, count_devices: Callable[[], int], index: int) -> Probe:
    """Whether an engine sees a CUDA device.

    Args:
        package: the engine, for the message.
        count_devices: how many it sees; may import it, and raise.
        index: which one is wanted.
    """
    if not cuda_driver_present():
        return Probe(False, "there is no NVIDIA driver on this machine")
    try:
        count = count_devices()
    except Exception as error:  # also a broken native library
        return Probe(False, f"{package} cannot use CUDA ({first_line(error)})")
    if count <= index:
        return Probe(False, f"{package} sees {count} CUDA devices, cuda:{index} is not there")
    return Probe(True)


def first_line(error: BaseException) -> str:
    """An engine's error as one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
