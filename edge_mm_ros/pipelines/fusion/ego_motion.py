"""Where the robot was and will be, by its odometry or its turn rate."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from edge_mm_ros.datatypes import Odometry, RigidTransform
from edge_mm_ros.pipelines.stamps import JUMP_NS, NS_PER_S, to_ns

_KEPT_S = 5.0
_JUMP_M = 1.0  # no wheel slips so far between two messages
_JUMP_RAD = 1.0
_FAR_M = 1e5  # measurements beyond 1e6 m are refused
_SMALL_RAD = 1e-6
_GO_ON = "objects are followed on from where the robot was"
_NEARLY_HALF_RAD = 3.0


@dataclass(frozen=True, eq=False)
class Twist:
    """How the robot moves.

    Attributes:
        velocity_mps: float64 (3,), in its own axes.
        turn_rate_radps: float64 (3,), about its own axes.
    """

    velocity_mps: NDArray[np.float64]
    turn_rate_radps: NDArray[np.float64]


class EgoMotion:
    """The poses of the last seconds, in a frame in which objects can be followed.

    Between two estimates the robot is taken to move evenly, after the newest as its twist tells,
    for `timeout_s`. Then the frame goes along with the robot, so that objects are followed as the
    robot sees them move. Where the odometry comes back, or jumps, the frame is put in place anew:
    nothing that is followed in it jumps. Its origin is never far from the robot: where the
    odometry begins far from its own, as on a map, the frame begins at the robot; where the robot
    has gone too far, it begins there anew, and what is followed is found anew.

    Args:
        timeout_s: how long the newest estimate holds.
    """

    def __init__(self, timeout_s: float = 0.3) -> None:
        self.timeout_s = timeout_s
        self.reset()

    def reset(self) -> None:
        """Forget all poses."""
        self._poses: list[Odometry] = []
        self._fixed_from_odom = RigidTransform.identity()
        self._anchored_ns = 0
        self._waited = False
        self._turn: tuple[int, NDArray[np.float64]] | None = None

    def add(self, odometry: Odometry) -> str:
        """Take one estimate.

        Returns:
            why it does not go on from the last one, and what follows: its stamp jumped back, and
            all earlier ones are forgotten, or the robot did; it is then where it was. The same
            where it contradicts what is known of its time, and is left out, and where the frame
            begins anew. Else nothing.
        """
        if not self._poses:
            if self._waited or _is_far(odometry.pose):
                self._anchor(odometry, RigidTransform.identity())
            self._poses.append(self._placed(odometry))
            return ""
        last = self._poses[-1]
        elapsed_ns = odometry.stamp_ns - last.stamp_ns
        if elapsed_ns < -JUMP_NS:
            self.reset()
            self._anchor(odometry, last.pose)
            self._poses.append(self._placed(odometry))
            return f"its stamps jumped back by {-elapsed_ns / NS_PER_S:.1f} s; {_GO_ON}"
        if odometry.stamp_ns < self._anchored_ns:
            return ""  # it is told in a frame that holds no more
        if elapsed_ns <= 0:
            return self._add_late(odometry, -elapsed_ns / NS_PER_S)
        why = self._go_on(last, odometry)
        self._insert(self._placed(odometry))
        return self._draw_near() or why

    def add_turn_rate(self, stamp_ns: int, rate_radps: NDArray[np.float64], *, alone: bool) -> str:
        """Take a turn rate.

        Args:
            stamp_ns: its time.
            rate_radps: float64 (3,), about the robot's axes.
            alone: whether it stands in for odometry; else it refines the newest estimate.

        Returns:
            as `add`.
        """
        if not alone:
            if self._turn is None or stamp_ns > self._turn[0]:
                self._turn = (stamp_ns, rate_radps)
            return ""
        turned = RigidTransform.identity()
        if self._poses:
            last = self._poses[-1]
            elapsed_s = (stamp_ns - last.stamp_ns) / NS_PER_S
            if elapsed_s > self.timeout_s:
                elapsed_s = 0.0  # how it turned meanwhile is not known
            mean = (last.turn_rate_radps + rate_radps) / 2.0
            turned = _ahead(last.pose, Twist(last.velocity_mps, mean), elapsed_s)
            turned = self._fixed_from_odom.inverse() @ turned  # `add` places it
        still, unknown = np.zeros(3), np.zeros((6, 6))
        reading = Odometry(turned, still, rate_radps, unknown, unknown, stamp_ns, "", "")
        return self.add(reading)

    def holds_at(self, stamp_ns: int) -> bool:
        """Whether an estimate tells where the robot was at a time."""
        if not self._poses:
            return False
        begin_ns = self._poses[0].stamp_ns - to_ns(self.timeout_s)
        return begin_ns <= stamp_ns <= self._poses[-1].stamp_ns + to_ns(self.timeout_s)

    def silence_s(self, stamp_ns: int) -> float | None:
        """How long before a time the newest estimate was; None where none has come."""
        return (stamp_ns - self._poses[-1].stamp_ns) / NS_PER_S if self._poses else None

    def pose_at(self, stamp_ns: int) -> RigidTransform:
        """The frame in which objects are followed from the robot's frame at a time."""
        if not self._poses:
            self._waited = True
            return RigidTransform.identity()
        place = bisect_left(self._poses, stamp_ns, key=lambda one: one.stamp_ns)
        if place == len(self._poses):
            gap_s = (stamp_ns - self._poses[-1].stamp_ns) / NS_PER_S
            return _ahead(self._poses[-1].pose, self._newest_twist(), min(gap_s, self.timeout_s))
        after = self._poses[place]
        if after.stamp_ns == stamp_ns:
            return after.pose
        if place:
            before = self._poses[place - 1]
            share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
            return _between(before.pose, after.pose, share)
        gap_s = (after.stamp_ns - stamp_ns) / NS_PER_S
        return _ahead(after.pose, _twist_of(after), -min(gap_s, self.timeout_s))

    def twist_at(self, stamp_ns: int) -> Twist:
        """How the robot moves against the frame of `pose_at` at a time."""
        if not self.holds_at(stamp_ns):
            return Twist(np.zeros(3), np.zeros(3))
        place = bisect_left(self._poses, stamp_ns, key=lambda one: one.stamp_ns)
        if place == len(self._poses):
            return self._newest_twist()
        after = self._poses[place]
        before = self._poses[max(place - 1, 0)]
        span_ns = max(after.stamp_ns - before.stamp_ns, 1)
        share = min(max((stamp_ns - before.stamp_ns) / span_ns, 0.0), 1.0)
        return Twist(
            before.velocity_mps + share * (after.velocity_mps - before.velocity_mps),
            before.turn_rate_radps + share * (after.turn_rate_radps - before.turn_rate_radps),
        )

    def _newest_twist(self) -> Twist:
        """That of the newest estimate, with the turn rate of the IMU where that is newer."""
        newest = self._poses[-1]
        if self._turn is not None and self._turn[0] > newest.stamp_ns:
            return Twist(newest.velocity_mps, self._turn[1])
        return _twist_of(newest)

    def _go_on(self, last: Odometry, odometry: Odometry) -> str:
        """Put the frame in place anew where a new estimate does not go on from the last one."""
        elapsed_s = (odometry.stamp_ns - last.stamp_ns) / NS_PER_S
        expected = _ahead(last.pose, _twist_of(last), min(elapsed_s, self.timeout_s))
        if elapsed_s > self.timeout_s:
            held_ns = last.stamp_ns + to_ns(self.timeout_s)
            still = np.zeros(3)
            self._insert(
                replace(
                    last,
                    pose=expected,
                    velocity_mps=still,
                    turn_rate_radps=still,
                    stamp_ns=held_ns,
                )
            )
            self._anchor(odometry, expected)
            return ""
        if jump := self._jump(expected, odometry, elapsed_s):
            self._anchor(odometry, expected)
            return f"it jumped by {jump}; {_GO_ON}"
        return ""

    def _add_late(self, odometry: Odometry, late_s: float) -> str:
        """Take an estimate of a time that is known, where it agrees; of two of one time the first.

        Which of two that contradict each other is right cannot be told: the frame stays where
        it is.
        """
        stamp_ns = odometry.stamp_ns
        if jump := self._jump(self.pose_at(stamp_ns), odometry, late_s):
            return (
                f"it lies {jump} from where the robot is known to have been then, and is left out"
            )
        place = bisect_left(self._poses, stamp_ns, key=lambda one: one.stamp_ns)
        if self._poses[place].stamp_ns != stamp_ns:
            self._insert(self._placed(odometry))
        return ""

    def _jump(self, expected: RigidTransform, odometry: Odometry, elapsed_s: float) -> str:
        """How far an estimate lies from an expected pose; nothing where that may be."""
        gap = expected.inverse() @ self._fixed_from_odom @ odometry.pose
        moved_m = float(np.linalg.norm(gap.translation_m))
        turned_rad = float(np.linalg.norm(_turn_of(gap.rotation)))
        if moved_m > _JUMP_M * (1.0 + elapsed_s) or turned_rad > _JUMP_RAD * (1.0 + elapsed_s):
            return f"{moved_m:.1f} m and {turned_rad:.2f} rad"
        return ""

    def _draw_near(self) -> str:
        """Let the frame begin anew at the robot where that has gone too far; history follows."""
        newest = self._poses[-1].pose
        if not _is_far(newest):
            return ""
        shift = RigidTransform(np.eye(3), -newest.translation_m)
        self._fixed_from_odom = shift @ self._fixed_from_odom
        self._poses = [replace(one, pose=shift @ one.pose) for one in self._poses]
        return (
            f"more than {_FAR_M / 1000.0:g} km from where it began, the frame of the objects "
            "begins anew, and each gets a new id"
        )

    def _anchor(self, odometry: Odometry, pose: RigidTransform) -> None:
        """Lay the frame so that the robot is at `pose` where the odometry has it elsewhere."""
        self._fixed_from_odom = pose @ odometry.pose.inverse()
        self._anchored_ns = odometry.stamp_ns

    def _placed(self, odometry: Odometry) -> Odometry:
        return replace(odometry, pose=self._fixed_from_odom @ odometry.pose)

    def _insert(self, odometry: Odometry) -> None:
        place = bisect_left(self._poses, odometry.stamp_ns, key=lambda one: one.stamp_ns)
        same = place < len(self._poses) and self._poses[place].stamp_ns == odometry.stamp_ns
        self._poses[place : place + same] = [odometry]
        oldest_ns = self._poses[-1].stamp_ns - to_ns(_KEPT_S)
        while self._poses[0].stamp_ns < oldest_ns:
            del self._poses[0]


def _is_far(pose: RigidTransform) -> bool:
    return math.hypot(*pose.translation_m.tolist()) > _FAR_M


def _twist_of(odometry: Odometry) -> Twist:
    return Twist(odometry.velocity_mps, odometry.turn_rate_radps)


def _ahead(pose: RigidTransform, twist: Twist, seconds: float) -> RigidTransform:
    """The pose some time later, at a steady twist."""
    half = _turned(twist.turn_rate_radps * (seconds / 2.0))
    step = RigidTransform(half @ half, half @ twist.velocity_mps * seconds)
    return pose @ step


def _between(one: RigidTransform, other: RigidTransform, share: float) -> RigidTransform:
    turn = _turn_of(one.rotation.T @ other.rotation)
    return RigidTransform(
        one.rotation @ _turned(share * turn),
        (1.0 - share) * one.translation_m + share * other.translation_m,
    )


def _turned(vector_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation by a rotation vector (Rodrigues), float64 (3, 3); quicker than scipy's."""
    x, y, z = vector_rad.tolist()
    angle = math.sqrt(x * x + y * y + z * z)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < _SMALL_RAD:
        return np.asarray(np.eye(3) + cross + cross @ cross / 2.0)
    along, square = math.sin(angle) / angle, (1.0 - math.cos(angle)) / angle**2
    return np.asarray(np.eye(3) + along * cross + square * (cross @ cross))


def _turn_of(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation vector of a rotation, float64 (3,)."""
    (_, a, b), (c, _, d), (e, f, _) = rotation.tolist()
    double_sine = math.sqrt((f - d) ** 2 + (b - e) ** 2 + (c - a) ** 2)
    angle = math.atan2(double_sine, float(np.trace(rotation)) - 1.0)
    if angle > _NEARLY_HALF_RAD:  # the axis cannot be told by the sine
        return np.asarray(Rotation.from_matrix(rotation).as_rotvec())
    scale = 0.5 if double_sine < _SMALL_RAD else angle / double_sine
    return scale * np.array([f - d, b - e, c - a])
