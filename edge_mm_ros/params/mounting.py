"""Where a sensor sits on the robot."""

from __future__ import annotations

from enum import Enum

import numpy as np
from pydantic import model_validator

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.params.base import StrictModel, parameter

# REP-103: an optical frame has x right, y down, z forward; a body frame x forward, y left, z up.
BODY_FROM_OPTICAL = RigidTransform(
    np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.zeros(3)
)


class MountingFrame(Enum):
    """Which of a camera's two frames its mounting describes."""

    BODY = "body"
    OPTICAL = "optical"


class Mounting(StrictModel):
    """Where a sensor's frame sits in the robot's frame; all empty means that it is not known."""

    xyz_m: tuple[float, ...] = parameter((), "Position in the robot's frame: x, y, z.", unit="m")
    rpy_rad: tuple[float, ...] = parameter(
        (), "Roll, pitch, yaw about the robot's x, y, z; a positive pitch looks down.", unit="rad"
    )
    quaternion_xyzw: tuple[float, ...] = parameter(
        (), "Orientation as a quaternion x, y, z, w, instead of rpy_rad."
    )

    @model_validator(mode="after")
    def _check_complete(self) -> Mounting:
        for name, length in (("xyz_m", 3), ("rpy_rad", 3), ("quaternion_xyzw", 4)):
            given = len(getattr(self, name))
            if given not in {0, length}:
                raise ValueError(f"{name} needs {length} numbers, got {given}")
        if self.rpy_rad and self.quaternion_xyzw:
            raise ValueError("give either rpy_rad or quaternion_xyzw, not both")
        if bool(self.xyz_m) != bool(self.rpy_rad or self.quaternion_xyzw):
            raise ValueError("a mounting needs xyz_m and one of rpy_rad and quaternion_xyzw")
        self.pose()
        return self

    def pose(self) -> RigidTransform | None:
        """The robot's frame from the described frame; None where it is not known.

        Raises:
            InvalidInput: the quaternion's norm is not 1.
        """
        if not self.xyz_m:
            return None
        if self.quaternion_xyzw:
            return RigidTransform.from_quaternion(self.xyz_m, self.quaternion_xyzw)
        return RigidTransform.from_xyz_rpy(self.xyz_m, self.rpy_rad)


class CameraMounting(Mounting):
    """Where a camera sits: the pose of its body (x along the view) or of its optical frame."""

    frame: MountingFrame = parameter(
        MountingFrame.BODY,
        "What the pose describes: body (x forward, z up) or optical (z forward, y down).",
    )

    def robot_from_optical(self) -> RigidTransform | None:
        """The robot's frame from the optical frame; None where it is not known."""
        pose = self.pose()
        if pose is None or self.frame is MountingFrame.OPTICAL:
            return pose
        return pose @ BODY_FROM_OPTICAL
