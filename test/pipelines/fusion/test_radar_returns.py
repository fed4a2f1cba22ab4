"""Radar returns as measurements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import InvalidInput, RadarScan, RigidTransform
from edge_mm_ros.params.fusion_sensors import ObstacleParams, RadarNoise
from edge_mm_ros.pipelines.fusion.ego_motion import Twist
from edge_mm_ros.pipelines.fusion.finding import Finding, Found
from edge_mm_ros.pipelines.fusion.radar_returns import things_of
from edge_mm_ros.pipelines.tracking import Birth

FRONT = RigidTransform.from_xyz_rpy((1.0, 0.0, 0.5), (0.0, 0.0, 0.0))
STILL = Twist(np.zeros(3), np.zeros(3))


def scan(*returns: tuple[float, ...]) -> RadarScan:
    """Of range, azimuth, elevation and Doppler."""
    rows = np.array([(*row, -20.0) for row in returns], dtype=np.float64).reshape(-1, 5)
    return RadarScan(*rows.T, 0, "radar")


def measured(
    *returns: tuple[float, ...],
    place: RigidTransform = FRONT,
    twist: Twist = STILL,
    noise: RadarNoise | None = None,
    **way: Any,
) -> tuple[Finding, ...]:
    return heard(*returns, place=place, twist=twist, noise=noise, **way).things


def heard(
    *returns: tuple[float, ...],
    place: RigidTransform = FRONT,
    twist: Twist = STILL,
    noise: RadarNoise | None = None,
    **way: Any,
) -> Found:
    return things_of(
        scan(*returns),
        place,
        twist,
        noise or RadarNoise(),
        ObstacleParams(**way),
        source="radar:front",
        ground_z_m=0.0,
    )


def test_a_return_is_placed_in_the_robot_s_frame_with_its_radial_velocity() -> None:
    turned = RigidTransform.from_xyz_rpy((1.0, 0.0, 0.5), (0.0, 0.0, math.pi / 2))
    (thing,) = measured((2.0, 0.0, 0.0, -1.5), place=turned)
    # Straight along the sensor's axis, that is to the robot's left; its middle lies 0.2 m behind.
    assert thing.position_m == pytest.approx([1.0, 2.2, 0.5])
    assert (thing.label, thing.sources, thing.sized) == ("unknown", ("radar:front",), False)
    assert thing.birth is Birth.CONFIRMED
    assert thing.radial is not None
    assert thing.radial.speed_mps == pytest.approx(-1.5)
    assert thing.radial.sensor_position_m == pytest.approx([1.0, 0.0, 0.5])


def test_an_elevation_is_a_height() -> None:
    (thing,) = measured((5.0, 0.0, 0.2, 0.0))
    assert thing.position_m[2] == pytest.approx(0.5 + 5.2 * math.sin(0.2))


def test_the_error_grows_across_with_the_distance() -> None:
    noise = RadarNoise(range_sigma_m=0.1, azimuth_sigma_rad=0.02)
    (near,), (far,) = (measured((r, 0.0, 0.0, 0.0), noise=noise) for r in (5.0, 50.0))
    sigma = [np.sqrt(np.diag(one.covariance_m2)) for one in (near, far)]
    assert sigma[0][0] == pytest.approx(sigma[1][0])
    assert sigma[1][1] == pytest.approx(math.hypot(50.2 * 0.02, 0.2), rel=0.01)


def test_the_sensor_s_own_motion_is_taken_away() -> None:
    driving = Twist(np.array([10.0, 0.0, 0.0]), np.zeros(3))
    # A wall ahead comes nearer at 10 m/s, a car that goes 10 m/s as well keeps its distance.
    wall, car = measured(
        (20.0, 0.0, 0.0, -10.0), (20.5, 0.01, 0.0, 0.0), twist=driving, ahead_m=30.0
    )
    for thing in (wall, car):
        assert thing.radial is not None
        assert thing.radial.sensor_velocity_mps == pytest.approx([10.0, 0.0, 0.0])
    assert wall.radial is not None
    assert wall.radial.speed_mps == pytest.approx(-10.0)
    assert car.radial is not None
    assert car.radial.speed_mps == pytest.approx(0.0)


def test_a_turn_moves_a_sensor_that_sits_off_the_axis() -> None:
    turning = Twist(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    (thing,) = measured((5.0, 0.0, 0.0, 0.0), twist=turning)
    assert thing.radial is not None
    assert thing.radial.sensor_velocity_mps == pytest.approx([0.0, 1.0, 0.0])


def test_returns_of_one_thing_are_one_measurement_and_two_people_are_two() -> None:
    car = [(10.0, a, 0.0, 5.0) for a in (-0.12, 0.0, 0.12)]
    (one,) = measured(*car, ahead_m=30.0)
    assert one.position_m[1] == pytest.approx(0.0, abs=1e-9)
    people = [(10.0, -0.06, 0.0, 1.2), (10.0, 0.06, 0.0, 1.2), (10.0, 0.0, 0.0, -1.2)]
    assert len(measured(*people, ahead_m=30.0)) == 2  # 1.2 m apart and alike; one comes, one goes


def test_what_moves_is_never_gathered_with_the_wall_behind_it() -> None:
    found = measured((10.0, 0.0, 0.0, 0.9), (10.1, 0.02, 0.0, 0.0), (10.1, 0.04, 0.0, 0.0))
    assert len(found) == 2
    speeds = sorted(one.radial.speed_mps for one in found if one.radial is not None)
    assert speeds == pytest.approx([0.0, 0.9])


def test_out_of_the_way_a_return_only_corrects_what_is_followed() -> None:
    assert measured((40.0, 0.0, 0.0, -3.0))[0].birth is Birth.NEVER
    assert measured((40.0, 0.0, 0.0, -3.0), ahead_m=50.0)[0].birth is Birth.CONFIRMED


def test_a_flood_of_returns_begins_no_flood_of_objects() -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack(
        [rng.uniform(0.5, 90.0, 5000), rng.uniform(-1, 1, 5000), np.zeros(5000), np.zeros(5000)]
    )
    found = measured(*map(tuple, rows), max_objects=20)
    assert len(found) <= 1000
    assert sum(one.birth is Birth.CONFIRMED for one in found) <= 20


def test_an_empty_scan_is_no_measurement_and_a_negative_range_is_refused() -> None:
    assert measured() == ()
    with pytest.raises(InvalidInput, match=r"a range is -1 m") as raised:
        scan((-1.0, 0.0, 0.0, 0.0))
    assert raised.value.kind == "negative_range"


def test_what_is_left_out_is_told_with_its_distance() -> None:
    returns = [(2.0, 0.0, 0.0, 0.0), (4.0, 0.0, 0.0, 0.0), (6.0, 0.0, 0.0, 0.0)]
    few = heard(*returns, max_objects=2)
    assert few.complete_m == pytest.approx(6.0)
    assert few.limit is not None
    assert few.limit.kind == "too_many"
    assert heard(*returns).limit is None


def test_returns_beyond_the_nearest_thousand_are_told_where_they_may_be_in_the_way() -> None:
    returns = [(2.0 + 0.01 * n, 0.5, 0.0, 0.0) for n in range(1100)]
    assert heard(*returns).limit is None  # up to 12 m, and the way ends at 8 m
    cut = heard(*returns, ahead_m=20.0)
    assert cut.complete_m == pytest.approx(2.0 + 0.01 * 999)
    assert cut.limit is not None
