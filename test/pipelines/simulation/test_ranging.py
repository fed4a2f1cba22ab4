"""LiDAR, laser scanner, ultrasonic sensor and radar against distances worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from fakes.scenes import (
    QUIET_LIDAR,
    QUIET_RADAR,
    QUIET_ULTRASONIC,
    actor,
    measure,
    scenario_of,
)

from edge_mm_ros.datatypes import LaserScan, PointCloud, RadarScan, RangeReading

WALL = {"from_m": [5.0, -50.0], "to_m": [5.0, 50.0], "thickness_m": 0.2, "height_m": 30.0}


def value_of(sensor: dict[str, Any], *actors: dict[str, Any], seed: int = 1, **more: Any) -> Any:
    scenario = scenario_of(*actors, sensors=[sensor], **more)
    return measure(scenario, t_s=0.5, seed=seed).outputs[0][1]


# LiDAR -----------------------------------------------------------------------------------------


def test_lidar_points_lie_on_the_wall_and_on_the_ground() -> None:
    cloud = value_of(QUIET_LIDAR, walls=[WALL])
    assert isinstance(cloud, PointCloud)
    on_wall = np.isclose(cloud.points_m[:, 0], 4.9, atol=1e-4)
    on_ground = np.isclose(cloud.points_m[:, 2], -1.0, atol=1e-4)
    assert np.all(on_wall | on_ground)
    assert on_wall.sum() > 500
    assert on_ground.sum() > 500


def test_a_tilted_mounting_turns_the_cloud_not_the_world() -> None:
    tilted = {**QUIET_LIDAR, "place": {"xyz_m": [1.0, 0.0, 1.5], "rpy_rad": [0.0, 0.2, 0.5]}}
    scenario = scenario_of(sensors=[tilted], walls=[WALL])
    cloud = measure(scenario).outputs[0][1]
    assert isinstance(cloud, PointCloud)
    world = scenario.sensors[0].place.pose().apply(cloud.points_m)
    on_wall = np.isclose(world[:, 0], 4.9, atol=1e-4)
    assert np.all(on_wall | np.isclose(world[:, 2], 0.0, atol=1e-4))


def test_a_place_error_moves_the_cloud_against_what_is_said() -> None:
    moved = {**QUIET_LIDAR, "place_error": {"xyz_m": [0.5, 0.0, 0.0]}}
    cloud = value_of(moved, walls=[WALL])
    assert np.isclose(cloud.points_m[:, 0].max(), 4.4, atol=1e-4)


def test_lidar_noise_losses_and_limits() -> None:
    assert len(value_of({**QUIET_LIDAR, "point_drop_share": 1.0}, walls=[WALL]).points_m) == 0
    near = value_of({**QUIET_LIDAR, "max_range_m": 4.5}, walls=[WALL])
    assert np.linalg.norm(near.points_m, axis=1).max() <= 4.5 + 1e-5
    whole = len(value_of(QUIET_LIDAR, walls=[WALL]).points_m)
    kept = len(value_of({**QUIET_LIDAR, "point_drop_share": 0.25}, walls=[WALL]).points_m)
    assert kept / whole == pytest.approx(0.75, abs=0.02)
    noisy = value_of(
        {
            **QUIET_LIDAR,
            "range_sigma_m": 0.05,
            "rings": 1,
            "elevation_min_rad": 0.0,
            "elevation_max_rad": 0.0,
            "max_range_m": 6.0,
        },
        walls=[WALL],
    )
    distance = np.linalg.norm(noisy.points_m, axis=1)
    bearing = np.arctan2(noisy.points_m[:, 1], noisy.points_m[:, 0])
    assert np.std(distance - 4.9 / np.cos(bearing)) == pytest.approx(0.05, rel=0.2)


def test_fog_loses_echoes_with_the_distance_and_throws_some_back_early() -> None:
    sensor = {**QUIET_LIDAR, "clutter_share": 0.3}
    level = {"rings": 1, "elevation_min_rad": 0.0, "elevation_max_rad": 0.0, "columns": 4000}
    cloud = value_of({**sensor, **level}, walls=[WALL], visibility_m=39.12)  # 0.1 per metre
    ahead = cloud.points_m[np.abs(np.arctan2(cloud.points_m[:, 1], cloud.points_m[:, 0])) < 0.3]
    beams = 0.6 / (2.0 * math.pi) * 4000
    early = ahead[:, 0] < 4.8
    # Thrown back before 4.9 m with an exponential of 0.2 per metre, from 0.1 m on.
    assert early.sum() / beams == pytest.approx(0.3 * (1 - math.exp(-0.2 * 4.8)), abs=0.06)
    thrown = 0.3 * (1 - math.exp(-0.2 * 4.8))
    assert (~early).sum() / beams == pytest.approx((1 - thrown) * math.exp(-0.1 * 4.9), abs=0.06)


def test_who_is_seen_is_told() -> None:
    hidden, shown = actor("hidden", "person", (8.0, 0.0)), actor("shown", "person", (4.0, 2.0))
    scenario = scenario_of(hidden, shown, sensors=[QUIET_LIDAR], walls=[WALL])
    assert measure(scenario).seen == ("shown",)
    assert measure(scenario, blind=True).seen == ()


# Laser scanner ---------------------------------------------------------------------------------


def test_a_laser_scan_measures_in_its_plane() -> None:
    sensor = {
        "kind": "laser",
        "name": "laser",
        "place": {"xyz_m": [0, 0, 0.3]},
        "beams": 3,
        "field_of_view_rad": 1.0,
        "range_sigma_m": 0.0,
        "beam_drop_share": 0.0,
    }
    scan = value_of(sensor, walls=[WALL])
    assert isinstance(scan, LaserScan)
    assert scan.ranges_m == pytest.approx([4.9 / math.cos(0.5), 4.9, 4.9 / math.cos(0.5)])
    assert scan.angle_min_rad + 2 * scan.angle_step_rad == pytest.approx(0.5)
    assert np.all(np.isinf(value_of(sensor).ranges_m))


# Ultrasonic ------------------------------------------------------------------------------------


def reading(*actors: dict[str, Any], **more: Any) -> float:
    value = value_of({**QUIET_ULTRASONIC, **more}, *actors)
    assert isinstance(value, RangeReading)
    return value.range_m


def test_an_ultrasonic_sensor_tells_the_nearest_in_its_cone() -> None:
    near = actor("near", "obstacle", (2.0, 0.0), size_m=[1.0, 1.0, 1.0])
    far = actor("far", "obstacle", (3.5, 0.0), size_m=[0.4, 0.4, 1.0])
    assert reading(near, far) == pytest.approx(1.5, abs=0.01)


def test_what_is_beside_the_cone_or_out_of_reach_gives_no_echo() -> None:
    assert reading() == math.inf
    assert reading(actor("beside", "obstacle", (1.0, 2.0))) == math.inf
    assert reading(actor("far", "obstacle", (6.0, 0.0))) == math.inf


def test_what_is_too_near_to_tell_is_minus_infinity() -> None:
    assert reading(actor("touching", "obstacle", (0.65, 0.0))) == -math.inf


def test_a_lost_echo_is_no_echo() -> None:
    assert reading(actor("near", "obstacle", (2.0, 0.0)), miss_share=1.0) == math.inf


# Radar -----------------------------------------------------------------------------------------


def scan_of(*actors: dict[str, Any], seed: int = 1, **more: Any) -> RadarScan:
    changed = more.pop("sensor", {})
    value = value_of({**QUIET_RADAR, **changed}, *actors, seed=seed, **more)
    assert isinstance(value, RadarScan)
    return value


def test_a_radar_tells_distance_bearing_and_approach() -> None:
    coming = actor("coming", "person", (11.0, 0.0), (9.0, 0.0))  # at 10 m, 2 m/s
    scan = scan_of(coming)
    assert len(scan) == 1
    assert 9.74 <= scan.range_m[0] <= 9.95  # from the nearest point to beside the axis
    assert scan.azimuth_rad[0] == pytest.approx(0.0, abs=0.03)
    assert scan.doppler_mps[0] == pytest.approx(-2.0, abs=0.05)


def test_left_is_positive_and_a_crossing_has_the_radial_part_only() -> None:
    crossing = actor("crossing", "person", (6.0, 5.0), (6.0, 3.0))
    scan = scan_of(crossing)
    azimuth = float(scan.azimuth_rad[0])
    assert azimuth == pytest.approx(math.atan2(4.0, 6.0), abs=0.05)
    assert scan.doppler_mps[0] == pytest.approx(-2.0 * math.sin(azimuth), abs=0.1)


def test_the_robot_s_own_motion_is_in_the_doppler() -> None:
    robot = {"path": [{"t_s": 0.0, "xy_m": [0.0, 0.0]}, {"t_s": 1.0, "xy_m": [3.0, 0.0]}]}
    standing = actor("standing", "person", (10.0, 0.0))
    assert scan_of(standing, robot=robot).doppler_mps[0] == pytest.approx(-3.0, abs=0.05)


def test_a_turning_robot_moves_a_sensor_on_its_lever() -> None:
    turn = {
        "path": [
            {"t_s": 0.0, "xy_m": [0, 0], "heading_rad": -0.5},
            {"t_s": 1.0, "xy_m": [0, 0], "heading_rad": 0.5},
        ]
    }
    lever = {"place": {"xyz_m": [0.0, 1.0, 0.5]}}  # 1 m to the left: goes back at 1 m/s
    standing = actor("standing", "obstacle", (10.0, 1.0))
    scan = scan_of(standing, robot=turn, sensor=lever)
    assert scan.doppler_mps[0] == pytest.approx(1.0, abs=0.1)


def test_a_radar_sees_neither_through_walls_nor_out_of_its_view() -> None:
    hidden = actor("hidden", "car", (10.0, 0.0))
    scenario = scenario_of(hidden, sensors=[QUIET_RADAR], walls=[WALL])
    assert measure(scenario).seen == ()
    assert len(scan_of(actor("beside", "car", (0.0, 8.0)))) == 0
    assert len(scan_of(actor("behind", "car", (-8.0, 0.0)))) == 0
    assert len(scan_of(actor("ahead", "car", (8.0, 0.0)), visibility_m=20.0)) > 0


def test_walls_give_standing_returns() -> None:
    scan = scan_of(walls=[WALL])
    assert len(scan) > 2
    assert scan.range_m * np.cos(scan.azimuth_rad) == pytest.approx(4.9, abs=1e-3)
    assert scan.doppler_mps == pytest.approx(0.0, abs=1e-9)


def test_false_returns_come_as_often_as_they_should() -> None:
    counts = [len(scan_of(sensor={"false_per_scan": 1.5}, seed=s)) for s in range(200)]
    assert np.mean(counts) == pytest.approx(1.5, abs=0.3)
