"""What rests on which sensors, told beside the objects themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.objects import Object3D, Objects


@dataclass(frozen=True, eq=False)
class ObjectSource:
    """The sensors and the velocity of one object.

    Attributes:
        track_id: its track.
        sensors: the sensors that it rests on; empty where it is predicted.
        velocity_mps: float64 (3,), in the axes of the objects' frame; None where it is not told.
    """

    track_id: str
    sensors: tuple[str, ...]
    velocity_mps: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class ObjectSources:
    """The sensors and velocities of all objects at one time.

    Attributes:
        entries: in the order of the objects.
        stamp_ns: the stamp of the objects, nanoseconds.
    """

    entries: tuple[ObjectSource, ...]
    stamp_ns: int

    def fits(self, objects: Objects) -> bool:
        """Whether they are about these objects: the same stamp, and the same tracks in order."""
        return self.stamp_ns == objects.stamp_ns and [e.track_id for e in self.entries] == [
            item.track_id for item in objects.objects
        ]

    def joined(self, objects: Objects) -> Objects:
        """The objects that they fit, with their sensors and velocities."""
        return replace(
            objects,
            objects=tuple(
                _joined(item, entry)
                for item, entry in zip(objects.objects, self.entries, strict=True)
            ),
        )


def _joined(item: Object3D, entry: ObjectSource) -> Object3D:
    return replace(item, sources=entry.sensors, velocity_mps=entry.velocity_mps)
