"""Scans that come late count where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.measured import START_NS, measured, noisy, scan
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from edge_mm_ros.datatypes import InvalidInput, Object3D
from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines.tracking import Scan, Tracker, TrackerSettings

HORIZON_S = TrackingParams().horizon_s


def scene(seed: int, count: int) -> list[Scan]:
    """Three sensors at their own rates; two people walk, a third is seen now and then."""
    rng = np.random.default_rng(seed)
    scans = []
    for index in range(count):
        at_s = 0.035 * index
        places = [(5.0 + 1.2 * at_s, 0.5), (9.0 - 1.0 * at_s, -0.5)]
        if index % 4 == 1:
            places.append((12.0, 4.0))
        if index % 7 == 3:
            places = places[1:]
        sensor = ("front", "side", "top")[index % 3]
        scans.append(scan(at_s, *noisy(rng, places, 0.08), sensor=sensor))
    return scans


def followed(scans: list[Scan]) -> tuple[Tracker, tuple[Object3D, ...]]:
    tracker, objects = Tracker(), ()
    for each in scans:
        objects = tracker.update(each)
    return tracker, objects


def assert_same_tracks(scans: list[Scan], arrived: list[Scan]) -> None:
    (tracker, expected), (other, found) = followed(scans), followed(arrived)
    assert other.too_late == 0
    for one, same in zip(expected, found, strict=True):
        assert_allclose(one.position_m, same.position_m, atol=1e-9)
        assert_allclose(one.velocity_mps, same.velocity_mps, atol=1e-9)
        assert_allclose(one.covariance_m2, same.covariance_m2, atol=1e-9)
        assert_allclose(one.size_m, same.size_m, atol=1e-9)
        assert (one.label, one.sources) == (same.label, same.sources)
        assert one.score == pytest.approx(same.score, abs=1e-9)
    assert len({item.track_id for item in found}) == len(found)
    assert_allclose(tracker.tracks.motion.means, other.tracks.motion.means, atol=1e-9)
    assert_allclose(tracker.tracks.motion.covariances, other.tracks.motion.covariances, atol=1e-9)
    assert list(tracker.tracks.born) == list(other.tracks.born)
    assert list(tracker.tracks.confirmed) == list(other.tracks.confirmed)


@settings(max_examples=25)
@given(order=st.permutations(range(14)), seed=st.integers(0, 5))
def test_any_order_of_arrival_within_the_horizon_gives_the_same_tracks(
    order: list[int], seed: int
) -> None:
    scans = scene(seed, 14)
    assert (scans[-1].stamp_ns - scans[0].stamp_ns) / 1e9 < HORIZON_S
    assert_same_tracks(scans, [scans[index] for index in order])


@settings(max_examples=15)
@given(delays=st.lists(st.floats(0.0, HORIZON_S - 0.01), min_size=40, max_size=40))
def test_any_delays_within_the_horizon_give_the_same_tracks(delays: list[float]) -> None:
    scans = scene(1, 40)
    arrived = sorted(
        zip(scans, delays, strict=True), key=lambda pair: pair[0].stamp_ns + pair[1] * 1e9
    )
    assert_same_tracks(scans, [each for each, _ in arrived])


def test_a_sensor_that_is_always_200_ms_late_changes_nothing_in_the_end() -> None:
    scans = scene(2, 40)
    arrived = sorted(scans, key=lambda one: one.stamp_ns + 200_000_000 * (one.sensor == "side"))
    assert [one.sensor for one in arrived] != [one.sensor for one in scans]
    assert_same_tracks(scans, arrived)


def test_objects_are_told_at_the_newest_stamp() -> None:
    tracker = Tracker()
    tracker.update(scan(1.0, measured((5.0, 0.0))))
    tracker.update(scan(0.9, measured((9.0, 0.0)), sensor="side"))
    assert tracker.tracks.stamp_ns == START_NS + 1_000_000_000


def test_what_is_older_than_the_horizon_is_dropped_and_counted() -> None:
    tracker = Tracker()
    tracker.update(scan(1.0, measured((5.0, 0.0))))
    tracker.update(scan(0.5, measured((5.0, 0.0)), sensor="side"))
    before = tracker.tracks
    with pytest.raises(InvalidInput, match="'side' lie 0.51 s before the newest") as raised:
        tracker.update(scan(0.49, measured((5.0, 0.0)), sensor="side"))
    assert raised.value.kind == "late"
    assert tracker.too_late == 1
    assert tracker.tracks is before


def test_with_no_horizon_nothing_may_be_late() -> None:
    tracker = Tracker(TrackerSettings(TrackingParams(horizon_s=0.0)))
    tracker.update(scan(1.0, measured((5.0, 0.0))))
    tracker.update(scan(1.0, measured((5.0, 0.0)), sensor="side"))
    with pytest.raises(InvalidInput):
        tracker.update(scan(0.999, measured((5.0, 0.0)), sensor="side"))


def test_a_scan_that_comes_twice_counts_once() -> None:
    tracker = Tracker()
    once = tracker.update(scan(0.0, measured((5.0, 0.0))))
    twice = tracker.update(scan(0.0, measured((5.0, 0.0))))
    assert twice[0].covariance_m2.tobytes() == once[0].covariance_m2.tobytes()
    assert [item.track_id for item in twice] == ["1"]


def test_an_id_that_was_shown_stays_with_its_object_whatever_comes_late() -> None:
    tracker = Tracker()
    for step in range(5, 9):
        (found,) = tracker.update(scan(0.1 * step, measured((5.0, 0.0))))
        assert found.track_id == "1"
    # The same person was seen earlier by another camera, and with them somebody else.
    late = scan(0.45, measured((12.0, 3.0)), measured((5.0, 0.0)), sensor="side")
    objects = tracker.update(late)
    names = {item.track_id: float(item.position_m[0]) for item in objects}
    assert names == {"1": pytest.approx(5.0, abs=0.1), "2": pytest.approx(12.0, abs=0.1)}


def test_memory_is_bounded() -> None:
    tracker = Tracker()
    rng = np.random.default_rng(0)
    for step in range(300):
        tracker.update(scan(0.1 * step, *noisy(rng, rng.uniform(-20, 20, (3, 2)).tolist(), 0.1)))
    assert len(tracker._entries) <= 7
    assert len(tracker._ids) <= 60
