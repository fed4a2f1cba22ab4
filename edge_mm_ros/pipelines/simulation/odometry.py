"""Odometry that drifts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Odometry, RigidTransform
from edge_mm_ros.params.scenario_sensors import OdometrySensor
from edge_mm_ros.pipelines.simulation.measurement import Measurement
from edge_mm_ros.pipelines.simulation.scene import Snapshot

ODOMETRY_FRAME = "odom"
ROBOT_FRAME = "base_link"
_STANDING_MPS = 0.01
_STANDING_RADPS = 0.001
_FLAT_VARIANCE = 1e-6  # of height, roll and pitch, which stay zero on flat ground


class OdometryModel:
    """Integrates the robot's noisy speed and turn rate, from the origin on.

    Speeds are too large by a share, turns are biased, both are noisy; a standing robot is known
    to stand. The covariances are those of the noise that is really added.

    Args:
        sensor: its parameters.
    """

    def __init__(self, sensor: OdometrySensor) -> None:
        self._sensor = sensor
        self._last: tuple[float, NDArray[np.float64]] | None = None
        self._x = self._y = self._yaw = 0.0
        self._way_m = self._biased_s = self._noise_m2 = self._noise_rad2 = 0.0

    def measure(
        self, snapshot: Snapshot, stamp_ns: int, rng: np.random.Generator, *, blind: bool
    ) -> Measurement:
        """The estimate at this time; a scenario does not let odometry be blind."""
        sensor, robot = self._sensor, snapshot.robot
        cosine, sine = math.cos(robot.heading_rad), math.sin(robot.heading_rad)
        ahead = float(cosine * robot.velocity_mps[0] + sine * robot.velocity_mps[1])
        aside = float(cosine * robot.velocity_mps[1] - sine * robot.velocity_mps[0])
        noise = rng.normal(0.0, 1.0, 2)
        turn = robot.turn_rate_radps
        moves = math.hypot(ahead, aside) > _STANDING_MPS or abs(turn) > _STANDING_RADPS
        if moves:
            ahead = ahead * (1.0 + sensor.scale_error) + sensor.speed_sigma_mps * noise[0]
            aside = aside * (1.0 + sensor.scale_error)
            turn = turn + sensor.turn_bias_radps + sensor.turn_sigma_radps * noise[1]
        self._advance(snapshot.t_s, np.array([ahead, aside, turn]), moves)
        value = Odometry(
            RigidTransform.from_xyz_rpy((self._x, self._y, 0.0), (0.0, 0.0, self._yaw)),
            np.array([ahead, aside, 0.0]),
            np.array([0.0, 0.0, turn]),
            self._pose_covariance(),
            np.diag(
                [
                    sensor.speed_sigma_mps**2 + _FLAT_VARIANCE,
                    *(_FLAT_VARIANCE,) * 4,
                    sensor.turn_sigma_radps**2 + _FLAT_VARIANCE,
                ]
            ),
            stamp_ns,
            ODOMETRY_FRAME,
            ROBOT_FRAME,
        )
        return Measurement(((sensor.name, value),))

    def _advance(self, t_s: float, speeds: NDArray[np.float64], moves: bool) -> None:
        last_s, last = self._last or (t_s, speeds)
        self._last = (t_s, speeds)
        step = t_s - last_s
        ahead, aside, turn = (float(value) * step for value in (last + speeds) / 2.0)
        middle = self._yaw + turn / 2.0
        self._x += ahead * math.cos(middle) - aside * math.sin(middle)
        self._y += ahead * math.sin(middle) + aside * math.cos(middle)
        self._yaw += turn
        if moves:
            self._way_m += math.hypot(ahead, aside)
            self._biased_s += step
            self._noise_m2 += (step * self._sensor.speed_sigma_mps) ** 2
            self._noise_rad2 += (step * self._sensor.turn_sigma_radps) ** 2

    def _pose_covariance(self) -> NDArray[np.float64]:
        sensor = self._sensor
        yaw = (sensor.turn_bias_radps * self._biased_s) ** 2 + self._noise_rad2 + _FLAT_VARIANCE
        along = (sensor.scale_error * self._way_m) ** 2 + self._noise_m2 + _FLAT_VARIANCE
        # A wrong heading moves the place sideways, by at most the way that was made.
        place = along + yaw * self._way_m**2
        return np.diag([place, place, *(_FLAT_VARIANCE,) * 3, yaw])
