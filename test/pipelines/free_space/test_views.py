"""What single measurements see of the ground, against distances worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mm_ros.datatypes import LaserScan, PointCloud, RadarScan, RangeReading, RigidTransform
from edge_mm_ros.pipelines.free_space import (
    Heights,
    PolarView,
    view_of_cloud,
    view_of_radar,
    view_of_range,
    view_of_scan,
)
from edge_mm_ros.pipelines.free_space.polar import middle_azimuths_rad

HEIGHTS = Heights(ground_z_m=0.0, clearance_m=0.15, object_m=0.5, tallest_m=2.5)
STEP_M, REACH_M = 0.1, 12.0


def at(
    xyz_m: tuple[float, float, float], yaw_rad: float = 0.0, pitch: float = 0.0
) -> RigidTransform:
    return RigidTransform.from_xyz_rpy(xyz_m, (0.0, pitch, yaw_rad))


def cloud(*points_m: tuple[float, float, float]) -> PointCloud:
    return PointCloud(np.array(points_m, np.float32).reshape(-1, 3), 1, "lidar")


def cloud_view(*points_m: tuple[float, float, float], height_m: float = 1.4) -> PolarView:
    """Of points in the robot's frame, from a LiDAR at its origin."""
    place = at((0.0, 0.0, height_m))
    own = [(x, y, z - height_m) for x, y, z in points_m]
    return view_of_cloud(cloud(*own), place, HEIGHTS, STEP_M, REACH_M)


def seen_along(view: PolarView, bearing_rad: float = 0.01, of: str = "seen") -> tuple[float, float]:
    """From where to where a view is seen (or occupied) in a direction, metres; (0, 0): nowhere."""
    distance = np.arange(0.05, 14.0, 0.02)
    ray = np.array([math.cos(bearing_rad), math.sin(bearing_rad)])
    origin = view.origin_m
    flags = view.at(origin + distance[:, None] * ray)[0 if of == "seen" else 1]
    if not np.any(flags):
        return 0.0, 0.0
    places = np.flatnonzero(flags)
    assert np.all(np.diff(places) == 1), "seen in one piece"
    return float(distance[places[0]]), float(distance[places[-1]])


def test_a_beam_to_the_ground_sees_what_is_taller_than_it_is_high() -> None:
    # From 1.4 m down to the ground at 7 m it is below 0.5 m from 7 * 0.9 / 1.4 = 4.5 m on.
    view = cloud_view((7.0, 0.05, 0.0))
    assert seen_along(view) == pytest.approx((4.5, 7.0), abs=2 * STEP_M)
    assert seen_along(view, math.pi / 2) == (0.0, 0.0)
    assert not np.any(view.occupied)


def test_behind_an_obstacle_nothing_is_seen() -> None:
    # Two echoes of a person at 5 m, 0.3 m high: the beam is below 0.5 m from 5 * 0.9 / 1.1 = 4.1 m.
    view = cloud_view((5.0, 0.05, 0.3), (5.02, 0.06, 0.3))
    assert seen_along(view) == pytest.approx((4.1, 5.05), abs=2 * STEP_M)
    assert seen_along(view, of="occupied") == pytest.approx((5.05, 5.05), abs=STEP_M)


def test_a_beam_that_passes_above_sees_nothing() -> None:
    assert not np.any(cloud_view((6.0, 0.0, 1.0)).seen)
    # An echo at 1.0 m is a thing all the same, once two beams meet it.
    assert np.any(cloud_view((6.0, 0.05, 1.0), (6.0, 0.05, 1.0)).occupied)


def test_a_low_sensor_sees_from_its_own_place_on() -> None:
    view = cloud_view((6.0, 0.05, 0.3), height_m=0.3)
    assert seen_along(view) == pytest.approx((0.05, 6.0), abs=2 * STEP_M)
    # Up to 1.3 m at 6 m: below 0.5 m until 6 * 0.2 / 1.0 = 1.2 m.
    assert seen_along(cloud_view((6.0, 0.05, 1.3), height_m=0.3)) == pytest.approx(
        (0.05, 1.2), abs=2 * STEP_M
    )


def test_an_empty_cloud_sees_nothing() -> None:
    view = cloud_view()
    assert not np.any(view.seen)
    assert not np.any(view.occupied)


def test_of_a_giant_cloud_a_sample_is_enough() -> None:
    angles = np.linspace(-math.pi, math.pi, 500_000, endpoint=False)
    points = np.column_stack([7.0 * np.cos(angles), 7.0 * np.sin(angles), -1.4 + 0.0 * angles])
    view = view_of_cloud(
        PointCloud(points.astype(np.float32), 1, "lidar"),
        at((0.0, 0.0, 1.4)),
        HEIGHTS,
        STEP_M,
        REACH_M,
    )
    assert np.all(view.seen[:, 50:68])


def laser(ranges_m: list[float], step_rad: float = 0.03) -> LaserScan:
    begin = -step_rad * (len(ranges_m) - 1) / 2.0
    return LaserScan(np.array(ranges_m, np.float32), begin, step_rad, 0.1, 10.0, 1, "laser")


def test_a_laser_beam_without_an_echo_is_free_to_its_reach() -> None:
    # 41 beams over 1.2 rad; the middle one meets something at 4 m.
    ranges = [math.inf] * 19 + [4.0] * 3 + [math.inf] * 19
    view = view_of_scan(laser(ranges), at((0.2, 0.0, 0.2)), HEIGHTS, STEP_M, REACH_M)
    assert seen_along(view, 0.0)[1] == pytest.approx(4.0, abs=2 * STEP_M)
    assert seen_along(view, 0.4) == pytest.approx((0.05, 10.0), abs=2 * STEP_M)
    assert seen_along(view, 1.0) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("ranges", "height_m"),
    [
        ([math.inf] * 41, 0.2),  # covered, or in an open field: it cannot be told
        ([math.nan] * 41, 0.2),
        ([-math.inf] * 41, 0.2),
        ([4.0] * 41, 0.9),  # it looks over what must be noticed
        ([], 0.2),
    ],
    ids=["no echo", "not measured", "too near", "too high", "empty"],
)
def test_a_laser_that_tells_nothing_sees_nothing(ranges: list[float], height_m: float) -> None:
    view = view_of_scan(laser(ranges), at((0.0, 0.0, height_m)), HEIGHTS, STEP_M, REACH_M)
    assert not np.any(view.seen & ~view.occupied)


def reading(range_m: float) -> RangeReading:
    return RangeReading(range_m, 0.2, 4.0, 0.9, 1, "ultrasonic")


def test_a_cone_is_free_before_the_echo_occupied_at_it_and_unseen_behind() -> None:
    view = view_of_range(reading(2.0), at((0.3, 0.2, 0.4), 0.3), HEIGHTS, STEP_M, REACH_M)
    for bearing in (0.3 - 0.4, 0.3, 0.3 + 0.4):
        assert seen_along(view, bearing) == pytest.approx((0.2, 2.0), abs=2 * STEP_M)
        assert seen_along(view, bearing, "occupied") == pytest.approx((2.0, 2.1), abs=STEP_M)
    assert seen_along(view, 0.3 + 0.5) == (0.0, 0.0)


def test_a_cone_without_an_echo_is_free_to_its_reach() -> None:
    view = view_of_range(reading(math.inf), at((0.0, 0.0, 0.4)), HEIGHTS, STEP_M, REACH_M)
    assert seen_along(view, 0.0) == pytest.approx((0.2, 4.0), abs=2 * STEP_M)
    assert not np.any(view.occupied)


def test_what_is_too_near_for_a_cone_hides_all_behind() -> None:
    view = view_of_range(reading(-math.inf), at((0.0, 0.0, 0.4)), HEIGHTS, STEP_M, REACH_M)
    assert seen_along(view, 0.0, "occupied")[1] <= 0.2
    assert seen_along(view, 0.0)[1] <= 0.2


def test_a_cone_that_looks_up_sees_only_what_it_reaches() -> None:
    # 0.4 m high, tilted up by 0.6 rad with half 0.45: its lower edge leaves 0.5 m at 0.66 m.
    view = view_of_range(
        reading(math.inf), at((0.0, 0.0, 0.4), pitch=-0.6), HEIGHTS, STEP_M, REACH_M
    )
    assert seen_along(view, 0.0)[1] == pytest.approx(0.1 / math.tan(0.15), abs=2 * STEP_M)


@pytest.mark.parametrize("max_range_m", [100.0, 1e5, 3.4e38])
def test_a_cone_is_looked_at_no_further_than_it_is_asked_for(max_range_m: float) -> None:
    def view(range_m: float) -> PolarView:
        echo = RangeReading(range_m, 0.2, max_range_m, 0.9, 1, "ultrasonic")
        return view_of_range(echo, at((0.0, 0.0, 0.4)), HEIGHTS, STEP_M, REACH_M)

    assert view(math.inf).seen.shape[1] == round(REACH_M / STEP_M)
    assert seen_along(view(math.inf), 0.0) == pytest.approx((0.2, REACH_M), abs=2 * STEP_M)
    assert seen_along(view(2.0), 0.0, "occupied") == pytest.approx((2.0, 2.1), abs=STEP_M)
    beyond = view(0.9 * max_range_m)
    assert seen_along(beyond, 0.0) == pytest.approx((0.2, REACH_M), abs=2 * STEP_M)
    assert not np.any(beyond.occupied)


@pytest.mark.parametrize("range_m", [2.0, math.inf, -math.inf])
def test_a_cone_of_a_width_that_is_not_told_clears_nothing(range_m: float) -> None:
    ray = RangeReading(range_m, 0.2, 4.0, 0.0, 1, "ultrasonic")
    along_a_middle = float(middle_azimuths_rad()[90])  # so that even a ray would meet cells
    view = view_of_range(ray, at((0.0, 0.0, 0.4), along_a_middle), HEIGHTS, STEP_M, REACH_M)
    assert not np.any(view.seen)


def radar(*returns: tuple[float, float]) -> RadarScan:
    ranges, azimuths = np.array(returns).reshape(-1, 2).T
    zero = np.zeros(len(ranges))
    return RadarScan(ranges, azimuths, zero, zero, zero, 1, "radar")


def test_the_silence_of_a_radar_tells_nothing_unless_it_is_promised() -> None:
    scan, place = radar((6.0, 0.0)), at((0.0, 0.0, 0.6))
    view = view_of_radar(scan, place, HEIGHTS, STEP_M, REACH_M, 0.0, 0.0)
    assert np.array_equal(view.seen, view.occupied)
    assert seen_along(view, 0.01) == pytest.approx((6.0, 6.1), abs=STEP_M)
    promised = view_of_radar(scan, place, HEIGHTS, STEP_M, REACH_M, 1.6, 10.0)
    assert seen_along(promised, 0.01)[1] == pytest.approx(6.0, abs=2 * STEP_M)
    assert seen_along(promised, 0.5) == pytest.approx((0.05, 10.0), abs=2 * STEP_M)
    assert seen_along(promised, 0.9) == (0.0, 0.0)


@pytest.mark.parametrize("far_m", [1e18, 1e20, 3.4e38])
def test_a_return_from_beyond_all_numbers_hides_and_occupies_nothing(far_m: float) -> None:
    place = at((0.0, 0.0, 0.6))
    near, both = (
        view_of_radar(scan, place, HEIGHTS, STEP_M, REACH_M, 1.6, 10.0)
        for scan in (radar((6.0, 0.3)), radar((6.0, 0.3), (far_m, 0.0)))
    )
    assert np.array_equal(both.occupied, near.occupied)
    assert np.array_equal(both.seen, near.seen)


def test_a_laser_s_zeros_are_no_echoes() -> None:
    zeros = LaserScan(np.zeros(41, np.float32), -0.6, 0.03, 0.0, 10.0, 1, "laser")
    view = view_of_scan(zeros, at((0.0, 0.0, 0.2)), HEIGHTS, STEP_M, REACH_M)
    assert not np.any(view.seen)


@pytest.mark.filterwarnings("error")
def test_points_from_beyond_all_numbers_show_nothing() -> None:
    wild = [(3e38, 3e38, -3e38), (3e38, 3e38, 3e38), (-3e38, 3e38, 0.0)] * 2
    view = view_of_cloud(cloud(*wild), at((0.0, 0.0, 1.4), 0.7), HEIGHTS, STEP_M, REACH_M)
    assert not np.any(view.seen)


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(
        st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 2, st.floats(-50, 50, width=32)), max_size=50
    ),
    height_m=st.floats(-1.0, 5.0),
)
def test_wild_clouds_give_a_view(points: list[tuple[float, ...]], height_m: float) -> None:
    view = view_of_cloud(
        cloud(*points), at((0.0, 0.0, height_m), 1.0, 0.3), HEIGHTS, STEP_M, REACH_M
    )
    assert view.seen.shape == view.occupied.shape
    assert np.all(view.seen | ~view.occupied)
