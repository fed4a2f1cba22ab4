"""Outputs that are used again: only once nobody looks at them."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mm_ros.backends import TensorSpec
from edge_mm_ros.backends.output_buffers import OutputBuffers


@pytest.fixture
def buffers() -> OutputBuffers[None]:
    return OutputBuffers([TensorSpec("y", (2, 3), np.dtype(np.float32))], lambda _: None)


def y_of(buffers: OutputBuffers[None]) -> NDArray[Any]:
    return buffers.take()[0]["y"]


def test_memory_is_used_again_once_nobody_refers_to_it(buffers: OutputBuffers[None]) -> None:
    for _ in range(100):
        array = y_of(buffers)
        assert (array.shape, array.dtype) == ((2, 3), np.dtype(np.float32))
        assert array.flags.writeable
        assert array.flags.c_contiguous
    # The name holds the last one while the next is taken.
    assert buffers.allocations == 2


def test_memory_that_is_kept_is_never_lent_twice(buffers: OutputBuffers[None]) -> None:
    kept = [y_of(buffers) for _ in range(10)]
    for value, array in enumerate(kept):
        array[:] = value
    assert [array.max() for array in kept] == list(range(10))
    assert buffers.allocations == 10


@pytest.mark.parametrize(
    "look_at",
    [
        lambda array: array[1],
        lambda array: array.T.reshape(-1, 2)[0],
        lambda array: array.view(np.uint8),
        memoryview,
        lambda array: np.frombuffer(array, np.float32),
        lambda array: np.asarray(array[:, 1:])[:, 0],
    ],
)
def test_a_view_keeps_the_memory_as_the_array_does(
    buffers: OutputBuffers[None], look_at: object
) -> None:
    array = y_of(buffers)
    array[:] = 7
    view = look_at(array)  # type: ignore[operator]
    before = bytes(view)
    del array
    y_of(buffers)[:] = 8
    assert bytes(view) == before


def test_not_more_than_a_few_are_kept_for_later(buffers: OutputBuffers[None]) -> None:
    many = [y_of(buffers) for _ in range(50)]
    del many
    for _ in range(3):
        taken = [y_of(buffers) for _ in range(4)]
        del taken
    assert buffers.allocations == 50


class Bound:
    """What an engine would need to write into arrays."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.addresses = [array.__array_interface__["data"][0] for array in arrays.values()]


def test_arrays_are_bound_once_and_lent_with_their_binding() -> None:
    spec = TensorSpec("y", (2, 3), np.dtype(np.float32))
    buffers = OutputBuffers([spec, TensorSpec("z", (4,), np.dtype(np.int64))], Bound)
    bindings = set()
    for _ in range(10):
        arrays, binding = buffers.take()
        assert binding.addresses == [a.__array_interface__["data"][0] for a in arrays.values()]
        bindings.add(binding)
    assert len(bindings) == buffers.allocations == 2


def test_an_output_that_somebody_keeps_does_not_keep_the_engine() -> None:
    buffers = OutputBuffers([TensorSpec("y", (2, 3), np.dtype(np.float32))], Bound)
    arrays, binding = buffers.take()
    arrays["y"][:] = 7
    engine = weakref.ref(binding)
    del binding, buffers
    assert engine() is None
    assert arrays["y"].max() == 7


def test_an_open_size_is_refused() -> None:
    with pytest.raises(ValueError, match="open"):
        OutputBuffers([TensorSpec("y", (None, 3), np.dtype(np.float32))], Bound)
