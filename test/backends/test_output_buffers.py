"""Outputs that are used again: only once nobody looks at them."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mm_ros.backends import TensorSpec
from edge_mm_ros.backends.output_buffers import OutputBuffers


@pytest.fixture
def buffers() -> OutputBuffers:
    return OutputBuffers([TensorSpec("y", (2, 3), np.dtype(np.float32))])


def test_memory_is_used_again_once_nobody_refers_to_it(buffers: OutputBuffers) -> None:
    for _ in range(100):
        array = buffers.take()["y"]
        assert (array.shape, array.dtype) == ((2, 3), np.dtype(np.float32))
        assert array.flags.writeable
        assert array.flags.c_contiguous
    # The name holds the last one while the next is taken.
    assert buffers.allocations == 2


def test_memory_that_is_kept_is_never_lent_twice(buffers: OutputBuffers) -> None:
    kept = [buffers.take()["y"] for _ in range(10)]
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
def test_a_view_keeps_the_memory_as_the_array_does(buffers: OutputBuffers, look_at: object) -> None:
    array = buffers.take()["y"]
    array[:] = 7
    view = look_at(array)  # type: ignore[operator]
    before = bytes(view)
    del array
    buffers.take()["y"][:] = 8
    assert bytes(view) == before


def test_not_more_than_a_few_are_kept_for_later(buffers: OutputBuffers) -> None:
    many = [buffers.take()["y"] for _ in range(50)]
    del many
    for _ in range(3):
        taken = [buffers.take()["y"] for _ in range(4)]
        del taken
    assert buffers.allocations == 50


def test_an_open_size_is_refused() -> None:
    with pytest.raises(ValueError, match="open"):
        OutputBuffers([TensorSpec("y", (None, 3), np.dtype(np.float32))])
