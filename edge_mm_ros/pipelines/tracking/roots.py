"""Squared distances under many small covariance matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Parts: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""The three elements of k vectors, float64 (k,) each."""


@dataclass(frozen=True, eq=False)
class Root:
    """Cholesky's roots ``L`` of k symmetric 3 x 3 matrices ``S = L L'``.

    Element by element for all of them at once: for many small matrices much faster than a solver.

    Attributes:
        diagonal: float64 (k,) each, the elements 00, 11 and 22 of the roots.
        below: float64 (k,) each, the elements 10, 20 and 21.
        log_det: float64 (k,), logs of the determinants of the matrices.
    """

    diagonal: Parts
    below: Parts
    log_det: NDArray[np.float64]

    @classmethod
    def of(cls, matrices: NDArray[np.float64]) -> Root:
        """The roots of float64 (k, 3, 3)."""
        (a, b, c), (_, d, e), (_, _, f) = np.ascontiguousarray(matrices.transpose(1, 2, 0))
        a = np.sqrt(a)
        b, c = b / a, c / a
        d = np.sqrt(d - b * b)
        e = (e - b * c) / d
        f = np.sqrt(f - c * c - e * e)
        return cls((a, d, f), (b, c, e), 2.0 * np.log(a * d * f))

    def whitened(self, vectors: NDArray[np.float64]) -> Parts:
        """``L^-1 v`` of float64 (k, 3), element by element; products of such are by ``S^-1``."""
        x, y, z = np.ascontiguousarray(vectors.T)
        (a, d, f), (b, c, e) = self.diagonal, self.below
        x = x / a
        y = (y - b * x) / d
        return x, y, (z - c * x - e * y) / f


def product(one: Parts, other: Parts) -> NDArray[np.float64]:
    """Scalar products of k vectors, float64 (k,)."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
