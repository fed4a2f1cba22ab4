"""Squared distances against a solver."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from edge_mm_ros.pipelines.tracking.roots import Root, product


def test_products_are_those_by_the_inverse() -> None:
    rng = np.random.default_rng(2)
    roots = rng.normal(size=(9, 3, 3))
    matrices = roots @ roots.swapaxes(-1, -2) + 0.1 * np.eye(3)
    one, other = rng.normal(size=(2, 9, 3))
    root = Root.of(matrices)
    expected = np.einsum("ki,kij,kj->k", one, np.linalg.inv(matrices), other)
    assert_allclose(product(root.whitened(one), root.whitened(other)), expected)
    assert_allclose(root.log_det, np.linalg.slogdet(matrices)[1], atol=1e-12)


def test_a_vague_distance_takes_no_digits_from_the_direction() -> None:
    """Variances of 1e8 m^2 along a slanting ray, and of 1e-4 m^2 across it."""
    along, across = np.array([0.6, 0.8, 0.0]), np.array([-0.8, 0.6, 0.0])
    matrix = np.diag([0.0, 0.0, 1.0]) + 1e8 * np.outer(along, along)
    matrix += 1e-4 * np.outer(across, across)
    beside = Root.of(matrix[None]).whitened(across[None] * 0.01)
    assert_allclose(product(beside, beside), 1.0, rtol=1e-2)
