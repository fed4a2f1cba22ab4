"""Velocities of objects beside a ``Detection3DArray``, which has no field for them.

A topic ``<objects>/sources`` (``diagnostic_msgs/DiagnosticArray``) has one status for each object,
named by its id; its velocity over the ground, in the axes of the objects' frame, is in the values
``velocity_x_mps``, ``velocity_y_mps`` and ``velocity_z_mps``.
"""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from numpy.typing import NDArray

_KEYS = tuple(f"velocity_{axis}_mps" for axis in "xyz")


def velocity_values(velocity_mps: NDArray[np.float64]) -> list[KeyValue]:
    """The values of one object's status."""
    return [
        KeyValue(key=key, value=f"{value:.4f}")
        for key, value in zip(_KEYS, velocity_mps.tolist(), strict=True)
    ]


def velocity_of(status: DiagnosticStatus) -> NDArray[np.float64] | None:
    """The velocity that one object's status tells, z counting as 0 where it does not tell that."""
    told = {pair.key: pair.value for pair in status.values}
    try:
        velocity = np.array([float(told.get(key, "nan")) for key in _KEYS])
    except ValueError:
        return None
    return np.nan_to_num(velocity) if np.isfinite(velocity[:2]).all() else None


def velocities_from_msg(message: DiagnosticArray) -> dict[str, NDArray[np.float64]]:
    """Velocity by id, of the objects that tell one."""
    told = {status.name: velocity_of(status) for status in message.status}
    return {name: velocity for name, velocity in told.items() if velocity is not None}
