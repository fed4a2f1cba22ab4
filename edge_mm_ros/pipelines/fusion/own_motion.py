"""The robot's own motion as the parameters name it, and what is told where it is not known."""

from __future__ import annotations

from collections.abc import Callable

from edge_mm_ros.datatypes import ImuReading, InvalidInput, Odometry, RigidTransform
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.arrivals import Arrival
from edge_mm_ros.pipelines.fusion.ego_motion import EgoMotion, Twist


class OwnMotion:
    """Follows the robot by odometry, by an IMU, or not at all.

    Args:
        params: their topics, and how long each holds.
        on_notice: told a topic and what is not as it should be.
    """

    def __init__(
        self, params: SensorFusionParams, on_notice: Callable[[str, InvalidInput], None]
    ) -> None:
        self._on_notice = on_notice
        self._ego = EgoMotion()
        self.params = params

    @property
    def params(self) -> SensorFusionParams:
        """The parameters."""
        return self._params

    @params.setter
    def params(self, params: SensorFusionParams) -> None:
        self._params = params
        self._ego.timeout_s = params.odometry_timeout_s

    def reset(self) -> None:
        """Forget where the robot was."""
        self._ego.reset()

    def add_odometry(self, odometry: Odometry) -> None:
        """Take an estimate.

        Raises:
            InvalidInput: of the kind ``frame``: it is the motion of another frame.
        """
        if odometry.child_frame_id != self.params.robot_frame:
            raise InvalidInput(
                "frame",
                f"the odometry is that of '{odometry.child_frame_id}', expected robot_frame, "
                f"'{self.params.robot_frame}'",
            )
        self._tell_jump(self.params.odometry, self._ego.add(odometry))

    def add_imu(self, reading: ImuReading, robot_from_imu: RigidTransform) -> None:
        """Take a turn rate: alone where there is no odometry, else between its messages."""
        rate = robot_from_imu.rotation @ reading.turn_rate_radps
        alone = not self.params.odometry
        why = self._ego.add_turn_rate(reading.stamp_ns, rate, alone=alone)
        self._tell_jump(self.params.imu, why)

    def pose_at(self, stamp_ns: int) -> RigidTransform | None:
        """The frame in which objects are followed from the robot's at a time.

        None where it is the robot's own, because no odometry and no IMU is listed.
        """
        if not (self.params.odometry or self.params.imu):
            return None
        return self._ego.pose_at(stamp_ns)

    def twist_at(self, stamp_ns: int) -> Twist:
        """How the robot moves against that frame at a time."""
        return self._ego.twist_at(stamp_ns)

    def tell_gap(self, arrival: Arrival) -> None:
        """Tell where the robot's motion is expected, and not known at a measurement."""
        topic = self.params.odometry or self.params.imu
        if not topic or self._ego.holds_at(arrival.stamp_ns):
            return
        gap_s = self._ego.silence_s(arrival.stamp_ns)
        since = "none has come yet" if gap_s is None else f"the newest lies {gap_s:.2f} s before"
        self._on_notice(
            topic,
            InvalidInput(
                "no_odometry",
                f"the robot's own motion is not known at a measurement of '{arrival.sensor}', "
                f"{since}; objects are followed as the robot sees them move",
            ),
        )

    def _tell_jump(self, topic: str, why: str) -> None:
        if why:
            self._on_notice(topic, InvalidInput("odometry_jump", why))
