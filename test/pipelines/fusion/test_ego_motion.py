"""Where the robot was, and what is not believed of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_mm_ros.datatypes import InvalidInput, Odometry, RigidTransform
from edge_mm_ros.pipelines.fusion.ego_motion import EgoMotion

MS = 1_000_000


def at(
    stamp_ms: float,
    x: float = 0.0,
    y: float = 0.0,
    yaw: float = 0.0,
    speed: float = 0.0,
    turn: float = 0.0,
) -> Odometry:
    return Odometry(
        RigidTransform.from_xyz_rpy((x, y, 0.0), (0.0, 0.0, yaw)),
        np.array([speed, 0.0, 0.0]),
        np.array([0.0, 0.0, turn]),
        np.eye(6),
        np.eye(6),
        round(stamp_ms * MS),
        "odom",
        "base_link",
    )


def pose(ego: EgoMotion, stamp_ms: float, timeout_s: float = 0.3) -> tuple[float, float, float]:
    found = ego.pose_at(round(stamp_ms * MS), timeout_s)
    yaw = math.atan2(found.rotation[1, 0], found.rotation[0, 0])
    return float(found.translation_m[0]), float(found.translation_m[1]), yaw


def test_between_two_estimates_it_moves_evenly() -> None:
    ego = EgoMotion()
    ego.add(at(0, 1.0, 0.0, 3.0, speed=1.0))
    ego.add(at(100, 1.2, -0.4, -3.0))  # the yaw goes on past pi, not back through 0
    assert pose(ego, 0) == pytest.approx((1.0, 0.0, 3.0))
    x, y, yaw = pose(ego, 50)
    assert (x, y, abs(yaw)) == pytest.approx((1.1, -0.2, math.pi))


def test_estimates_may_overtake_each_other_a_little() -> None:
    ego = EgoMotion()
    for stamp_ms, x in ((0, 0.0), (100, 0.1), (50, 0.08)):
        assert ego.add(at(stamp_ms, x)) == ""
    assert pose(ego, 75)[0] == pytest.approx(0.09)


def test_after_the_newest_the_twist_goes_on() -> None:
    ego = EgoMotion()
    ego.add(at(0, 0.0, 0.0, 0.0, speed=1.0, turn=0.5))
    # An arc of radius 2 m.
    assert pose(ego, 200) == pytest.approx(
        (2.0 * math.sin(0.1), 2.0 * (1.0 - math.cos(0.1)), 0.1), abs=1e-3
    )


@pytest.mark.parametrize("stamp_ms", [-301, 301])
def test_too_far_from_any_estimate_there_is_no_pose(stamp_ms: float) -> None:
    ego = EgoMotion()
    with pytest.raises(InvalidInput, match="no odometry has come"):
        pose(ego, 1000)
    ego.add(at(1000))
    with pytest.raises(InvalidInput) as raised:
        pose(ego, 1000 + stamp_ms)
    assert raised.value.kind == "no_odometry"


def test_a_jump_is_told_and_what_was_before_is_forgotten() -> None:
    ego = EgoMotion()
    ego.add(at(0))
    assert ego.add(at(100, 10.0)) == "it jumped by 10.0 m and 0.00 rad"
    assert pose(ego, 50)[0] == 10.0
    assert ego.add(at(200, 10.0, yaw=2.0)) == "it jumped by 0.0 m and 2.00 rad"
    assert ego.add(at(-5000, 10.0)) == "its stamps jumped back by 5.2 s"


def test_speed_is_no_jump() -> None:
    ego = EgoMotion()
    assert [ego.add(at(200 * i, 6.0 * i, speed=30.0)) for i in range(50)] == [""] * 50


def test_old_estimates_are_forgotten() -> None:
    ego = EgoMotion()
    for index in range(1000):
        ego.add(at(20 * index))
    assert len(ego._poses) <= 251
