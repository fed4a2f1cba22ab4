"""Points by columns, which lie together in memory: several times as fast as by points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def coordinate(
    columns: Sequence[NDArray[Any]], row: NDArray[np.float64], shift: float
) -> NDArray[Any]:
    """One coordinate of points in another frame.

    Args:
        columns: x, y and z, (n,) each and of one type.
        row: float64 (3,), of the rotation into that frame.
        shift: of the translation into it.

    Returns:
        (n,), of the columns' type.
    """
    of = columns[0].dtype.type
    moved = np.asarray(of(row[0]) * columns[0])
    product = np.empty_like(moved)
    for factor, column in zip(row[1:], columns[1:]):
        moved += np.multiply(of(factor), column, out=product)
    moved += of(shift)
    return moved


def coordinates(
    columns: Sequence[NDArray[Any]], rotation: NDArray[np.float64], shift: NDArray[np.float64]
) -> list[NDArray[Any]]:
    """x, y and z of points in another frame, (n,) each; see `coordinate`."""
    return [coordinate(columns, row, part) for row, part in zip(rotation, shift)]
