"""The ground is left out, and points that belong together form clusters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from edge_mm_ros.datatypes import PointCloud, RigidTransform
from edge_mm_ros.pipelines.fusion.clustering import clusters_of, raised_points

MAST = RigidTransform.from_xyz_rpy((0.5, 0.0, 2.0), (0.0, 0.1, 0.3))


def block(
    centre: tuple[float, float], size: tuple[float, float, float], step: float = 0.1
) -> np.ndarray:
    """Points that fill an upright block that stands on the ground."""
    axes = [
        np.arange(low, high + 1e-9, step)
        for low, high in (
            (centre[0] - size[0] / 2, centre[0] + size[0] / 2),
            (centre[1] - size[1] / 2, centre[1] + size[1] / 2),
            (0.2, size[2]),
        )
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1).T


def ground(height: float = 0.0, slope: float = 0.0) -> np.ndarray:
    x, y = np.meshgrid(np.arange(-30.0, 30.0, 0.4), np.arange(-30.0, 30.0, 0.4))
    return np.stack([x, y, height + slope * x]).reshape(3, -1).T


def raised(points: np.ndarray, **options: Any) -> np.ndarray:
    values = {"ground_z_m": 0.0, "clearance_m": 0.15, "max_range_m": 40.0, **options}
    cloud = PointCloud(MAST.inverse().apply(points).astype(np.float32), 0, "top")
    return raised_points(cloud, MAST, **values)


def test_the_ground_is_left_out_and_what_stands_on_it_is_not() -> None:
    person = block((6.0, 1.0), (0.4, 0.4, 1.7))
    found = raised(np.vstack([ground(), person]))
    assert_allclose(found, person, atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("height", "slope"), [(-0.25, 0.0), (0.25, 0.0), (0.0, 0.04), (0.0, -0.04)]
)
def test_ground_that_is_not_where_it_is_assumed_is_ground(height: float, slope: float) -> None:
    person = block((12.0, 1.0), (0.4, 0.4, 1.7)) + [0.0, 0.0, height + slope * 12.0]
    found = raised(np.vstack([ground(height, slope), person]))
    assert 0.9 * len(person) <= len(found) <= len(person)


def test_an_echo_from_far_below_hides_nothing() -> None:
    person = block((6.0, 1.0), (0.4, 0.4, 1.7))
    mirrored = np.array([[6.0, 1.0, -3.0]])
    assert len(raised(np.vstack([person, mirrored]))) >= 0.85 * len(person)


def test_what_is_out_of_range_or_absurdly_far_is_left_out() -> None:
    points = np.array([[5.0, 0.0, 1.0], [41.0, 0.0, 1.0], [0.0, -41.0, 1.0]])
    assert_allclose(raised(points), points[:1], atol=1e-5)
    wild = np.array([[3e38, -3e38, 3e38], [1e20, 0, 1], [-1e-38, 0, 0]], np.float32)
    found = raised_points(
        PointCloud(wild, 0, "top"), MAST, ground_z_m=0.0, clearance_m=0.15, max_range_m=40.0
    )
    assert_allclose(found, [[0.5, 0.0, 2.0]], atol=1e-6)


def test_what_is_absurdly_high_is_left_out() -> None:
    wild = np.array([[2.0, 0.0, 1e30], [2.0, 0.0, -1e30], [2.0, 0.0, 1.0]], np.float32)
    found = raised_points(
        PointCloud(wild, 0, "top"),
        RigidTransform.identity(),
        ground_z_m=0.0,
        clearance_m=0.15,
        max_range_m=40.0,
    )
    assert_allclose(found, [[2.0, 0.0, 1.0]])


def test_ground_far_away_is_ground() -> None:
    spots = np.array([[x, y, 0.1] for x in (-900.0, 900.0) for y in (-420.3, 421.7)])
    things = spots + [0.4, 0.4, 1.0]
    found = raised(np.vstack([spots, things]), max_range_m=1000.0)
    assert_allclose(found, things, atol=1e-3)


def test_a_giant_cloud_is_thinned_out_evenly() -> None:
    line = np.stack([np.linspace(1.0, 30.0, 1000), np.zeros(1000), np.full(1000, 2.0)]).T
    found = raised(line, max_points=300)
    assert len(found) == 250
    assert found[0, 0] == pytest.approx(1.0, abs=1e-4)
    assert np.ptp(np.diff(found[:, 0])) < 1e-4


def test_no_points_give_no_clusters() -> None:
    empty = raised(np.zeros((0, 3)))
    assert empty.shape == (0, 3)
    assert clusters_of(empty) == ()
    assert clusters_of(np.array([[3.0, 0.0, 5.0]]), max_height_m=2.0) == ()


def test_two_people_are_two_clusters_nearest_first() -> None:
    near, far = block((4.0, 1.0), (0.4, 0.4, 1.7)), block((6.0, -1.0), (0.4, 0.6, 1.7))
    one, two = clusters_of(np.vstack([far, near]))
    assert_allclose(one.centre_m, [4.0, 1.0, 0.95], atol=1e-6)
    assert_allclose(one.size_m, [0.4, 0.4, 1.5], atol=1e-6)
    assert (one.count, two.count) == (len(near), len(far))
    assert_allclose(two.centre_m[:2], [6.0, -1.0], atol=1e-6)
    assert sorted([*one.members, *two.members]) == list(range(len(near) + len(far)))
    assert np.all(np.diff(one.members) > 0)
    assert one.whole
    assert two.whole
    assert_allclose(one.nearest_m[:2], [3.8, 0.8])


def test_the_covariance_covers_the_side_that_is_not_seen() -> None:
    """Of a car straight ahead only the rear shows; its centre lies metres behind."""
    (rear,) = clusters_of(block((10.0, 0.0), (0.0, 1.8, 1.4)))
    assert math.sqrt(rear.covariance_m2[0, 0]) > 0.4
    assert (np.linalg.eigvalsh(rear.covariance_m2) > 0).all()


def test_few_points_are_no_cluster_and_high_ones_do_not_count() -> None:
    person = block((4.0, 1.0), (0.4, 0.4, 1.7))
    bridge = person + [0.0, 5.0, 4.0]
    crumbs = person[:3] + [0.0, -5.0, 0.0]
    (only,) = clusters_of(np.vstack([bridge, crumbs, person]), minimum_points=4, max_height_m=2.5)
    assert_allclose(only.centre_m[:2], [4.0, 1.0])


@pytest.mark.parametrize("distance", [8.0, 16.0, 30.0, 60.0])
def test_a_sparse_cluster_far_away_is_one(distance: float) -> None:
    """Beams 0.4 degrees apart: at 60 m, points lie 0.42 m apart."""
    angles = np.radians(0.4) * np.arange(-4, 5)
    wide = distance * np.radians(0.4) * 8
    spots = np.stack([np.full(9, distance), distance * np.tan(angles), np.ones(9)]).T
    clusters = clusters_of(spots)
    assert len(clusters) == 1
    assert clusters[0].size_m[1] == pytest.approx(wide, rel=0.01)


@pytest.mark.parametrize("plan", [None, RigidTransform.from_xyz_rpy((1.3, 0.4, 0), (0, 0, 0.2))])
def test_a_wall_is_told_in_pieces(plan: RigidTransform | None) -> None:
    wall = block((8.0, 0.0), (0.1, 24.0, 1.0))
    pieces = clusters_of(wall, max_extent_m=4.0, plan_from_robot=plan)
    assert 6 <= len(pieces) <= 15
    assert not any(piece.whole for piece in pieces)
    assert max(float(piece.size_m[:2].max()) for piece in pieces) <= 4.0 * math.sqrt(2.0)
    members = np.concatenate([piece.members for piece in pieces])
    assert len(np.unique(members)) == len(members)
    assert len(members) >= 0.98 * len(wall)


def test_pieces_lie_still_in_the_plan_while_the_robot_moves() -> None:
    wall = block((8.0, 0.0), (0.1, 24.0, 1.0))
    centres = []
    for ahead in (0.0, 1.1):
        plan = RigidTransform.from_xyz_rpy((ahead, 0.0, 0.0), (0.0, 0.0, 0.0))
        pieces = clusters_of(wall - [ahead, 0.0, 0.0], max_extent_m=4.0, plan_from_robot=plan)
        centres.append(sorted(plan.apply(piece.centre_m).tolist() for piece in pieces))
    assert_allclose(*centres, atol=1e-6)


def test_only_so_many_are_told_and_those_are_the_nearest() -> None:
    things = [block((float(x), 0.0), (0.2, 0.2, 1.0)) for x in range(2, 40, 2)]
    found = clusters_of(np.vstack(things), max_clusters=3)
    assert [round(float(item.centre_m[0])) for item in found] == [2, 4, 6]


points = arrays(
    np.float32,
    st.tuples(st.integers(0, 60), st.just(3)),
    elements=st.floats(-80, 80, width=32),
)


@settings(max_examples=200)
@given(cloud=points, minimum=st.integers(1, 4), extent=st.floats(0.5, 30.0))
def test_any_points_give_disjoint_finite_clusters(
    cloud: np.ndarray, minimum: int, extent: float
) -> None:
    found = clusters_of(cloud, minimum_points=minimum, max_extent_m=extent)
    members = [index for item in found for index in item.members]
    assert len(set(members)) == len(members)
    for item in found:
        assert item.count >= minimum
        assert np.isfinite(item.centre_m).all()
        assert (np.linalg.eigvalsh(item.covariance_m2) > 0).all()
        inside = cloud[item.members]
        assert (np.abs(inside - item.centre_m) <= item.size_m / 2 + 1e-3).all()
    distances = [math.hypot(*item.nearest_m[:2]) for item in found]
    assert distances == sorted(distances)
