"""Own motion that no robot has is refused by name, before anything is built upon it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_mm_ros.datatypes import ImuReading, InvalidInput, Odometry, RigidTransform


def odometry(*, x_m: float = 0.0, speed_mps: float = 0.0, turn_rate_radps: float = 0.0) -> Odometry:
    return Odometry(
        RigidTransform(np.eye(3), np.array([x_m, 0.0, 0.0])),
        np.array([speed_mps, 0.0, 0.0]),
        np.array([0.0, 0.0, turn_rate_radps]),
        np.eye(6),
        np.eye(6),
        1,
        "odom",
        "base_link",
    )


def test_a_fast_car_on_a_map_of_the_earth_is_no_fault() -> None:
    told = odometry(x_m=6.4e6, speed_mps=-149.0, turn_rate_radps=49.0)
    assert told.velocity_mps[0] == -149.0
    assert ImuReading(np.array([0.0, -49.0, 0.0]), 1, "imu").turn_rate_radps[1] == -49.0


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ({"speed_mps": 1e8}, "too_fast", r"speed is 1e\+08 m/s, more than 150 m/s"),
        ({"speed_mps": -1e308}, "too_fast", r"speed is 1e\+308 m/s"),
        ({"turn_rate_radps": 1e160}, "too_fast", r"turn rate is 1e\+160 rad/s, more than 50 rad/s"),
        ({"x_m": -1e12}, "too_far", r"distance is 1e\+12 m, more than 1e\+09 m"),
        ({"speed_mps": math.inf}, "not_finite", "its velocity is not finite"),
    ],
)
def test_odometry_that_no_robot_has_is_refused(
    values: dict[str, float], kind: str, text: str
) -> None:
    with pytest.raises(InvalidInput, match=text) as raised:
        odometry(**values)
    assert raised.value.kind == kind


def test_a_turn_rate_that_no_robot_has_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'imu': its turn rate is 70.7107 rad/s") as raised:
        ImuReading(np.array([50.0, 50.0, 0.0]), 1, "imu")
    assert raised.value.kind == "too_fast"
