"""Who comes back after they were hidden for long is known by place and velocity together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes.measured import measured, scan

from edge_mm_ros.pipelines.tracking import UNKNOWN_LABEL, Birth, Measurement, Tracker

Way = tuple[tuple[float, float], tuple[float, float]]
"""Place at the beginning, velocity."""


def at(way: Way, at_s: float) -> tuple[float, float]:
    (x, y), (vx, vy) = way
    return x + vx * at_s, y + vy * at_s


def cluster(place_m: tuple[float, float]) -> Measurement:
    """As a LiDAR shows the head of somebody behind others: no object before it is confirmed."""
    one = measured(place_m, sigma_m=0.05, label=UNKNOWN_LABEL, sources=("lidar:top",))
    return replace(one, birth=Birth.CONFIRMED)


def seen_until(tracker: Tracker, until_s: float, *ways: Way) -> list[str]:
    """All walk in view; returns their ids in order."""
    for step in range(round(until_s * 10) + 1):
        items = [measured(at(way, 0.1 * step), sigma_m=0.05) for way in ways]
        found = tracker.update(scan(0.1 * step, *items))
    return [item.track_id for item in found]


def seen_again(tracker: Tracker, from_s: float, *ways: Way) -> list[str]:
    """The LiDAR shows them for half a second; returns their ids in the order of the ways."""
    for step in range(5):
        at_s = from_s + 0.1 * step
        items = [cluster(at(way, at_s)) for way in ways]
        found = tracker.update(scan(at_s, *items, sensor="top"))
    return [
        min(found, key=lambda one: float(np.hypot(*(one.position_m[:2] - at(way, at_s))))).track_id
        for way in ways
    ]


WALKER: Way = ((8.0, -3.0), (0.1, 0.6))


@pytest.mark.parametrize("hidden_s", [1.5, 3.5, 5.5])
def test_who_walks_on_behind_something_comes_back_under_the_same_id(hidden_s: float) -> None:
    tracker = Tracker()
    assert seen_until(tracker, 3.0, WALKER) == ["1"]
    assert seen_again(tracker, 3.0 + hidden_s, WALKER) == ["1"]
    assert [item.track_id for item in tracker.update(scan(3.5 + hidden_s))] == ["1"]


def test_who_walks_another_way_is_somebody_else() -> None:
    tracker = Tracker()
    seen_until(tracker, 3.0, WALKER)
    x, y = at(WALKER, 7.0)
    # At the place where the first one would be, but against their way at a run.
    other: Way = ((x - 2.0 * 7.0, y + 2.0 * 7.0), (2.0, -2.0))
    assert seen_again(tracker, 7.0, other) == ["2"]


def test_two_are_told_apart_by_where_they_go() -> None:
    tracker = Tracker()
    forth: Way = ((8.0, -3.0), (0.0, 0.7))
    back: Way = ((8.0, 3.0), (0.0, -0.7))
    assert seen_until(tracker, 3.0, forth, back) == ["1", "2"]
    # They passed each other at y = 0 while they were hidden.
    assert seen_again(tracker, 6.0, back, forth) == ["2", "1"]


def test_an_id_that_was_told_stays_whatever_a_late_scan_shows() -> None:
    tracker = Tracker()
    seen_until(tracker, 3.0, WALKER)
    assert seen_again(tracker, 6.5, WALKER) == ["1"]
    for late_s in (6.45, 6.65, 6.85):
        found = tracker.update(scan(late_s, measured(at(WALKER, late_s), sigma_m=0.05)))
        assert [item.track_id for item in found] == ["1"]


def test_who_was_seen_meanwhile_is_not_who_came_back() -> None:
    tracker = Tracker()
    seen_until(tracker, 3.0, WALKER)
    for step in range(5):
        at_s = 3.1 + 0.1 * step
        near = at(((8.9, -3.0), (0.1, 0.6)), at_s)
        tracker.update(scan(at_s, measured(at(WALKER, at_s), sigma_m=0.05)))
        found = tracker.update(scan(at_s + 0.05, cluster(near), sensor="top"))
    assert [item.track_id for item in found] == ["1", "2"]
