"""Arrays that are handed out again and again without being allocated each time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import TensorSpec
from edge_mm_ros.backends.tensor_checks import is_static

_KEPT = 4


class OutputBuffers:
    """Arrays for the outputs of a model whose sizes are all fixed.

    Memory is handed out again only once no array, view or memoryview refers to it: an output that
    somebody keeps is never overwritten. `take` may be called from several threads.
    """

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        """Allocate nothing yet.

        Raises:
            ValueError: a size is open.
        """
        if not is_static(specs):
            raise ValueError("a size is open")
        self._pools = [(spec, deque[NDArray[Any]](maxlen=_KEPT)) for spec in specs]
        self.allocations = 0

    def take(self) -> dict[str, NDArray[Any]]:
        """One array for each output, by name; its content is whatever was there before."""
        return {spec.name: self._take(spec, pool) for spec, pool in self._pools}

    def _take(self, spec: TensorSpec, pool: deque[NDArray[Any]]) -> NDArray[Any]:
        try:
            memory = pool.pop()
        except IndexError:
            memory = np.empty([int(size or 0) for size in spec.shape], spec.dtype)
            self.allocations += 1
        return np.asarray(_Loan(memory, pool))


class _Loan:
    """What a lent array calls its base: it and all its views hold it, and nothing else does."""

    __slots__ = ("__array_interface__", "_memory", "_pool")

    def __init__(self, memory: NDArray[Any], pool: deque[NDArray[Any]]) -> None:
        self.__array_interface__ = memory.__array_interface__
        self._memory = memory
        self._pool = pool

    def __del__(self) -> None:
        self._pool.append(self._memory)
