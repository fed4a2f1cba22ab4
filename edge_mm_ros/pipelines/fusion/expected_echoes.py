"""What a radar or an ultrasonic sensor should hear of what the others see."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import RadarScan, RangeReading, RigidTransform
from edge_mm_ros.params.free_space import RadarView
from edge_mm_ros.pipelines.fusion.arrivals import Measured
from edge_mm_ros.pipelines.fusion.comparison import places_at, supporters
from edge_mm_ros.pipelines.tracking import TrackSet

_CONE_SHARE = 0.6  # of a cone's half width: what stands so near to its axis throws back
_REACH_SHARE = 0.8  # of the greatest range
_NARROWEST_M, _LOWEST_M = 0.2, 0.3  # what is smaller may give no echo
_SURE_M = 0.3  # standard deviation of a place that proves something
_LATER_M = 0.5  # an echo from so far behind the object is not its own
_RADAR_NEAR_M = 20.0  # nearer than this a radar that has heard an object goes on to hear it
_SIDE_MARGIN_RAD = 0.1


class ExpectedEchoes:
    """Follows where each radar hears at all, and tells what it and the cones should hear now."""

    def __init__(self) -> None:
        self._sides_rad: dict[str, tuple[float, float]] = {}

    def clear(self) -> None:
        """Forget where each radar hears."""
        self._sides_rad.clear()

    def of_range(self, measured: Measured, source_s: float) -> tuple[int, int]:
        """How many objects an ultrasonic sensor hears, and how many it should at least.

        It should hear what others see well about the axis of its cone, at its own height, and
        within its range. An echo from far behind the nearest of these is none of it.

        Args:
            measured: its reading, and the tracks before it.
            source_s: how long a sensor counts among those that a track rests on.

        Returns:
            found (0 or 1) and expected.
        """
        reading, place = measured.arrival.content, measured.arrival.place
        assert isinstance(reading, RangeReading) and place is not None
        heard = int(math.isfinite(reading.range_m))
        tracks = measured.tracks
        if not tracks.confirmed.any():
            return heard, 0
        spots = _from_sensor(measured, places_at(tracks, measured.arrival.stamp_ns), place)
        sizes = tracks.sizes_m
        distance = np.hypot(spots[:, 0], spots[:, 1])
        near = distance - sizes[:, :2].min(axis=1) / 2.0
        aside = np.abs(np.arctan2(spots[:, 1], spots[:, 0]))
        inside = aside <= _CONE_SHARE * reading.field_of_view_rad / 2.0
        inside &= (np.abs(spots[:, 2]) <= sizes[:, 2] / 2.0) & (sizes[:, 2] >= _LOWEST_M)
        inside &= sizes[:, :2].min(axis=1) >= _NARROWEST_M
        inside &= (near >= reading.min_range_m) & (near <= _REACH_SHARE * reading.max_range_m)
        if inside.any():  # most cones are empty at most times
            inside &= _proved(measured, source_s)
        if not inside.any():
            return heard, 0
        far = float((distance + sizes[:, :2].max(axis=1) / 2.0)[inside].min())
        return int(reading.range_m <= far + _LATER_M), int(inside.sum())

    def of_radar(self, measured: Measured, view: RadarView, source_s: float) -> tuple[int, int]:
        """How many returns a radar has, and how many objects it should hear at least.

        It should hear what others see within its given view; without one, what it has heard before,
        is near, and lies between the outermost directions from which it ever had a return.

        Args:
            measured: its scan, and the tracks before it.
            view: its field of view and range, where they are given.
            source_s: how long a sensor counts among those that a track rests on.
        """
        scan, arrival, tracks = measured.arrival.content, measured.arrival, measured.tracks
        assert isinstance(scan, RadarScan) and arrival.place is not None
        if len(scan):
            sides = (float(scan.azimuth_rad.min()), float(scan.azimuth_rad.max()))
            known = self._sides_rad.get(arrival.source, sides)
            self._sides_rad[arrival.source] = (min(known[0], sides[0]), max(known[1], sides[1]))
            return len(scan), 0
        if not tracks.confirmed.any():
            return 0, 0
        inside = _proved(measured, source_s)
        given = view.max_range_m > 0.0
        half = view.field_of_view_rad / 2.0
        right, left = (-half, half) if given else self._sides_rad.get(arrival.source, (0.0, 0.0))
        if not given:
            if arrival.source not in tracks.sensors:
                return 0, 0
            inside &= tracks.heard_ns[:, tracks.sensors.index(arrival.source)] >= 0
        spots = _from_sensor(measured, places_at(tracks, arrival.stamp_ns), arrival.place)
        reach_m = _REACH_SHARE * view.max_range_m if given else _RADAR_NEAR_M
        aside = np.arctan2(spots[:, 1], spots[:, 0])
        inside &= (aside >= right + _SIDE_MARGIN_RAD) & (aside <= left - _SIDE_MARGIN_RAD)
        inside &= np.hypot(spots[:, 0], spots[:, 1]) <= reach_m
        return 0, int(inside.sum())


def _proved(measured: Measured, source_s: float) -> NDArray[np.bool_]:
    """Which tracks (n,) another sensor sees now, and have well known places."""
    tracks: TrackSet = measured.tracks
    arrival = measured.arrival
    others = supporters(tracks, arrival.source, arrival.stamp_ns, source_s)
    spread = tracks.motion.overall[1][:, :2, :2] + tracks.biases_m2[:, :2, :2]
    sure = np.linalg.eigvalsh(spread)[:, -1] <= _SURE_M**2
    return np.asarray(tracks.confirmed & (others > 0) & sure)


def _from_sensor(
    measured: Measured, places_m: NDArray[np.float64], place: RigidTransform
) -> NDArray[np.float64]:
    """Places (n, 3) of the tracks' frame in the sensor's."""
    pose = measured.fixed_from_robot
    robot = places_m if pose is None else pose.inverse().apply(places_m)
    return place.inverse().apply(robot)
