"""Echoes of a roof behind those of a rear."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mm_ros.pipelines.fusion.clustering import clusters_of
from edge_mm_ros.pipelines.fusion.flat_tops import with_tops


def plate(x: float, z: tuple[float, float], y: float = 0.0, depth: float = 0.0) -> np.ndarray:
    """Points every 0.1 m over 1.7 m of width."""
    grid = np.mgrid[0.0 : depth + 1e-6 : 0.1, -0.85:0.86:0.1, z[0] : z[1] + 1e-6 : 0.2]
    return grid.reshape(3, -1).T + [x, y, 0.0]


REAR = plate(13.8, (0.4, 1.3))
ROOF = plate(14.6, (1.5, 1.5))


def joined(*parts: np.ndarray) -> list[int]:
    points = np.vstack(parts)
    return sorted(len(one.members) for one in with_tops(points, clusters_of(points)))


def test_a_ring_on_the_roof_belongs_to_the_rear_before_it() -> None:
    points = np.vstack([REAR, ROOF])
    assert len(clusters_of(points)) == 2
    (car,) = with_tops(points, clusters_of(points))
    assert list(car.members) == list(range(len(points)))
    assert car.nearest_m[0] == pytest.approx(13.8)
    assert car.size_m == pytest.approx([0.8, 1.7, 1.1], abs=0.05)


@pytest.mark.parametrize(
    "other",
    [
        plate(14.6, (1.5, 1.5), y=4.0),  # in another direction
        plate(17.5, (1.5, 1.5)),  # far behind
        plate(14.6, (0.5, 0.5)),  # lower than what hides it
        plate(14.6, (1.5, 2.3)),  # a wall, not a ring
        plate(14.6, (2.4, 2.4)),  # a sign that hangs over it
    ],
    ids=["aside", "behind", "low", "tall", "high"],
)
def test_what_is_no_roof_stays_a_thing_of_its_own(other: np.ndarray) -> None:
    assert joined(REAR, other) == sorted([len(REAR), len(other)])


def test_of_rings_alone_none_is_the_other_s_roof() -> None:
    low = plate(13.8, (1.3, 1.3))
    assert joined(low, ROOF) == sorted([len(low), len(ROOF)])
