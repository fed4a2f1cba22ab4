"""Where the robot believes to be, and how it moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput
from edge_mm_ros.datatypes.geometry import RigidTransform


@dataclass(frozen=True, eq=False)
class Odometry:
    """One estimate of the robot's motion (``nav_msgs/Odometry``, REP-105).

    Attributes:
        pose: the odometry frame from the robot's frame.
        velocity_mps: float64 (3,), of the robot, in its own axes.
        turn_rate_radps: float64 (3,), about its own axes.
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
