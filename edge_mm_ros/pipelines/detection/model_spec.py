"""What a detection model says of itself: its input, its classes, its task."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_mm_ros.backends import TensorSpec
from edge_mm_ros.datatypes import EdgeMmError

_SIDE_WHERE_NOTHING_IS_SAID = 640


class UnsupportedModel(EdgeMmError):
    """A model whose input or output this pipeline does not know; names its shapes."""


@dataclass(frozen=True)
class InputSpec:
    """The pictures that a model takes: RGB, 0 to 1, channels first.

    Attributes:
        name: the input's name.
        width: pixels.
        height: pixels.
        dtype: float32 or float16.
        batch: how many pictures it takes at once; None: any number.
    """

    name: str
    width: int
    height: int
    dtype: np.dtype[Any]
    batch: int | None = 1


def describe_shapes(shapes: Mapping[str, Sequence[int | None]]) -> str:
    """Names and shapes on one line, ``any`` where a size is open."""
    return ", ".join(
        f"{name} ({', '.join('any' if size is None else str(size) for size in shape)})"
        for name, shape in shapes.items()
    )


def read_input(inputs: Sequence[TensorSpec], metadata: Mapping[str, str]) -> InputSpec:
    """The model's picture input; an open size is the metadata's ``imgsz``, else 640 x 640.

    Raises:
        UnsupportedModel: there is not exactly one input, or it is no picture in this layout.
    """
    shapes = {spec.name: spec.shape for spec in inputs}
    if len(inputs) == 1:
        spec = inputs[0]
        floats = spec.dtype in (np.dtype(np.float32), np.dtype(np.float16))
        if len(spec.shape) == 4 and spec.shape[0] != 0 and spec.shape[1] == 3 and floats:
            height, width = (
                said if declared is None else declared
                for declared, said in zip(spec.shape[2:], _size_in(metadata), strict=True)
            )
            return InputSpec(spec.name, width, height, spec.dtype, spec.shape[0])
    dtypes = ", ".join(str(spec.dtype) for spec in inputs)
    raise UnsupportedModel(
        "a detection model must have one input (pictures, 3, height, width) of float32 or float16, "
        f"this one has: {describe_shapes(shapes)} of {dtypes}"
    )


def read_labels(
    metadata: Mapping[str, str], manifest_labels: Sequence[str]
) -> tuple[str, ...] | None:
    """Class names by class id: the metadata's, else the manifest's, else None.

    The metadata's ``names`` is what Ultralytics writes: ``{0: 'person', 1: 'car'}``, or a list.

    Raises:
        UnsupportedModel: the metadata's names cannot be read, or have gaps.
    """
    text = metadata.get("names", "")
    if not text:
        return tuple(manifest_labels) or None
    try:
        names = ast.literal_eval(text)
        by_id = dict(names) if isinstance(names, dict) else dict(enumerate(names))
        if by_id and sorted(by_id) == list(range(len(by_id))):
            return tuple(str(by_id[index]) for index in range(len(by_id)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    raise UnsupportedModel(
        f"the class names in the model's metadata cannot be read: {text[:80]!r}; expected "
        "{0: 'name', 1: 'name', ...}"
    )


def check_task(metadata: Mapping[str, str]) -> None:
    """Refuse a model that was made for something else.

    Raises:
        UnsupportedModel: its metadata name another task than detection.
    """
    task = metadata.get("task", "detect")
    if task != "detect":
        raise UnsupportedModel(
            f"the model's metadata say its task is '{task}'; the detector needs 'detect'"
        )


def _size_in(metadata: Mapping[str, str]) -> tuple[int, int]:
    sides = [int(side) for side in re.findall(r"\d+", metadata.get("imgsz", ""))]
    if len(sides) == 1:
        sides *= 2
    if len(sides) == 2 and min(sides) > 0:
        return sides[0], sides[1]
    return _SIDE_WHERE_NOTHING_IS_SAID, _SIDE_WHERE_NOTHING_IS_SAID
