"""Weights out of a ``model.bin`` of CTranslate2, read without the engine.

The layout is that of ``ModelSpec`` in CTranslate2's ``python/ctranslate2/specs/model_spec.py``:
little-endian; a text is its length with the closing zero (16 bits), then its bytes.
https://github.com/OpenNMT/CTranslate2
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import BackendError

_VERSIONS = (4, 5, 6)
_BFLOAT16 = 5
_TYPES: Mapping[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    1: np.dtype("<i1"),
    2: np.dtype("<i2"),
    3: np.dtype("<i4"),
    4: np.dtype("<f2"),
    _BFLOAT16: np.dtype("<u2"),
}


@dataclass(frozen=True, eq=False)
class CTranslate2File:
    """What a ``model.bin`` holds.

    Attributes:
        path: of the file.
        kind: name of its specification, for example ``WhisperSpec``.
        revision: of the specification.
        variables: by name, as stored, but bfloat16 as float32; views of the file where possible.
    """

    path: Path
    kind: str
    revision: int
    variables: Mapping[str, NDArray[Any]]

    def number(self, name: str) -> int:
        """A single whole number.

        Raises:
            BackendError: there is none of that name.
        """
        value = self._variable(name)
        if value.shape != () or not np.issubdtype(value.dtype, np.integer):
            raise BackendError(f"{self.path}: '{name}' is no whole number; get the model again")
        return int(value)

    def weight(self, name: str, shape: Sequence[int] | None = None) -> NDArray[Any]:
        """A weight without its quantisation: stored = round(value * scale), one scale per row.

        Args:
            name: of the variable.
            shape: that it must have; None: any.

        Returns:
            float16 where it is stored so, else float32; a copy.

        Raises:
            BackendError: there is none of that name, it has another shape, or it holds a value
                that is not finite.
        """
        stored = self._variable(name)
        if shape is not None and stored.shape != tuple(shape):
            raise BackendError(
                f"{self.path}: '{name}' has the shape {stored.shape}, expected {tuple(shape)}; "
                "it is another kind of model, or damaged"
            )
        if stored.dtype == np.float16:
            values: NDArray[Any] = np.array(stored, np.float16)
        else:
            values = np.array(stored, np.float32)
        if np.issubdtype(stored.dtype, np.integer):
            values /= self._scale(name, stored.shape)
        if not np.isfinite(values).all():
            raise BackendError(
                f"{self.path}: '{name}' holds values that are not finite; get the model again"
            )
        return values

    def _scale(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Of whole numbers: of all, or of each row."""
        scale = np.array(self._variable(f"{name}_scale"), np.float32)
        if scale.shape not in ((), shape[:1]) or not np.all(np.isfinite(scale) & (scale != 0)):
            raise BackendError(f"{self.path}: '{name}_scale' does not fit its weight")
        return scale.reshape(scale.shape + (1,) * (len(shape) - 1) if scale.ndim else ())

    def _variable(self, name: str) -> NDArray[Any]:
        try:
            return self.variables[name]
        except KeyError:
            raise BackendError(
                f"{self.path}: '{name}' is missing; it is another kind of model, or was made by "
                "an old version of CTranslate2's converter"
            ) from None


def read_ctranslate2(path: Path) -> CTranslate2File:
    """Read a ``model.bin``; the weights stay in the file until they are asked for.

    Raises:
        BackendError: it cannot be read, is of another version, cut off or damaged.
    """
    try:
        content = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise BackendError(f"{path} cannot be read ({error}); get the model again") from error
    reader = _Reader(path, content)
    version = reader.number("<I")
    if version not in _VERSIONS:
        raise BackendError(
            f"{path} is no model.bin of CTranslate2 of version {_VERSIONS[0]} to {_VERSIONS[-1]} "
            f"(it says {version})"
        )
    kind, revision = reader.text(), reader.number("<I")
    variables = dict(reader.variable() for _ in range(reader.number("<I")))
    aliases = [(reader.text(), reader.text()) for _ in range(reader.number("<I"))]
    for alias, name in aliases:
        if name not in variables:
            raise BackendError(f"{path}: '{alias}' stands for '{name}', which is missing")
        variables[alias] = variables[name]
        if f"{name}_scale" in variables:
            variables[f"{alias}_scale"] = variables[f"{name}_scale"]
    return CTranslate2File(path, kind, revision, variables)


class _Reader:
    def __init__(self, path: Path, content: NDArray[np.uint8]) -> None:
        self._path = path
        self._content = content
        self._at = 0

    def variable(self) -> tuple[str, NDArray[Any]]:
        name = self.text()
        shape = tuple(self.number("<I") for _ in range(self.number("<B")))
        type_id, size = self.number("<B"), self.number("<I")
        if type_id not in _TYPES:
            raise BackendError(f"{self._path}: '{name}' has the unknown type {type_id}")
        kind = _TYPES[type_id]
        if size != math.prod(shape) * kind.itemsize:
            raise BackendError(f"{self._path}: '{name}' does not have the size of its shape")
        values = self._bytes(size).view(kind).reshape(shape)
        if type_id == _BFLOAT16:  # the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return name, values

    def text(self) -> str:
        return self._bytes(self.number("<H")).tobytes()[:-1].decode("utf-8", "replace")

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self._bytes(struct.calcsize(form)).tobytes())[0])

    def _bytes(self, count: int) -> NDArray[np.uint8]:
        found = self._content[self._at : self._at + count]
        if len(found) != count:
            raise BackendError(f"{self._path} is cut off; get the model again")
        self._at += count
        return found
