"""Where the robot believes to be, and how it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput
from edge_mm_ros.datatypes.geometry import RigidTransform

# No robot or car moves so; what tells so is a broken estimate, or one in other units.
MAX_SPEED_MPS = 150.0
MAX_TURN_RATE_RADPS = 50.0
# The centre of the Earth is 6.4e6 m away; further than this, millimetres are lost.
_LARGEST_M = 1e9


@dataclass(frozen=True, eq=False)
class Odometry:
    """One estimate of the robot's motion (``nav_msgs/Odometry``, REP-105).

    Attributes:
        pose: the odometry frame from the robot's frame, at most 1e9 m apart.
        velocity_mps: float64 (3,), of the robot, in its own axes, at most `MAX_SPEED_MPS`.
        turn_rate_radps: float64 (3,), about its own axes, at most `MAX_TURN_RATE_RADPS`.
        pose_covariance: float64 (6, 6), of x y z and the turns about x y z.
        twist_covariance: float64 (6, 6), of the velocity and the turn rate.
        stamp_ns: time of the estimate, nanoseconds.
        frame_id: the odometry frame, for example ``odom``.
        child_frame_id: the robot's frame, for example ``base_link``.
    """

    pose: RigidTransform
    velocity_mps: NDArray[np.float64]
    turn_rate_radps: NDArray[np.float64]
    pose_covariance: NDArray[np.float64]
    twist_covariance: NDArray[np.float64]
    stamp_ns: int
    frame_id: str
    child_frame_id: str

    def __post_init__(self) -> None:
        expected = {
            "velocity": (self.velocity_mps, (3,)),
            "turn rate": (self.turn_rate_radps, (3,)),
            "pose covariance": (self.pose_covariance, (6, 6)),
            "twist covariance": (self.twist_covariance, (6, 6)),
        }
        where = f"odometry of '{self.child_frame_id}'"
        for name, (values, shape) in expected.items():
            if values.shape != shape:
                raise InvalidInput("shape", f"{where}: expected {name} {shape}, got {values.shape}")
            if not np.all(np.isfinite(values)):
                raise InvalidInput("not_finite", f"{where}: its {name} is not finite")
        bounds = (
            ("too_far", "distance", self.pose.translation_m, _LARGEST_M, "m"),
            ("too_fast", "speed", self.velocity_mps, MAX_SPEED_MPS, "m/s"),
            ("too_fast", "turn rate", self.turn_rate_radps, MAX_TURN_RATE_RADPS, "rad/s"),
        )
        for kind, name, vector, largest, unit in bounds:
            value = math.hypot(*vector.tolist())
            if value > largest:
                raise InvalidInput(
                    kind,
                    f"{where}: its {name} is {value:g} {unit}, more than {largest:g} {unit}; it is "
                    "left out, its publisher or its units are to be checked",
                )
