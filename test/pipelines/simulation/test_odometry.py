"""Odometry against the way that was really made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes.scenes import QUIET_ODOMETRY, records, scenario_of

from edge_mm_ros.datatypes import Odometry
from edge_mm_ros.pipelines.simulation.scene import Scene

CURVE = [
    {"t_s": 0.0, "xy_m": [2.0, 1.0]},
    {"t_s": 5.0, "xy_m": [8.0, 2.0]},
    {"t_s": 10.0, "xy_m": [9.0, 8.0]},
]


def odometry(path: list[dict[str, Any]], seed: int = 0, **changed: Any) -> list[Odometry]:
    sensor = {**QUIET_ODOMETRY, **changed}
    scenario = scenario_of(sensors=[sensor], robot={"path": path}, duration_s=10.0)
    found = [record.value for record in records(scenario, "odom", seed)]
    assert all(isinstance(value, Odometry) for value in found)
    return found  # type: ignore[return-value]


def test_without_errors_it_follows_the_robot_from_where_it_began() -> None:
    found = odometry(CURVE)
    scene = Scene(scenario_of(robot={"path": CURVE}, duration_s=10.0))
    begin = scene.at(0.0).robot_pose.inverse()
    for index in (100, 300, 499):
        real = begin @ scene.at(index / 50.0).robot_pose
        assert found[index].pose.translation_m == pytest.approx(real.translation_m, abs=0.02)
        assert found[index].pose.rotation == pytest.approx(real.rotation, abs=0.01)
    assert (found[0].frame_id, found[0].child_frame_id) == ("odom", "base_link")


def test_a_scale_error_makes_the_way_longer() -> None:
    straight = [{"t_s": 0.0, "xy_m": [0.0, 0.0]}, {"t_s": 10.0, "xy_m": [20.0, 0.0]}]
    last = odometry(straight, scale_error=0.1)[-1]
    assert last.pose.translation_m[0] == pytest.approx(22.0 * 0.998, abs=0.01)  # until 9.98 s
    assert last.velocity_mps[0] == pytest.approx(2.2)


def test_a_turn_bias_bends_the_way() -> None:
    straight = [{"t_s": 0.0, "xy_m": [0.0, 0.0]}, {"t_s": 10.0, "xy_m": [10.0, 0.0]}]
    last = odometry(straight, turn_bias_radps=0.02)[-1]
    # A circle of radius v / bias = 50 m: after s metres it is off by r (1 - cos(s / r)).
    assert last.pose.translation_m[1] == pytest.approx(50.0 * (1 - np.cos(9.98 / 50.0)), rel=1e-3)


def test_a_standing_robot_is_known_to_stand() -> None:
    still = [{"t_s": 0.0, "xy_m": [1.0, 0.0]}]
    found = odometry(still, turn_bias_radps=0.1, speed_sigma_mps=0.5)
    assert not found[-1].pose.translation_m.any()
    assert np.array_equal(found[0].pose_covariance, found[-1].pose_covariance)


def test_the_covariance_grows_and_covers_the_drift() -> None:
    noise = {
        "scale_error": 0.01,
        "turn_bias_radps": 0.002,
        "speed_sigma_mps": 0.05,
        "turn_sigma_radps": 0.02,
    }
    scene = Scene(scenario_of(robot={"path": CURVE}, duration_s=10.0))
    real = scene.at(0.0).robot_pose.inverse() @ scene.at(9.98).robot_pose
    inside = 0
    for seed in range(20):
        found = odometry(CURVE, seed, **noise)
        sigmas = np.sqrt([np.trace(one.pose_covariance[:2, :2]) for one in found])
        assert np.all(np.diff(sigmas) >= 0.0)
        error = float(np.linalg.norm((found[-1].pose.translation_m - real.translation_m)[:2]))
        inside += error <= 2.5 * sigmas[-1]
    assert inside >= 18
