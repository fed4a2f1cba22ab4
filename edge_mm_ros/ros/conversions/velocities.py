"""Velocities of objects beside a ``Detection3DArray``, which has no field for them.

A topic ``<objects>/sources`` (``diagnostic_msgs/DiagnosticArray``) has one status for each object,
named by its id; its velocity over the ground, in the axes of the objects' frame, is in the values
``velocity_x_mps``, ``velocity_y_mps`` and ``velocity_z_mps``.
"""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, KeyValue
from numpy.typing import NDArray

_KEYS = tuple(f"velocity_{axis}_mps" for axis in "xyz")


def velocity_values(velocity_mps: NDArray[np.float64]) -> list[KeyValue]:
    """The values of one object's status."""
    return [
        KeyValue(key=key, value=f"{value:.4f}")
        for key, value in zip(_KEYS, velocity_mps.tolist(), strict=True)
    ]


def velocities_from_msg(message: DiagnosticArray) -> dict[str, NDArray[np.float64]]:
    """Velocity by id, of the objects that tell one; z counts as 0 where it is not told."""
    found = {}
    for status in message.status:
        told = {pair.key: pair.value for pair in status.values}
        try:
            velocity = np.array([float(told.get(key, "nan")) for key in _KEYS])
        except ValueError:
            continue
        if np.isfinite(velocity[:2]).all():
            found[status.name] = np.nan_to_num(velocity)
    return found
