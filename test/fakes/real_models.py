"""The shipped models behind their real engines, and the sound that tests feed them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.backends.faster_whisper_backend import FasterWhisperBackend
from edge_mm_ros.backends.llama_cpp_backend import LlamaCppBackend
from edge_mm_ros.backends.onnxruntime_backend import OnnxRuntimeBackend
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.runtime import ModelHost

JFK_WORDS = (
    "and so my fellow americans ask not what your country can do for you "
    "ask what you can do for your country"
)


def needs(*packages: str) -> None:
    """Skip where a package is not installed, saying which."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}")


def real_host(*folders: Path) -> ModelHost:
    """The shipped manifests, or those of folders, with all engines."""
    repository = ModelRepository(folders) if folders else ModelRepository()
    backends = (OnnxRuntimeBackend(), FasterWhisperBackend(), LlamaCppBackend())
    return ModelHost(repository, BackendRegistry(backends))


def white_noise(seconds: float, rms: float, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """Noise (n, 1), clipped at full scale."""
    noise = np.random.default_rng(20).normal(0.0, rms, (round(seconds * rate_hz), 1))
    return np.clip(noise, -1.0, 1.0).astype(np.float32)


def hum(seconds: float, peak: float, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """Mains hum (n, 1): 50 Hz and its overtones."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = sum(np.sin(2 * np.pi * 50 * k * time_s) / k for k in (1, 2, 3, 5))
    return (peak * tone / np.abs(tone).max()).astype(np.float32)[:, None]


def spoken_words(text: str) -> str:
    """A text in lower case without punctuation, as word error rates are counted."""
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in text.lower()).split())
