"""A detector whose engine does what a test says, in the test's process and in others."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fakes.scripted_backend import Feeds, ScriptedBackend, ScriptedModel

from edge_mm_ros.backends import ModelArtifact, TensorSpec

CELLS = 8 * 8 + 4 * 4 + 2 * 2  # of a 64 x 64 input at the strides 8, 16, 32
HANG_FILE = "SCRIPTED_DETECTOR_HANGS"


class ScriptedDetector(ScriptedModel):
    """Sees one cat in every picture."""

    def __init__(self, backend: ScriptedBackend, device: str, artifact: ModelArtifact) -> None:
        super().__init__(backend, device, artifact)
        self.metadata = {"names": "{0: 'cat'}"}
        float32 = np.dtype(np.float32)
        self.inputs: Sequence[TensorSpec] = (TensorSpec("images", (1, 3, 64, 64), float32),)
        self.outputs: Sequence[TensorSpec] = (TensorSpec("output0", (1, 5, CELLS), float32),)

    def run(self, feeds: Feeds) -> Feeds:
        super().run(feeds)
        table = np.zeros((1, 5, CELLS), np.float32)
        table[0, :, 0] = (20, 20, 10, 10, 0.9)
        return {"output0": table}


class ScriptedDetectors(ScriptedBackend):
    """Loads `ScriptedDetector`s."""

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> ScriptedDetector:
        self.step(self.on_load, device)
        self.loaded.append(ScriptedDetector(self, device, artifact))
        return self.loaded[-1]  # type: ignore[return-value]


class HangingDetectors(ScriptedDetectors):
    """For other processes: a call hangs in native code once a file is there, which then goes."""

    def __init__(self) -> None:
        super().__init__()
        self.on_run = {"cpu": _hang_where_ordered}


def _hang_where_ordered() -> None:
    order = Path(os.environ[HANG_FILE])
    if order.exists():
        order.unlink()
        ctypes.CDLL(None).pause()


def install_in_other_processes(folder: Path) -> dict[str, str]:
    """Environment variables with which a program finds `HangingDetectors` as backend ``fake``."""
    package = folder / "scripted_detector-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted-detector\n")
    (package / "entry_points.txt").write_text(
        "[edge_mm_ros.backends]\nfake = fakes.scripted_detector:HangingDetectors\n"
    )
    tests = Path(__file__).resolve().parents[1]
    paths = (str(folder), str(tests), os.environ.get("PYTHONPATH", ""))
    return {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        HANG_FILE: str(folder / "hang"),
    }
