"""From the side that shows to the middle."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mm_ros.pipelines.tracking import Measurement, RadialVelocity, Scan, Tracker
from edge_mm_ros.pipelines.tracking.near_side import Completion, completion

MS = 1_000_000
CAR_M = np.array([4.4, 1.8, 1.5])
HERE = np.zeros(3)


def shown(
    place: tuple[float, float],
    size: tuple[float, float],
    *,
    label: str = "unknown",
    sized: bool = True,
    lead_s: float = 0.0,
    moved_m: float = 0.0,
    seen_from: np.ndarray | None = HERE,
) -> Measurement:
    return Measurement(
        np.array([*place, 0.75]),
        np.diag([0.01 + moved_m**2, 0.01 + moved_m**2, 0.01]),
        label,
        0.8,
        np.array([*size, 1.5]),
        ("lidar:top",),
        0.5 * np.eye(3),
        sized=sized,
        seen_from_m=seen_from,
        lead_s=lead_s,
        moved_m=moved_m,
    )


def complete(
    item: Measurement, car: tuple[float, float], classed: bool = True
) -> Completion | None:
    """Of a car whose middle and extents are known; it drives along x at 10 m/s."""
    means = np.array([[*car, 0.75, 10.0, 0.0, 0.0]])
    covariances = np.array([np.diag([0.1, 0.1, 0.1, 0.04, 0.04, 0.01])])
    scan = Scan("lidar:top", 0, (item,))
    return completion(scan, means, covariances, CAR_M[None], np.array([classed]))


def test_of_a_rear_the_middle_lies_half_of_the_missing_length_behind() -> None:
    # A car of 4.4 m, its rear 10 m ahead, of which 0.4 m of depth show: centre of those at 10.2 m.
    found = complete(shown((10.2, 0.1), (0.4, 1.8)), (12.2, 0.1))
    assert found is not None
    assert found.shift_m[0, 0] == pytest.approx([2.0, 0.0, 0.0])
    assert 0.0 < found.spread_m2[0, 0, 0] <= 0.5**2
    assert found.instead[0, 0]


def test_of_a_flank_it_lies_aside_and_of_a_part_of_the_flank_nobody_knows_where_along_it() -> None:
    beside = complete(shown((0.0, 3.2), (4.4, 0.4)), (0.0, 3.9))
    assert beside is not None
    assert beside.shift_m[0, 0] == pytest.approx([0.0, 0.7, 0.0])
    piece = complete(shown((1.0, 3.2), (0.4, 0.4)), (0.0, 3.9))
    assert piece is not None
    assert piece.shift_m[0, 0] == pytest.approx([0.0, 0.7, 0.0])
    assert piece.spread_m2[0, 0, 0] == pytest.approx(2.0**2)


def test_without_a_class_the_size_vouches_for_nothing() -> None:
    found = complete(shown((10.2, 0.1), (0.4, 1.8)), (12.2, 0.1), classed=False)
    assert found is not None
    for told in (found.told, found.instead, found.shift_m, found.spread_m2):
        assert not told.any()


@pytest.mark.parametrize("where", [(14.0, 0.0), (0.0, 9.0), (30.0, 17.0), (-35.0, -9.0)])
def test_a_single_return_has_the_moments_of_the_sides_that_show(where: tuple[float, float]) -> None:
    """Against points drawn from the visible sides by angle, weighted by how they are met."""
    rng = np.random.default_rng(3)
    middle, half = np.array(where), CAR_M[:2] / 2.0
    angles = np.arctan2(where[1], where[0]) + rng.uniform(-0.6, 0.6, 40_000)
    rays = np.column_stack([np.cos(angles), np.sin(angles)])
    with np.errstate(divide="ignore"):
        low, high = (middle - half) / rays, (middle + half) / rays
    near = np.minimum(low, high).max(axis=1)
    hit = (near <= np.maximum(low, high).min(axis=1)) & (near > 0.0)
    squarely = np.abs(rays[np.arange(len(rays)), np.minimum(low, high).argmax(axis=1)])
    hit &= rng.random(len(rays)) < squarely
    gaps = middle - rays[hit] * near[hit, None]
    found = complete(shown(where, (0.0, 0.0), sized=False), where, classed=False)
    assert found is not None
    assert found.told.all()
    assert not found.instead.any()
    assert found.shift_m[0, 0, :2] == pytest.approx(gaps.mean(axis=0), abs=0.35)
    assert found.fresh_m2[0, 0, :2] == pytest.approx(gaps.var(axis=0), rel=0.35, abs=0.05)
    assert not found.spread_m2.any()


def test_what_was_measured_later_has_moved_with_the_track() -> None:
    item = shown((12.5, 0.0), (4.4, 1.8), label="car", lead_s=0.03, moved_m=0.6, seen_from=None)
    found = complete(item, (12.2, 0.0))
    assert found is not None
    assert found.shift_m[0, 0] == pytest.approx([-0.3, 0.0, 0.0])
    # Of the doubt of 0.6 m, 0.2 m/s for 30 ms is left.
    assert found.fresh_m2[0, 0, :2] == pytest.approx([0.006**2 - 0.36] * 2)


def test_nothing_to_complete_costs_nothing() -> None:
    assert complete(shown((12.2, 0.0), (4.4, 1.8), seen_from=None), (12.2, 0.0)) is None


def test_clusters_of_the_rear_alone_do_not_draw_a_car_near_nor_hide_its_braking() -> None:
    """A camera names the car once; then only its rear is seen, and by a radar."""
    tracker = Tracker()
    rng = np.random.default_rng(0)
    for step in range(60):
        t = 0.1 * step
        x, v = 14.0 + 2.0 * t - 0.5 * t**2, 2.0 - 1.0 * t
        if step < 10:
            item = Measurement(
                np.array([x, 0.0, 0.75]), 0.04 * np.eye(3), "car", 0.9, CAR_M, ("camera:front",)
            )
            tracker.update(Scan("camera:front", step * 100 * MS, (item,)))
        rear = shown((x - 2.0 + rng.normal(0.0, 0.03), 0.0), (0.4, 1.8))
        tracker.update(Scan("lidar:top", (step * 100 + 30) * MS, (rear,)))
        radial = RadialVelocity(v + rng.normal(0.0, 0.1), 0.2, HERE)
        echo = Measurement(
            np.array([x - 2.0 + rng.normal(0.0, 0.15), 0.0, 0.75]),
            0.05 * np.eye(3),
            "unknown",
            0.5,
            np.array([0.5, 0.5, 1.0]),
            ("radar:front",),
            radial=radial,
            sized=False,
            seen_from_m=HERE,
        )
        (found,) = tracker.update(Scan("radar:front", (step * 100 + 60) * MS, (echo,)))
    assert found.position_m[0] == pytest.approx(x, abs=0.35)
    assert found.velocity_mps is not None
    assert found.velocity_mps[0] == pytest.approx(v, abs=0.35)
    gap = found.position_m[:2] - [x, 0.0]
    assert gap @ np.linalg.solve(found.covariance_m2[:2, :2], gap) < 6.0


def test_of_people_enough_shows() -> None:
    means, sizes = np.array([[5.0, 5.0, 0.9, 0.0, 0.0, 0.0]]), np.array([[0.7, 0.7, 1.8]])
    scan = Scan("lidar:top", 0, (shown((5.0, 5.0), (0.3, 0.3)),))
    found = completion(scan, means, 0.01 * np.eye(6)[None], sizes, np.array([True]))
    assert found is not None
    assert not found.told.any()
    assert not found.shift_m.any()


def test_a_track_of_echoes_may_be_any_part_of_what_a_cluster_shows() -> None:
    means, sizes = np.array([[2.0, 1.0, 0.5, 0.0, 0.0, 0.0]]), np.array([[0.3, 0.3, 1.0]])
    scan = Scan("lidar:top", 0, (shown((3.9, 1.6), (4.3, 1.8)),))
    found = completion(scan, means, 0.01 * np.eye(6)[None], sizes, np.array([False]))
    assert found is not None
    assert found.fresh_m2[0, 0, :2] == pytest.approx([2.0**2 / 3.0, 0.75**2 / 3.0])
    assert not found.shift_m.any()
