"""What local tensor engines share: the checks of what goes in and comes out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import BackendError, InputRefused, ModelArtifact, TensorSpec

Arrays = Mapping[str, NDArray[Any]]


def is_static(specs: Sequence[TensorSpec]) -> bool:
    """Whether every size of every tensor is fixed."""
    return all(None not in spec.shape for spec in specs)


def describe(specs: Sequence[TensorSpec]) -> str:
    """All tensors in words, for messages."""
    return ", ".join(f"{s.name} {s.dtype} {_sizes(s.shape)}" for s in specs) or "none"


def refuse_other_inputs(artifact: ModelArtifact, actual: Sequence[TensorSpec]) -> None:
    """Compare a file's inputs with those that the manifest declares.

    A size that either side leaves open fits every size.

    Raises:
        BackendError: names both sides.
    """
    if not artifact.inputs:
        return
    have = {spec.name: spec for spec in actual}
    fit = len(have) == len(artifact.inputs) and all(
        want.name in have
        and want.dtype == have[want.name].dtype
        and _shapes_fit(want.shape, have[want.name].shape)
        for want in artifact.inputs
    )
    if not fit:
        raise BackendError(
            f"model '{artifact.name}': its manifest declares the inputs "
            f"{describe(artifact.inputs)}, but the model has {describe(actual)}; correct the "
            "manifest or get the right model"
        )


def check_feeds(model: str, specs: Sequence[TensorSpec], feeds: Arrays) -> None:
    """Check names, shapes and dtypes; values are looked at only where an output is suspect.

    Raises:
        InputRefused: names the input, what it must be and what it is.
    """
    if len(feeds) == len(specs):
        for spec in specs:  # the usual case in few steps
            given = feeds.get(spec.name)
            if given is None or given.dtype is not spec.dtype or given.shape != spec.shape:
                break
        else:
            return
    if len(feeds) != len(specs) or any(spec.name not in feeds for spec in specs):
        raise InputRefused(
            f"model '{model}' takes the inputs {sorted(spec.name for spec in specs)}, got "
            f"{sorted(feeds)}"
        )
    for spec in specs:
        value = feeds[spec.name]
        if value.dtype != spec.dtype or not _shapes_fit(spec.shape, value.shape):
            raise InputRefused(
                f"model '{model}': input '{spec.name}' must be {spec.dtype} {_sizes(spec.shape)}, "
                f"got {value.dtype} {value.shape}"
            )


def refuse_not_finite(model: str, feeds: Arrays, outputs: Arrays) -> None:
    """See that all outputs are finite, and where one is not, whose fault it is.

    Raises:
        InputRefused: an input is not finite.
        BackendError: the inputs are finite.
    """
    output = _not_finite(outputs)
    if output is None:
        return
    culprit = _not_finite(feeds)
    if culprit is not None:
        raise InputRefused(
            f"model '{model}': input '{culprit}' has values that are not finite, and so has "
            f"output '{output}'"
        )
    raise BackendError(
        f"model '{model}': output '{output}' has values that are not finite, although the input "
        "is; the file is damaged, or its precision is too low for this input"
    )


def synthetic_inputs(
    specs: Sequence[TensorSpec], metadata: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """One set of inputs: floats rise from 0 to 1, all else is 0.

    Open sizes are 1, or for the sides of a picture what ``imgsz`` of the metadata says.
    """
    feeds = {}
    for spec in specs:
        shape = [1 if size is None else size for size in spec.shape]
        sides = re.findall(r"\d+", metadata.get("imgsz", ""))
        if len(sides) == 2 and len(shape) == 4 and spec.shape[2:] == (None, None):
            shape[2:] = (int(side) for side in sides)
        if spec.dtype.kind == "f":
            values = np.linspace(0, 1, int(np.prod(shape)), dtype=spec.dtype)
            feeds[spec.name] = values.reshape(shape)
        else:
            feeds[spec.name] = np.zeros(shape, spec.dtype)
    return feeds


def _not_finite(arrays: Arrays) -> str | None:
    for name, value in arrays.items():
        # The sum of squares is finite only where all values are, and takes the least time; that
        # of large numbers may overflow.
        if value.dtype.kind == "f" and not (
            math.isfinite(np.vdot(value, value)) or np.isfinite(value).all()
        ):
            return name
    return None


def _shapes_fit(shape: Sequence[int | None], other: Sequence[int | None]) -> bool:
    return len(shape) == len(other) and all(
        a is None or b is None or a == b for a, b in zip(shape, other)
    )


def _sizes(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
