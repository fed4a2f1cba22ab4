"""What one sensor measures, against the tracks that rest on the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.pipelines.fusion.arrivals import Measured
from edge_mm_ros.pipelines.sensor_watch import Gaps
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.tracking import TrackSet
from edge_mm_ros.pipelines.tracking.motion import VX, VY

PoseAt = Callable[[int], "RigidTransform | None"]
_STEP_S = 0.1  # over which a relative velocity is taken
_OTHERS = 2  # so many must agree against one
_WALKS_MPS = 0.5


def supporters(tracks: TrackSet, source: str, stamp_ns: int, source_s: float) -> NDArray[np.intp]:
    """On how many other sensors each track rests of late, int (n,).

    A measurement that itself rests on `source`, as a camera's on a LiDAR's points, is none of the
    others'.
    """
    count = np.zeros(len(tracks), dtype=np.intp)
    oldest_ns = stamp_ns - to_ns(source_s)
    without = np.array([source not in rests for rests in tracks.sources], dtype=np.bool_)
    for column, sensor in enumerate(tracks.sensors):
        if sensor == source:
            continue
        # Who was never heard, is not heard of late either.
        apart = without[tracks.rests[:, column]]
        count += apart & (tracks.heard_ns[:, column] >= max(oldest_ns, 0))
    return count


def places_at(tracks: TrackSet, stamp_ns: int) -> NDArray[np.float64]:
    """Where the tracks are at a time, moved on evenly, float64 (n, 3)."""
    means = tracks.motion.overall[0]
    places = means[:, :3].copy()
    places[:, :2] += means[:, [VX, VY]] * ((stamp_ns - tracks.stamp_ns) / NS_PER_S)
    return np.asarray(places)


def gaps_to_others(measured: Measured, pose_at: PoseAt, source_s: float, reach_m: float) -> Gaps:
    """How far a scan's measurements lie from the tracks that at least two others see.

    Each is paired with a track where both are each other's nearest.

    Args:
        measured: the scan, and the tracks before it.
        pose_at: the frame of the tracks from the robot's at a time.
        source_s: how long a sensor counts among those that a track rests on.
        reach_m: furthest that a pair may lie apart.
    """
    scan, tracks, stamp_ns = measured.scan, measured.tracks, measured.arrival.stamp_ns
    others = np.flatnonzero(
        supporters(tracks, measured.arrival.source, stamp_ns, source_s) >= _OTHERS
    )
    if not len(others) or not scan.measurements:
        return _none()
    places = places_at(tracks, stamp_ns)[others]
    apart_m = cdist(places[:, :2], scan.positions_m[:, :2])
    rows = np.arange(len(others))
    columns = apart_m.argmin(axis=1)
    mutual = (apart_m.argmin(axis=0)[columns] == rows) & (apart_m[rows, columns] <= reach_m)
    rows, columns = rows[mutual], columns[mutual]
    if not len(rows):
        return _none()
    chosen = others[rows]
    gap = scan.positions_m[columns] - places[rows]
    # Which side of an object is measured depends on the sensor.
    sizes = np.array([scan.measurements[column].size_m for column in columns])
    doubt = np.maximum(tracks.sizes_m[chosen], sizes) / 2.0
    spread = scan.noises_m2[columns] + scan.biases_m2[columns] + tracks.biases_m2[chosen]
    spread = spread + tracks.motion.overall[1][chosen, :3, :3]
    spread[:, [0, 1, 2], [0, 1, 2]] += doubt**2
    before_ns = stamp_ns - to_ns(_STEP_S)
    now = _in_robot(places[rows], pose_at(stamp_ns))
    before = _in_robot(places_at(tracks, before_ns)[chosen], pose_at(before_ns))
    pose = pose_at(stamp_ns)
    turn = np.eye(2) if pose is None else pose.rotation[:2, :2].T
    return Gaps(
        gap[:, :2] @ turn.T,
        turn @ spread[:, :2, :2] @ turn.T,
        now[:, :2],
        (now - before)[:, :2] / _STEP_S,
        tuple(tracks.born[chosen]),
    )


def _moves(tracks: TrackSet) -> NDArray[np.bool_]:
    """Which tracks surely move."""
    means, covariances = tracks.motion.overall
    speed = np.hypot(means[:, VX], means[:, VY])
    sigma = np.sqrt(covariances[:, VX, VX] + covariances[:, VY, VY])
    return np.asarray(tracks.confirmed & (speed > _WALKS_MPS) & (speed > 3.0 * sigma))


def _in_robot(points_m: NDArray[np.float64], pose: RigidTransform | None) -> NDArray[np.float64]:
    return points_m if pose is None else pose.inverse().apply(points_m)


def _none() -> Gaps:
    return Gaps(np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 2)), np.zeros((0, 2)), ())


def expected_in_view(
    measured: Measured,
    in_view: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    source_s: float,
) -> int:
    """How many objects a camera should find.

    These are such that it has found before and another sensor sees now, and, in the dark from the
    begin on, such that at least two others see walk or drive: what moves has a class.

    Args:
        measured: its scan, and the tracks before it.
        in_view: which points (n, 3) of the robot's frame lie in its picture, near enough.
        source_s: how long a sensor counts among those that a track rests on.
    """
    tracks, arrival = measured.tracks, measured.arrival
    if not len(tracks):
        return 0
    others = supporters(tracks, arrival.source, arrival.stamp_ns, source_s)
    known = np.zeros(len(tracks), dtype=np.bool_)
    if arrival.source in tracks.sensors:
        known = tracks.heard_ns[:, tracks.sensors.index(arrival.source)] >= 0
    known = (known & (others > 0)) | (_moves(tracks) & (others >= _OTHERS))
    places = places_at(tracks, arrival.stamp_ns)[known]
    return int(np.count_nonzero(in_view(_in_robot(places, measured.fixed_from_robot))))
