"""Where the robot was, and what is not believed of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from edge_mm_ros.datatypes import Odometry, RigidTransform
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


def pose(ego: EgoMotion, stamp_ms: float) -> tuple[float, float, float]:
    found = ego.pose_at(round(stamp_ms * MS))
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


@pytest.mark.parametrize(
    ("late", "told"),
    [
        (at(100, 10.1), "it lies 10.0 m and 0.00 rad from where"),
        (at(100, 0.1, yaw=2.0), "it lies 0.0 m and 2.00 rad from where"),
        (at(50, 10.05), "it lies 10.0 m and 0.00 rad from where"),
    ],
)
def test_what_contradicts_a_pose_that_is_known_is_told_and_left_out(
    late: Odometry, told: str
) -> None:
    ego = EgoMotion()
    ego.add(at(0, 0.0, speed=1.0))
    ego.add(at(100, 0.1, speed=1.0))
    assert ego.add(late).startswith(told)
    for stamp_ms in (0, 25, 50, 75, 100, 150):
        assert pose(ego, stamp_ms) == pytest.approx((stamp_ms / 1000.0, 0.0, 0.0))


def test_two_publishers_of_one_topic_do_not_move_the_frame() -> None:
    ego = EgoMotion()
    told = []
    for index in range(50):
        ego.add(at(20 * index, 0.02 * index, speed=1.0))
        told.append(ego.add(at(20 * index, 10.0 + 0.02 * index, speed=1.0)))
    assert all(told)
    assert pose(ego, 980)[0] == pytest.approx(0.98)


def test_of_two_messages_of_one_stamp_the_first_counts() -> None:
    ego = EgoMotion()
    ego.add(at(0, 0.0, speed=1.0))
    assert ego.add(at(0, 0.5, speed=-1.0)) == ""
    assert pose(ego, 100)[0] == pytest.approx(0.1)


def test_after_the_newest_the_twist_goes_on() -> None:
    ego = EgoMotion()
    ego.add(at(0, 0.0, 0.0, 0.0, speed=1.0, turn=0.5))
    # An arc of radius 2 m.
    assert pose(ego, 200) == pytest.approx(
        (2.0 * math.sin(0.1), 2.0 * (1.0 - math.cos(0.1)), 0.1), abs=1e-3
    )


def test_after_the_timeout_the_frame_goes_along_with_the_robot() -> None:
    ego = EgoMotion(timeout_s=0.3)
    ego.add(at(0, 5.0, speed=1.0))
    assert [ego.holds_at(ms * MS) for ms in (-301, -300, 300, 301)] == [False, True, True, False]
    assert pose(ego, 300)[0] == pytest.approx(5.3)
    assert pose(ego, 900)[0] == pytest.approx(5.3)
    assert ego.twist_at(900 * MS).velocity_mps == pytest.approx(np.zeros(3))
    assert ego.silence_s(900 * MS) == pytest.approx(0.9)


def test_odometry_that_comes_back_takes_nothing_out_of_place() -> None:
    ego = EgoMotion(timeout_s=0.3)
    ego.add(at(0, 5.0, speed=1.0))
    assert ego.add(at(1000, 100.0, speed=2.0)) == ""  # wherever it is now: nobody knows how
    assert pose(ego, 600)[0] == pytest.approx(5.3)
    assert pose(ego, 1000)[0] == pytest.approx(5.3)
    assert ego.add(at(1100, 100.2, speed=2.0)) == ""
    assert pose(ego, 1100)[0] == pytest.approx(5.5)


def test_before_the_first_estimate_the_frame_is_the_robot_s_and_stays() -> None:
    ego = EgoMotion()
    assert ego.silence_s(0) is None
    assert not ego.holds_at(0)
    assert pose(ego, 0) == (0.0, 0.0, 0.0)
    ego.add(at(100, 7.0, 3.0, 1.0))
    assert pose(ego, 100) == pytest.approx((0.0, 0.0, 0.0))


def test_odometry_that_begins_far_away_begins_at_the_robot() -> None:
    ego = EgoMotion()
    ego.add(at(0, 6.9e5, 5.3e6, 1.0))  # as on a map (UTM)
    assert pose(ego, 0) == pytest.approx((0.0, 0.0, 0.0))
    ahead = (6.9e5 + math.cos(1.0), 5.3e6 + math.sin(1.0))
    assert ego.add(at(1000, *ahead, 1.0)) == ""


def test_after_100_km_the_frame_begins_anew_and_its_past_moves_along() -> None:
    ego = EgoMotion()
    for index in range(5):
        assert ego.add(at(100 * index, 99_985.0 + 3.0 * index, speed=30.0)) == ""
    told = ego.add(at(500, 100_000.5, speed=30.0))
    assert told.startswith("more than 100 km from where it began, the frame of the objects begins")
    assert [pose(ego, ms)[0] for ms in (0, 450, 500)] == pytest.approx([-15.5, -1.75, 0.0])
    assert ego.add(at(600, 100_003.5, speed=30.0)) == ""
    assert pose(ego, 600)[0] == pytest.approx(3.0)
    assert ego.add(at(550, 100_002.0, speed=30.0)) == ""  # a late one is of the same frame
    assert pose(ego, 550)[0] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("jump", "told"),
    [
        (at(100, 10.1), "it jumped by 10.0 m and 0.00 rad"),
        (at(100, 0.1, yaw=2.0), "it jumped by 0.0 m and 2.00 rad"),
    ],
)
def test_a_jump_is_told_and_the_robot_goes_on_from_where_it_was(jump: Odometry, told: str) -> None:
    ego = EgoMotion()
    ego.add(at(0, speed=1.0))
    assert ego.add(jump).startswith(f"{told}; objects are followed on")
    assert pose(ego, 100) == pytest.approx((0.1, 0.0, 0.0))
    assert ego.add(at(50, 77.0)) == ""  # late, of the frame that holds no more: left out
    assert pose(ego, 50) == pytest.approx((0.05, 0.0, 0.0))


def test_stamps_that_jump_back_are_told_and_what_was_before_is_forgotten() -> None:
    ego = EgoMotion()
    ego.add(at(5000, 1.0))
    assert ego.add(at(0, 2.0)).startswith("its stamps jumped back by 5.0 s; objects are followed")
    assert pose(ego, 0)[0] == 1.0  # the robot is where it was, so that nothing is out of place


def test_the_twist_lies_between_two_estimates() -> None:
    ego = EgoMotion()
    ego.add(at(0, speed=1.0))
    ego.add(at(100, 0.15, speed=2.0, turn=0.4))
    twist = ego.twist_at(50 * MS)
    assert (twist.velocity_mps[0], twist.turn_rate_radps[2]) == pytest.approx((1.5, 0.2))


def test_turn_rates_alone_turn_the_frame() -> None:
    ego = EgoMotion()
    for index in range(101):
        ego.add_turn_rate(index * 10 * MS, np.array([0.0, 0.0, 0.5]), alone=True)
    assert pose(ego, 1000) == pytest.approx((0.0, 0.0, 0.5))
    assert pose(ego, 1100)[2] == pytest.approx(0.55)
    assert ego.twist_at(1000 * MS).velocity_mps == pytest.approx(np.zeros(3))
    ego.add_turn_rate(9000 * MS, np.array([0.0, 0.0, 0.5]), alone=True)  # after a silence
    assert abs(pose(ego, 9000)[2]) < 0.7


def test_turn_rates_that_come_back_turn_the_frame_as_before() -> None:
    ego = EgoMotion(timeout_s=0.3)
    rate = np.array([0.0, 0.0, 0.5])
    for stamp_ms in (*range(0, 101, 10), *range(9000, 9101, 10)):
        assert ego.add_turn_rate(stamp_ms * MS, rate, alone=True) == ""
    assert pose(ego, 9000)[2] == pytest.approx(0.05 + 0.5 * 0.3)
    assert pose(ego, 9100)[2] == pytest.approx(0.05 + 0.5 * 0.3 + 0.05)


def test_a_turn_rate_newer_than_the_odometry_refines_it() -> None:
    ego = EgoMotion()
    ego.add(at(0, speed=0.0, turn=0.0))
    ego.add_turn_rate(10 * MS, np.array([0.0, 0.0, 1.0]), alone=False)
    assert pose(ego, 200)[2] == pytest.approx(0.2)
    ego.add(at(20, turn=0.0))
    assert pose(ego, 200)[2] == pytest.approx(0.0)


def test_speed_is_no_jump() -> None:
    ego = EgoMotion()
    assert [ego.add(at(200 * i, 6.0 * i, speed=30.0)) for i in range(50)] == [""] * 50


def test_old_estimates_are_forgotten() -> None:
    ego = EgoMotion()
    for index in range(1000):
        ego.add(at(20 * index))
    assert len(ego._poses) <= 251


def test_turns_about_any_axis_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    for scale in (1e-9, 1e-4, 0.5, 2.0, 2.9):
        for _ in range(20):
            axis = rng.normal(size=3)
            vector = scale * axis / np.linalg.norm(axis)
            ego = EgoMotion(timeout_s=2.0)
            spinning = at(0)
            ego.add(replace(spinning, turn_rate_radps=vector))
            found = ego.pose_at(1000 * MS).rotation
            assert found == pytest.approx(Rotation.from_rotvec(vector).as_matrix(), abs=1e-12)
            ego.reset()
            ego.add(spinning)
            turned = RigidTransform(Rotation.from_rotvec(vector / 3.0).as_matrix(), np.zeros(3))
            ego.add(replace(spinning, pose=turned, stamp_ns=100 * MS))
            half = ego.pose_at(50 * MS).rotation
            assert half == pytest.approx(Rotation.from_rotvec(vector / 6.0).as_matrix(), abs=1e-9)
