"""Arrays that are handed out again and again without being allocated each time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from sys import getrefcount
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import TensorSpec
from edge_mm_ros.backends.tensor_checks import is_static

_KEPT = 4
Binding = TypeVar("Binding")


def _references(arrays: Mapping[str, NDArray[Any]]) -> int:
    """How often the array with the most references is referred to, views and buffers included."""
    return max(map(getrefcount, arrays.values()))


# What the count is where nobody else refers to an array differs between versions of Python.
_UNUSED = _references({"": np.empty(1)})


@dataclass(frozen=True, eq=False)
class _Memory(Generic[Binding]):
    """One array for each output, and what the engine needs to write into them."""

    arrays: dict[str, NDArray[Any]]
    binding: Binding


class OutputBuffers(Generic[Binding]):
    """Arrays for the outputs of a model whose sizes are all fixed.

    Memory is handed out again only once no array, view or memoryview refers to it: an output that
    somebody keeps is never overwritten. `take` may be called from several threads.
    """

    def __init__(
        self,
        specs: Sequence[TensorSpec],
        bind: Callable[[Mapping[str, NDArray[Any]]], Binding],
    ) -> None:
        """Allocate nothing yet.

        Args:
            specs: of the outputs.
            bind: called once for each set of arrays; what the engine needs to write into them.

        Raises:
            ValueError: a size is open.
        """
        if not is_static(specs):
            raise ValueError("a size is open")
        self._specs = tuple(specs)
        self._bind = bind
        self._pool: deque[_Memory[Binding]] = deque(maxlen=_KEPT)
        self.allocations = 0

    def take(self) -> tuple[dict[str, NDArray[Any]], Binding]:
        """One array for each output, by name, and their binding.

        The content is whatever was there before. The binding is the caller's for as long as
        anything refers to an array.
        """
        memory = self._unused() or self._allocate()
        arrays = dict(memory.arrays)  # refers to them before another thread can look
        self._pool.append(memory)
        return arrays, memory.binding

    def _unused(self) -> _Memory[Binding] | None:
        for _ in range(_KEPT):
            try:
                memory = self._pool.popleft()
            except IndexError:
                return None
            if _references(memory.arrays) == _UNUSED:
                return memory
            self._pool.append(memory)
        return None

    def _allocate(self) -> _Memory[Binding]:
        self.allocations += 1
        arrays = {
            spec.name: np.empty([int(size or 0) for size in spec.shape], spec.dtype)
            for spec in self._specs
        }
        return _Memory(arrays, self._bind(arrays))
