"""Bad measurements are named before they reach a filter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.tracking import Measurement, RadialVelocity, Scan, Tracker


def make(**changes: Any) -> Measurement:
    values: dict[str, Any] = {
        "position_m": np.array([5.0, 1.0, 0.9]),
        "noise_m2": np.eye(3) * 0.04,
        "label": "Normal",
        "score": 0.9,
        "size_m": np.array([0.5, 0.5, 1.8]),
        "sources": ("camera:front",),
        **changes,
    }
    return Measurement(**values)


SKEW = np.array([[1.0, 0.5, 0.0], [0.2, 1.0, 0.0], [0.0, 0.0, 1.0]])
TURNED_INSIDE_OUT = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"position_m": np.array([math.nan, 0.0, 0.0])}, "not_finite", "its position"),
        ({"position_m": np.array([0.0, math.inf, 0.0])}, "not_finite", "its position"),
        ({"position_m": np.array([0.0, 1e9, 0.0])}, "range", "beyond 1e+06 m"),
        ({"position_m": np.zeros(2)}, "shape", "expected (3,)"),
        ({"size_m": np.array([1.0, math.nan, 1.0])}, "not_finite", "its size"),
        ({"score": math.nan}, "score", "expected 0 to 1"),
        ({"score": 1.5}, "score", "expected 0 to 1"),
        ({"noise_m2": np.full((3, 3), math.nan)}, "not_finite", "its covariance"),
        ({"noise_m2": np.zeros((3, 3))}, "covariance", "not positive definite"),
        ({"noise_m2": -np.eye(3)}, "covariance", "not positive definite"),
        ({"noise_m2": np.diag([1.0, 1.0, 0.0])}, "covariance", "not positive definite"),
        ({"noise_m2": TURNED_INSIDE_OUT}, "covariance", "not positive definite"),
        ({"noise_m2": SKEW}, "covariance", "not symmetric"),
        ({"noise_m2": np.eye(3) * 1e13}, "covariance", "beyond"),
        ({"noise_m2": np.eye(2)}, "shape", "expected (3, 3)"),
        ({"bias_m2": -np.eye(3)}, "covariance", "of its bias is not positive semidefinite"),
        ({"bias_m2": TURNED_INSIDE_OUT}, "covariance", "not positive semidefinite"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], kind: str, text: str) -> None:
    with pytest.raises(InvalidInput, match="object 'Normal'") as raised:
        make(**changes)
    assert raised.value.kind == kind
    assert text in str(raised.value)


def test_a_long_ellipse_and_a_flat_bias_are_sound() -> None:
    make(noise_m2=np.diag([400.0, 0.0025, 0.01]), bias_m2=np.diag([100.0, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("speed", "sigma"), [(math.nan, 0.1), (1.0, 0.0), (1.0, -1.0), (1.0, math.inf)]
)
def test_a_radial_velocity_needs_a_value_and_an_uncertainty(speed: float, sigma: float) -> None:
    with pytest.raises(InvalidInput, match="radial velocity"):
        RadialVelocity(speed, sigma, np.zeros(3))


def test_a_stamp_before_1970_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'front'") as raised:
        Scan("front", -1, ())
    assert raised.value.kind == "stamp"


matrices = arrays(np.float64, (3, 3), elements=st.floats(-1e9, 1e9))


@given(root=matrices, place=arrays(np.float64, 3, elements=st.floats(allow_nan=True)))
def test_whatever_is_let_in_is_tracked_with_finite_numbers(root: Any, place: Any) -> None:
    try:
        item = make(position_m=place, noise_m2=root @ root.T)
    except InvalidInput:
        return
    tracker = Tracker()
    for index in range(4):
        for found in tracker.update(Scan("front", index * 100_000_000, (item,))):
            assert np.isfinite(found.covariance_m2).all()
            assert np.linalg.eigvalsh(found.covariance_m2)[0] > 0.0


def test_whole_numbers_are_measured_like_any_others() -> None:
    item = make(position_m=np.array([4, 0, 1]), noise_m2=np.diag([1, 1, 1]))
    tracker = Tracker()
    for index in range(3):
        found = tracker.update(Scan("front", index * 100_000_000, (item,)))
    assert found[0].position_m == pytest.approx([4.0, 0.0, 1.0])
