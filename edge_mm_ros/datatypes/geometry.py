"""Rigid transforms between frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Takes points of a child frame into its parent: ``parent = rotation @ child + translation``.

    Attributes:
        rotation: float64 (3, 3), orthonormal, determinant 1.
        translation_m: float64 (3,).
    """

    rotation: NDArray[np.float64]
    translation_m: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.rotation.shape != (3, 3) or self.translation_m.shape != (3,):
            raise InvalidInput(
                "transform",
                f"transform: expected rotation (3, 3) and translation (3,), got "
                f"{self.rotation.shape} and {self.translation_m.shape}",
            )
        if not (np.all(np.isfinite(self.rotation)) and np.all(np.isfinite(self.translation_m))):
            raise InvalidInput("transform", "transform: it has values that are not finite")
        error = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if error > 1e-3 or np.linalg.det(self.rotation) < 0:
            raise InvalidInput(
                "transform", f"transform: the rotation is not orthonormal (error {error:.2g})"
            )

    @classmethod
    def identity(cls) -> RigidTransform:
        """The transform of a frame onto itself."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_xyz_rpy(cls, xyz_m: Sequence[float], rpy_rad: Sequence[float]) -> RigidTransform:
        """From a translation and roll, pitch, yaw about the parent's fixed x, y, z (REP-103)."""
        rotation = Rotation.from_euler("xyz", np.asarray(rpy_rad, dtype=np.float64)).as_matrix()
        return cls(rotation, np.asarray(xyz_m, dtype=np.float64))

    @classmethod
    def from_quaternion(
        cls, xyz_m: Sequence[float], quaternion_xyzw: Sequence[float]
    ) -> RigidTransform:
        """From a translation and a quaternion in ROS order x, y, z, w.

        Raises:
            InvalidInput: the quaternion's norm differs from 1 by more than 1 %.
        """
        quaternion = np.asarray(quaternion_xyzw, dtype=np.float64)
        norm = float(np.linalg.norm(quaternion))
        if not abs(norm - 1.0) < 0.01:
            raise InvalidInput("transform", f"transform: the quaternion's norm is {norm:g}, not 1")
        rotation = Rotation.from_quat(quaternion).as_matrix()
        return cls(rotation, np.asarray(xyz_m, dtype=np.float64))

    def apply(self, points_m: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (n, 3) or (3,) of the child frame, in the parent frame."""
        x, y, z = (np.asarray(points_m[..., i], dtype=np.float64) for i in range(3))
        moved = np.empty((*x.shape, 3))
        # By columns: for a matrix this thin, BLAS spends its time on starting threads.
        for i, (row, shift) in enumerate(zip(self.rotation, self.translation_m, strict=True)):
            moved[..., i] = row[0] * x + row[1] * y + row[2] * z + shift
        return moved

    def inverse(self) -> RigidTransform:
        """The transform from parent to child."""
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation_m)

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        """Chain: ``(a_from_b @ b_from_c)`` is ``a_from_c``."""
        return RigidTransform(self.rotation @ other.rotation, self.apply(other.translation_m))
