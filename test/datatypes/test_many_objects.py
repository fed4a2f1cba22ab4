"""Many objects, checked together, are the same as one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import InvalidInput, Object3D


def columns(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "track_ids": ["1", "2"],
        "labels": ["person", "car"],
        "scores": [0.5, 0.75],
        "positions_m": np.array([[1.0, 2.0, 0.9], [3.0, 4.0, 0.7]]),
        "sizes_m": np.array([[0.5, 0.5, 1.8], [4.0, 1.8, 1.5]]),
        "covariances_m2": np.stack([np.eye(3), 2.0 * np.eye(3)]),
        "sources": [("camera:front",), ()],
        "velocities_mps": np.array([[0.0, 1.0, 0.0], [9.0, 0.0, 0.0]]),
    }
    return values | changes


def test_each_is_what_it_would_be_alone() -> None:
    values = columns()
    found = Object3D.many(**values)
    assert [vars(one).keys() for one in found] == [
        vars(Object3D(*row)).keys() for row in zip(*values.values(), strict=True)
    ]
    one, other = found
    assert (one.track_id, one.label, one.score, one.sources) == (
        "1",
        "person",
        0.5,
        values["sources"][0],
    )
    assert other.position_m.tolist() == [3.0, 4.0, 0.7]
    assert other.size_m.tolist() == [4.0, 1.8, 1.5]
    assert other.covariance_m2.tolist() == (2.0 * np.eye(3)).tolist()
    assert other.velocity_mps is not None
    assert other.velocity_mps.tolist() == [9.0, 0.0, 0.0]
    assert other.distance_m == 5.0


@pytest.mark.parametrize("name", ["positions_m", "covariances_m2", "velocities_mps"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_one_that_is_not_finite_is_refused_by_name(name: str, wrong: float) -> None:
    values = columns()
    values[name][1, 0] = wrong
    with pytest.raises(InvalidInput, match="car"):
        Object3D.many(**values)


@pytest.mark.parametrize(
    "changes",
    [
        {"positions_m": np.zeros((2, 2))},
        {"sizes_m": np.zeros((2, 4))},
        {"covariances_m2": np.zeros((2, 2, 2))},
        {"velocities_mps": np.zeros((2, 2))},
    ],
)
def test_other_shapes_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Object3D.many(**columns(**changes))


def test_columns_of_different_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        Object3D.many(**columns(labels=["person"]))


def test_none_are_none() -> None:
    none = columns(
        track_ids=[],
        labels=[],
        scores=[],
        positions_m=np.zeros((0, 3)),
        sizes_m=np.zeros((0, 3)),
        covariances_m2=np.zeros((0, 3, 3)),
        sources=[],
        velocities_mps=np.zeros((0, 3)),
    )
    assert Object3D.many(**none) == ()
