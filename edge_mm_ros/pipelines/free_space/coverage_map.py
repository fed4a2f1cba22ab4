"""What all sensors together see now: of each zone, and around the robot."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Coverage, FreeSpace, RigidTransform, ZoneCoverage
from edge_mm_ros.datatypes.coverage import FREE, OCCUPIED, UNSEEN
from edge_mm_ros.params.free_space import FreeSpaceParams
from edge_mm_ros.pipelines.free_space.polar import Bools, PolarView
from edge_mm_ros.pipelines.free_space.zone_points import points_in
from edge_mm_ros.pipelines.stamps import to_ns

_MOST_CELLS = 200  # along a side of the published grid


@dataclass(frozen=True, eq=False)
class _Held:
    """The newest view of a sensor, and from when until when it counts."""

    view: PolarView
    pose: RigidTransform | None
    seen_ns: int
    expires_ns: int

    def counts(self, now_ns: int) -> bool:
        return self.seen_ns <= now_ns <= self.expires_ns  # clocks are set back, too


@dataclass
class _Zone:
    """A zone, the rows of its points among all, and whether it is covered."""

    name: str
    rows: slice
    covered: bool = False
    since_ns: int = 0
    enough_since_ns: int | None = None


class CoverageMap:
    """Keeps each sensor's newest view for as long as it counts, and puts them together.

    Args:
        zones: polygons in the robot's frame, by name.
        params: criteria; may be replaced at any time.
        robot_frame: the robot's frame.
        reach_m: half the side of the grid; it grows with the zones.
        cell_m: side of its cells; larger where the grid is.
    """

    def __init__(
        self,
        zones: Mapping[str, Sequence[tuple[float, float]]],
        params: FreeSpaceParams | None = None,
        robot_frame: str = "base_link",
        reach_m: float = 10.0,
        cell_m: float = 0.2,
    ) -> None:
        self.params = params or FreeSpaceParams()
        self._robot_frame = robot_frame
        self._zones: list[_Zone] = []
        points: list[NDArray[np.float64]] = [np.zeros((0, 2))]
        count = 0
        for name, polygon in zones.items():
            inside = points_in(polygon, cell_m)
            points.append(inside)
            self._zones.append(_Zone(name, slice(count, count + len(inside))))
            count += len(inside)
        self._points = np.concatenate(points)
        corners = [abs(value) for polygon in zones.values() for xy in polygon for value in xy]
        self.reach_m = max([reach_m, *corners])
        self._cell_m = max(cell_m, 2.0 * self.reach_m / _MOST_CELLS)
        self._held: dict[str, _Held] = {}
        self._served: dict[str, set[str]] = {}

    @property
    def step_m(self) -> float:
        """Depth of the cells that views should have."""
        return self._cell_m

    @property
    def view_reach_m(self) -> float:
        """How far views should reach: to the corners of the grid."""
        return self.reach_m * math.sqrt(2.0)

    def clear(self) -> None:
        """Forget all views; no zone is covered before new ones come."""
        self._held.clear()
        for zone in self._zones:
            zone.covered, zone.enough_since_ns = False, None

    def note(
        self,
        sensor: str,
        view: PolarView,
        stamp_ns: int,
        timeout_s: float,
        fixed_from_robot: RigidTransform | None,
    ) -> None:
        """Keep what a sensor sees, instead of what it saw before.

        Args:
            sensor: its key.
            view: what it sees.
            stamp_ns: when it saw that.
            timeout_s: for how long that counts.
            fixed_from_robot: the robot's pose then; None where its motion is not known.
        """
        self._held[sensor] = _Held(view, fixed_from_robot, stamp_ns, stamp_ns + to_ns(timeout_s))

    def forget(self, sensor: str) -> None:
        """Drop what a sensor has seen: it is not to be relied on."""
        self._held.pop(sensor, None)

    def expired_since(self, before_ns: int, now_ns: int) -> bool:
        """Whether a view has ceased to count between two times."""
        return any(before_ns <= held.expires_ns < now_ns for held in self._held.values())

    def echoes_m(self, now_ns: int, fixed_from_robot: RigidTransform | None) -> NDArray[np.float64]:
        """Where the views that count have met something, float64 (n, 2) in the robot's frame."""
        found = [np.zeros((0, 2))]
        for held in self._held.values():
            if held.counts(now_ns):
                points = held.view.occupied_points_m()
                found.append(_moved(points, held.pose, fixed_from_robot))
        return np.concatenate(found)

    def coverage(
        self,
        now_ns: int,
        fixed_from_robot: RigidTransform | None,
        usable: Callable[[str], bool],
        missing: Sequence[str] = (),
        name_of: Callable[[str], str] = str,
    ) -> Coverage:
        """How much of each zone is seen now.

        Args:
            now_ns: the time.
            fixed_from_robot: the robot's pose now; None where its motion is not known.
            usable: whether a sensor, by its key, is to be relied on.
            missing: keys of the sensors that have not been heard at all.
            name_of: the name that is told for a key.
        """
        looks = self._look(self._points, now_ns, fixed_from_robot, usable)
        zones = []
        for zone in self._zones:
            total: Bools = np.zeros(zone.rows.stop - zone.rows.start, dtype=np.bool_)
            things = total.copy()
            shares = {}
            for sensor, (seen, occupied) in looks.items():
                part = seen[zone.rows]
                if np.any(part):
                    shares[sensor] = float(np.mean(part))
                    total |= part
                    things |= occupied[zone.rows]
            served = self._served.setdefault(zone.name, set())
            served.update(shares)
            lost = sorted((served - looks.keys()) | set(missing))
            share = float(np.mean(total))
            self._decide(zone, share, now_ns)
            zones.append(
                ZoneCoverage(
                    zone.name,
                    share,
                    float(np.mean(things)),
                    {name_of(sensor): part for sensor, part in sorted(shares.items())},
                    zone.since_ns,
                    zone.covered,
                    tuple(name_of(sensor) for sensor in lost),
                )
            )
        return Coverage(tuple(zones), now_ns, self._robot_frame)

    def free_space(
        self,
        now_ns: int,
        fixed_from_robot: RigidTransform | None,
        usable: Callable[[str], bool],
    ) -> FreeSpace:
        """The grid around the robot; arguments as for `coverage`."""
        side = 2 * math.ceil(self.reach_m / self._cell_m)
        edge_m = -side / 2.0 * self._cell_m
        middles = edge_m + (np.arange(side) + 0.5) * self._cell_m
        y, x = np.meshgrid(middles, middles, indexing="ij")
        points = np.column_stack([x.reshape(-1), y.reshape(-1)])
        cells = np.full(len(points), UNSEEN, dtype=np.int8)
        looks = self._look(points, now_ns, fixed_from_robot, usable).values()
        for seen, _ in looks:
            cells[seen] = FREE
        for _, occupied in looks:
            cells[occupied] = OCCUPIED
        return FreeSpace(
            cells.reshape(side, side), self._cell_m, (edge_m, edge_m), now_ns, self._robot_frame
        )

    def _look(
        self,
        points_m: NDArray[np.float64],
        now_ns: int,
        pose: RigidTransform | None,
        usable: Callable[[str], bool],
    ) -> dict[str, tuple[Bools, Bools]]:
        """By sensor: which points of the robot's frame it sees, and which are occupied."""
        return {
            sensor: held.view.at(_moved(points_m, pose, held.pose))
            for sensor, held in self._held.items()
            if held.counts(now_ns) and usable(sensor)
        }

    def _decide(self, zone: _Zone, share: float, now_ns: int) -> None:
        """Whether a zone is covered; lost at once, regained only after a while."""
        params = self.params
        if share < params.minimum_share:
            zone.enough_since_ns = None
        elif zone.enough_since_ns is None or zone.enough_since_ns > now_ns:
            zone.enough_since_ns = now_ns
        lasted = zone.enough_since_ns is not None and now_ns - zone.enough_since_ns >= to_ns(
            params.regain_s
        )
        keeps = zone.covered and share >= params.minimum_share - params.hysteresis_share
        # A share of nothing is never enough, whatever the limits are.
        covered = (keeps or lasted) and share > 0.0
        if covered != zone.covered or not zone.since_ns:
            zone.covered, zone.since_ns = covered, now_ns


def _moved(
    points_m: NDArray[np.float64], from_pose: RigidTransform | None, to_pose: RigidTransform | None
) -> NDArray[np.float64]:
    """Ground points (n, 2) of the robot's frame at one pose, in that at another."""
    if from_pose is None or to_pose is None or from_pose is to_pose or not len(points_m):
        return points_m
    turn = to_pose.rotation.T @ from_pose.rotation
    shift = to_pose.rotation.T @ (from_pose.translation_m - to_pose.translation_m)
    x, y = points_m.T
    return np.column_stack([turn[axis, 0] * x + turn[axis, 1] * y + shift[axis] for axis in (0, 1)])
