"""What a radar or an ultrasonic sensor should hear of what the others see."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from edge_mm_ros.datatypes import RadarScan, RangeReading, RigidTransform
from edge_mm_ros.params.free_space import RadarView
from edge_mm_ros.pipelines.fusion.arrivals import Arrival, Measured
from edge_mm_ros.pipelines.fusion.expected_echoes import ExpectedEchoes
from edge_mm_ros.pipelines.tracking import Measurement, Scan, Tracker, TrackSet

MS = 1_000_000
NOW_NS = 500 * MS
PLACE = RigidTransform.from_xyz_rpy((0.3, 0.0, 0.5), (0.0, 0.0, 0.0))
SEEN_S = 0.5


def followed(
    *places: tuple[float, float],
    size: tuple[float, float, float] = (0.5, 0.5, 1.7),
    sigma_m: float = 0.05,
    heard_by: Sequence[str] = (),
) -> TrackSet:
    """Tracks of things that a LiDAR sees, and others heard once at the begin."""
    tracker = Tracker()
    items = tuple(
        Measurement(
            np.array([x, y, size[2] / 2.0]),
            sigma_m**2 * np.eye(3),
            "unknown",
            0.8,
            np.array(size),
            ("lidar:top",),
        )
        for x, y in places
    )
    for step in range(6):
        tracker.update(Scan("lidar:top", step * 100 * MS, items))
        for source in heard_by if step == 2 else ():
            tracker.update(Scan(source, (step * 100 + 10) * MS, items))
    return tracker.tracks


def sonar(range_m: float, tracks: TrackSet) -> Measured:
    reading = RangeReading(range_m, 0.2, 4.0, 0.6, NOW_NS, "sonar")
    arrival = Arrival("ultrasonic", "sonar", NOW_NS, reading, PLACE)
    return Measured(arrival, Scan("ultrasonic:sonar", NOW_NS, ()), tracks, None)


def radar(azimuths: Sequence[float], tracks: TrackSet) -> Measured:
    values = [np.full(len(azimuths), 8.0), np.array(azimuths, dtype=np.float64)]
    scan = RadarScan(*values, *(np.zeros(len(azimuths)) for _ in range(3)), NOW_NS, "radar")
    arrival = Arrival("radar", "front", NOW_NS, scan, PLACE)
    return Measured(arrival, Scan("radar:front", NOW_NS, ()), tracks, None)


@pytest.mark.parametrize("range_m", [math.inf, 3.9])
def test_no_echo_of_what_stands_before_the_cone_is_a_miss(range_m: float) -> None:
    measured = sonar(range_m, followed((2.0, 0.1)))
    assert ExpectedEchoes().of_range(measured, SEEN_S) == (0, 1)


@pytest.mark.parametrize("range_m", [1.5, 0.3, -math.inf])
def test_an_echo_of_it_or_of_something_nearer_is_none(range_m: float) -> None:
    found, _ = ExpectedEchoes().of_range(sonar(range_m, followed((2.0, 0.1))), SEEN_S)
    assert found == 1


@pytest.mark.parametrize(
    "tracks",
    [
        followed(),
        followed((2.0, 1.0)),  # aside of the cone
        followed((2.0, 0.45)),  # at its edge, where echoes are weak
        followed((-2.0, 0.0)),  # behind
        followed((5.0, 0.0)),  # beyond its reach
        followed((2.0, 0.0), size=(0.5, 0.5, 0.4)),  # below it
        followed((2.0, 0.0), size=(0.05, 0.5, 1.7)),  # a thin pole or plate
        followed((2.0, 0.0), sigma_m=0.8),  # hardly known where
    ],
)
def test_what_need_not_throw_back_proves_nothing(tracks: TrackSet) -> None:
    assert ExpectedEchoes().of_range(sonar(math.inf, tracks), SEEN_S)[1] == 0


def test_what_no_other_sensor_sees_now_proves_nothing() -> None:
    alone = Tracker()
    for step in range(6):
        item = Measurement(
            np.array([2.0, 0.0, 0.8]),
            0.01 * np.eye(3),
            "unknown",
            0.8,
            np.array([0.5, 0.5, 1.6]),
            ("ultrasonic:sonar",),
        )
        alone.update(Scan("ultrasonic:sonar", step * 100 * MS, (item,)))
    assert ExpectedEchoes().of_range(sonar(math.inf, alone.tracks), SEEN_S)[1] == 0


def test_a_radar_should_go_on_to_hear_what_it_has_heard_within_its_sides() -> None:
    echoes = ExpectedEchoes()
    tracks = followed((8.0, 0.0), heard_by=["radar:front"])
    assert echoes.of_radar(radar([], tracks), RadarView(), SEEN_S) == (0, 0)  # sides not known
    assert echoes.of_radar(radar([-0.4, 0.5], tracks), RadarView(), SEEN_S) == (2, 0)
    assert echoes.of_radar(radar([], tracks), RadarView(), SEEN_S) == (0, 1)
    aside = followed((4.0, 4.0), heard_by=["radar:front"])
    assert echoes.of_radar(radar([], aside), RadarView(), SEEN_S) == (0, 0)
    far = followed((30.0, 0.0), heard_by=["radar:front"])
    assert echoes.of_radar(radar([], far), RadarView(), SEEN_S) == (0, 0)
    assert echoes.of_radar(radar([], followed((8.0, 0.0))), RadarView(), SEEN_S) == (0, 0)
    echoes.clear()
    assert echoes.of_radar(radar([], tracks), RadarView(), SEEN_S) == (0, 0)


def test_within_its_given_view_a_radar_should_hear_everything() -> None:
    view = RadarView(field_of_view_rad=1.2, max_range_m=40.0)
    echoes = ExpectedEchoes()
    assert echoes.of_radar(radar([], followed((8.0, 1.0), (20.0, 0.0))), view, SEEN_S) == (0, 2)
    assert echoes.of_radar(radar([], followed((8.0, 8.0), (38.0, 0.0))), view, SEEN_S) == (0, 0)
    assert echoes.of_radar(radar([0.1], followed((8.0, 1.0))), view, SEEN_S) == (1, 0)
