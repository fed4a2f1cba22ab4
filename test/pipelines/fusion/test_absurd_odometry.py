"""Whatever odometry tells: what stands before the robot is found there, or not called free."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mm_ros.datatypes import ImuReading, InvalidInput, Odometry, RadarScan, RigidTransform
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.sensor_fusion import FusionResult, SensorFusion

MS = 1_000_000
HERE = RigidTransform.from_xyz_rpy((0.0, 0.0, 0.5), (0.0, 0.0, 0.0))


class Rig:
    """A robot that stands 5 m before a thing, which its radar sees every 50 ms."""

    def __init__(self, **own_motion: str) -> None:
        self.told: list[str] = []
        self.stamp_ms = 0
        params = SensorFusionParams(
            cameras=(), radars=("radar",), obstacles={"ahead_m": 20.0}, **own_motion
        )
        self.fusion = SensorFusion(params, lambda topic, notice: self.told.append(notice.kind))

    def hear(self, x_m: float = 0.0, speed_mps: float = 0.0, turn_rate_radps: float = 0.0) -> None:
        """Odometry of now."""
        values = Odometry(
            RigidTransform.from_xyz_rpy((x_m, 0.0, 0.0), (0.0, 0.0, 0.0)),
            np.array([speed_mps, 0.0, 0.0]),
            np.array([0.0, 0.0, turn_rate_radps]),
            np.eye(6),
            np.eye(6),
            self.stamp_ms * MS,
            "odom",
            "base_link",
        )
        self.fusion.add_odometry(values)

    def turn(self, rate_radps: float) -> None:
        """The IMU's reading of now."""
        rate = np.array([0.0, 0.0, rate_radps])
        self.fusion.add_imu(ImuReading(rate, self.stamp_ms * MS, "imu"), HERE)

    def look(self) -> FusionResult:
        columns = [np.array([value]) for value in (5.0, 0.0, 0.0, 0.0, 10.0)]
        scan = RadarScan(*columns, self.stamp_ms * MS, "radar")
        result = self.fusion.add_radar("radar", scan, HERE)
        self.stamp_ms += 50
        return result


def assert_found(result: FusionResult) -> None:
    assert result.refused == ()
    (found,) = result.objects.objects
    assert found.position_m[0] == pytest.approx(5.2, abs=0.3)
    assert found.velocity_mps == pytest.approx(np.zeros(3), abs=0.2)


@pytest.mark.parametrize("absurd", [{"speed_mps": 1e8}, {"turn_rate_radps": 1e160}, {"x_m": 1e12}])
def test_one_absurd_message_is_refused_and_the_fusion_goes_on(absurd: dict[str, float]) -> None:
    rig = Rig(odometry="odom")
    for step in range(20):
        if step == 5:
            with pytest.raises(InvalidInput, match="it is left out"):
                rig.hear(**absurd)
        else:
            rig.hear()
        result = rig.look()
    assert_found(result)
    assert rig.told == []


def test_one_absurd_turn_rate_of_the_imu_is_refused_and_the_fusion_goes_on() -> None:
    rig = Rig(imu="imu")
    for step in range(20):
        if step == 5:
            with pytest.raises(InvalidInput, match="it is left out"):
                rig.turn(1e160)
        else:
            rig.turn(0.0)
        result = rig.look()
    assert_found(result)


def test_odometry_on_a_map_finds_objects_from_its_first_message_on() -> None:
    rig = Rig(odometry="odom")
    for _ in range(20):
        rig.hear(5.3e6)
        result = rig.look()
    assert_found(result)
    assert rig.told == []


def test_two_publishers_of_odometry_are_told_and_move_no_object() -> None:
    rig = Rig(odometry="odom")
    for _ in range(40):
        rig.hear(0.0)
        rig.hear(10.0)
        result = rig.look()
    assert_found(result)
    assert rig.told == ["odometry_jump"] * 40


def test_a_car_that_has_driven_100_km_still_finds_what_stands_before_it() -> None:
    rig = Rig(odometry="odom")
    for step in range(40):
        rig.hear(99_999.0 + 0.05 * step, speed_mps=1.0)
        result = rig.look()
    assert rig.told == ["odometry_jump"]
    near = [found for found in result.objects.objects if found.position_m[0] < 10.0]
    assert [found.position_m[0] for found in near] == pytest.approx([5.2], abs=0.3)
