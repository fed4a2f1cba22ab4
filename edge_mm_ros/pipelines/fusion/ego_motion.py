"""Where the robot was and will be, by its odometry."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from scipy.spatial.transform import Rotation

from edge_mm_ros.datatypes import InvalidInput, Odometry, RigidTransform
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_KEPT_S = 5.0
_JUMP_M = 1.0  # no wheel slips so far between two messages
_JUMP_RAD = 1.0


class EgoMotion:
    """The poses of the last seconds.

    Between two of them the robot is taken to move evenly, after the newest as the twist tells.
    """

    def __init__(self) -> None:
        self._poses: list[Odometry] = []

    def reset(self) -> None:
        """Forget all poses."""
        self._poses.clear()

    def add(self, odometry: Odometry) -> str:
        """Take one estimate.

        Returns:
            one clause where it does not go on from the last one: its stamp jumped back, or the
            robot did; all earlier ones are forgotten then. Else nothing.
        """
        why = self._break(odometry)
        if why:
            self._poses.clear()
        place = bisect_left(self._poses, odometry.stamp_ns, key=lambda one: one.stamp_ns)
        same = place < len(self._poses) and self._poses[place].stamp_ns == odometry.stamp_ns
        self._poses[place : place + same] = [odometry]
        oldest_ns = self._poses[-1].stamp_ns - to_ns(_KEPT_S)
        while self._poses[0].stamp_ns < oldest_ns:
            del self._poses[0]
        return why

    def _break(self, odometry: Odometry) -> str:
        if not self._poses:
            return ""
        last = self._poses[-1]
        elapsed_s = (odometry.stamp_ns - last.stamp_ns) / NS_PER_S
        if elapsed_s < -1.0:
            return f"its stamps jumped back by {-elapsed_s:.1f} s"
        if elapsed_s < 0.0:
            return ""
        expected = _ahead(last, min(elapsed_s, _KEPT_S))
        gap = expected.inverse() @ odometry.pose
        moved_m = float(np.linalg.norm(gap.translation_m))
        turned_rad = float(Rotation.from_matrix(gap.rotation).magnitude())
        if moved_m > _JUMP_M * (1.0 + elapsed_s) or turned_rad > _JUMP_RAD * (1.0 + elapsed_s):
            return f"it jumped by {moved_m:.1f} m and {turned_rad:.2f} rad"
        return ""

    def pose_at(self, stamp_ns: int, timeout_s: float) -> RigidTransform:
        """The odometry frame from the robot's frame at a time.

        Args:
            stamp_ns: the time.
            timeout_s: how far it may lie after the newest estimate.

        Raises:
            InvalidInput: of the kind ``no_odometry``: no estimate is near enough in time.
        """
        place = bisect_left(self._poses, stamp_ns, key=lambda one: one.stamp_ns)
        if place < len(self._poses):
            after = self._poses[place]
            if after.stamp_ns == stamp_ns:
                return after.pose
            if place:
                before = self._poses[place - 1]
                share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
                return _between(before.pose, after.pose, share)
            gap_s = (after.stamp_ns - stamp_ns) / NS_PER_S
            if gap_s <= timeout_s:
                return _ahead(after, -gap_s)
            raise InvalidInput("no_odometry", f"odometry begins only {gap_s:.2f} s later")
        if not self._poses:
            raise InvalidInput("no_odometry", "no odometry has come yet; nothing can be placed")
        gap_s = (stamp_ns - self._poses[-1].stamp_ns) / NS_PER_S
        if gap_s > timeout_s:
            raise InvalidInput(
                "no_odometry",
                f"the newest odometry is {gap_s:.2f} s older than the measurement, more than "
                f"odometry_timeout_s, {timeout_s:g} s",
            )
        return _ahead(self._poses[-1], gap_s)


def _ahead(odometry: Odometry, seconds: float) -> RigidTransform:
    """The pose some time later, at a steady twist."""
    half = Rotation.from_rotvec(odometry.turn_rate_radps * seconds / 2.0).as_matrix()
    step = RigidTransform(half @ half, half @ odometry.velocity_mps * seconds)
    return odometry.pose @ step


def _between(one: RigidTransform, other: RigidTransform, share: float) -> RigidTransform:
    turn = Rotation.from_matrix(one.rotation.T @ other.rotation).as_rotvec()
    return RigidTransform(
        one.rotation @ Rotation.from_rotvec(share * turn).as_matrix(),
        (1.0 - share) * one.translation_m + share * other.translation_m,
    )
