"""Stands in for TensorRT and CUDA where there is no GPU: compiles ``y = 2 x + 1`` of float32."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_mm_ros.backends import BackendError, TensorSpec
from edge_mm_ros.backends.tensorrt_engine import Arrays, Progress, Recipe, Shape

FLOAT32 = np.dtype(np.float32)


class FakeNetwork:
    """Notes what it is compiled for."""

    def __init__(self, toolkit: FakeToolkit) -> None:
        self._toolkit = toolkit
        self.inputs: Sequence[TensorSpec] = [TensorSpec("x", toolkit.shape, FLOAT32)]
        self.quantised = toolkit.quantised

    def compile(self, recipe: Recipe, progress: Progress) -> bytes:
        if self._toolkit.refuses:
            raise BackendError(self._toolkit.refuses)
        progress("fusing")
        self._toolkit.recipes.append(recipe)
        if recipe.calibration is not None:
            self._toolkit.calibrated_by = [batch["x"] for batch in recipe.calibration]
        made = {"gpu": self._toolkit.gpu, "shape": self._toolkit.shape, "shapes": recipe.shapes}
        return json.dumps(made).encode()


class FakeEngine:
    """Runs on one "GPU" until it is closed."""

    def __init__(self, toolkit: FakeToolkit, made: Mapping[str, Any]) -> None:
        self._toolkit = toolkit
        self._range = made["shapes"].get("x")
        shape = tuple(made["shape"])
        self.inputs: Sequence[TensorSpec] = [TensorSpec("x", shape, FLOAT32)]
        self.outputs: Sequence[TensorSpec] = [TensorSpec("y", shape, FLOAT32)]
        self.resized = 0
        self.closed = False

    def set_shapes(self, shapes: Mapping[str, Shape]) -> Mapping[str, Shape]:
        self.resized += 1
        if self._range is not None:
            smallest, _, largest = self._range
            if not all(a <= n <= b for a, n, b in zip(smallest, shapes["x"], largest)):
                raise BackendError(f"the engine was not compiled for 'x' of {shapes['x']}")
        return {"y": shapes["x"]}

    def execute(self, feeds: Arrays, outputs: Arrays) -> None:
        assert not self.closed
        assert all(array.flags.c_contiguous for array in [*feeds.values(), *outputs.values()])
        if self._toolkit.gpu_lost:
            raise BackendError("cudaMemcpyAsync failed: cudaErrorDeviceUnavailable")
        outputs["y"][...] = 2 * feeds["x"] + 1

    def close(self) -> None:
        self.closed = True


class FakeToolkit:
    """What can differ between machines is an attribute."""

    def __init__(self, **differs: Any) -> None:
        self.version = "10.3"
        self.strongly_typed_only = False
        self.gpus = 1
        self.gpu = "Orin"
        self.gpu_lost = False
        self.quantised = False
        self.refuses = ""
        self.shape: tuple[int | None, ...] = (2, 3)
        vars(self).update(differs)
        self.read_from: list[Path | bytes] = []
        self.recipes: list[Recipe] = []
        self.calibrated_by: list[Any] = []
        self.engines: list[FakeEngine] = []

    def gpu_count(self) -> int:
        if self.gpus < 0:
            raise BackendError("cudaGetDeviceCount failed: cudaErrorInsufficientDriver")
        return self.gpus

    def read(self, onnx: Path | bytes, strongly_typed: bool, device_index: int) -> FakeNetwork:
        self.read_from.append(onnx)
        return FakeNetwork(self)

    def load(self, plan: bytes, device_index: int) -> FakeEngine:
        made = json.loads(plan)
        if made["gpu"] != self.gpu:
            raise BackendError("the engine does not fit (made for another GPU)")
        self.engines.append(FakeEngine(self, made))
        return self.engines[-1]
