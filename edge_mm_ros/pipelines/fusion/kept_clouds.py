"""The newest points of LiDARs and laser scanners, for the pictures of about their time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.pipelines.fusion.frustum import PlacedCloud
from edge_mm_ros.pipelines.stamps import JUMP_NS, NS_PER_S

_KEPT_CLOUDS = 16


@dataclass(frozen=True, eq=False)
class _Kept:
    stamp_ns: int
    points_m: NDArray[np.floating]


class KeptClouds:
    """Points above the ground of each sensor's last clouds, in the robot's frame of their time."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[_Kept]] = {}

    def reset(self) -> None:
        """Forget all."""
        self._kept.clear()

    def forget(self, source: str) -> None:
        """Forget the clouds of one sensor."""
        self._kept.pop(source, None)

    def add(self, source: str, stamp_ns: int, points_m: NDArray[np.floating]) -> None:
        """Keep a cloud.

        Args:
            source: the sensor as objects name it.
            stamp_ns: its time.
            points_m: (n, 3) in the robot's frame at that time.
        """
        kept = self._kept.setdefault(source, deque(maxlen=_KEPT_CLOUDS))
        kept.append(_Kept(stamp_ns, points_m))
        newest = max(item.stamp_ns for item in kept)
        while newest - kept[0].stamp_ns > JUMP_NS:
            kept.popleft()

    def near(
        self,
        source: str,
        stamp_ns: int,
        limit_ns: int,
        pose_at: Callable[[int], RigidTransform | None],
    ) -> PlacedCloud | None:
        """A sensor's cloud nearest to a time, earlier or later, as it lies at that time.

        Args:
            source: the sensor.
            stamp_ns: the time.
            limit_ns: furthest that the cloud may lie from it.
            pose_at: where the robot was at a time.
        """
        kept = self._kept.get(source, ())
        best = min(kept, key=lambda item: abs(item.stamp_ns - stamp_ns), default=None)
        if best is None or abs(best.stamp_ns - stamp_ns) > limit_ns:
            return None
        now, then = pose_at(stamp_ns), pose_at(best.stamp_ns)
        motion = None if now is None or then is None else now.inverse() @ then
        return PlacedCloud(source, best.points_m, (best.stamp_ns - stamp_ns) / NS_PER_S, motion)
