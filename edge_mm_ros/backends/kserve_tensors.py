"""Tensors as the KServe v2 protocol carries them: names of types, and bytes in little endian.

Source: the Open Inference Protocol and its binary tensor data extension.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import TensorSpec

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def type_name(dtype: np.dtype[Any]) -> str:
    """The protocol's name of a numpy dtype that `spec_of` gave."""
    return _NAMES[dtype]


def spec_of(name: Any, datatype: Any, shape: Any) -> TensorSpec:
    """A tensor of a server's metadata; a size of -1 becomes None.

    Raises:
        ValueError: it is no description of a tensor of numbers; says why.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"a tensor has the name {name!r}")
    sizes = [_integer(size) for size in shape] if isinstance(shape, Sequence) else [None]
    if None in sizes:
        raise ValueError(f"'{name}' has the shape {shape!r}")
    return TensorSpec(
        name,
        tuple(size if size is not None and size >= 0 else None for size in sizes),
        _dtype(name, datatype),
    )


def encode(value: NDArray[Any]) -> memoryview:
    """The elements in row-major order, little endian; no copy where they lie so already."""
    little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data


def decode(
    name: Any, datatype: Any, shape: Any, raw: bytes | bytearray | memoryview
) -> NDArray[Any]:
    """An array of its own from the bytes of a server.

    Raises:
        ValueError: type, shape and number of bytes do not agree; says how.
    """
    spec, sizes = _concrete(name, datatype, shape)
    expected = math.prod(sizes) * spec.dtype.itemsize
    if len(raw) != expected:
        raise ValueError(
            f"'{spec.name}' has {len(raw)} bytes, {expected} are {datatype} of shape {sizes}"
        )
    if spec.dtype == np.bool_ and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
        raise ValueError(f"'{spec.name}' has bytes that are neither true nor false")
    return np.frombuffer(raw, spec.dtype.newbyteorder("<")).astype(spec.dtype).reshape(sizes)


def decode_values(name: Any, datatype: Any, shape: Any, values: Any) -> NDArray[Any]:
    """An array from the plain numbers of a server's JSON or protobuf, flat or nested.

    Raises:
        ValueError: they are no numbers, do not fit the type, or are not as many as the shape has.
    """
    spec, sizes = _concrete(name, datatype, shape)
    try:
        given = np.asarray(values)
        if given.dtype.kind not in "biuf" and given.size:
            raise ValueError("no numbers")
        with np.errstate(invalid="ignore", over="ignore"):
            array = given.astype(spec.dtype)
        exact = spec.dtype.kind == "f" or bool(np.all(array == given))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"'{spec.name}' has elements that are no {datatype}") from error
    if not exact:
        raise ValueError(f"'{spec.name}' has elements that are no {datatype}")
    if array.size != math.prod(sizes):
        raise ValueError(
            f"'{spec.name}' has {array.size} elements, shape {sizes} has {math.prod(sizes)}"
        )
    return array.reshape(sizes)


def fits(shape: Sequence[int | None], other: Sequence[int | None]) -> bool:
    """Whether two shapes agree where both are known."""
    return len(shape) == len(other) and all(
        a is None or b is None or a == b for a, b in zip(shape, other, strict=True)
    )


def describe(spec: TensorSpec) -> str:
    """Dtype and shape for a message."""
    sizes = ", ".join("any" if size is None else str(size) for size in spec.shape)
    return f"{spec.dtype} ({sizes})"


def _concrete(name: Any, datatype: Any, shape: Any) -> tuple[TensorSpec, tuple[int, ...]]:
    spec = spec_of(name, datatype, shape)
    sizes = tuple(size for size in spec.shape if size is not None)
    if len(sizes) != len(spec.shape):
        raise ValueError(f"'{spec.name}' has the shape {shape!r}")
    return spec, sizes


def _dtype(name: str, datatype: Any) -> np.dtype[Any]:
    if not isinstance(datatype, str) or datatype not in _DTYPES:
        raise ValueError(f"'{name}' is of type {datatype!r}, only tensors of numbers are taken")
    return _DTYPES[datatype]


def _integer(value: Any) -> int | None:
    try:
        return None if isinstance(value, (bool, float, str)) else int(value)
    except (TypeError, ValueError):
        return None
