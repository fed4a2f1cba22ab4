"""A rough place, as of an ultrasonic echo, moves nothing that is better known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_mm_ros.pipelines.tracking import Birth, Measurement, Scan, Tracker, TrackerSettings

MS = 1_000_000


def lidar(x: float, size_m: float = 0.5) -> Measurement:
    return Measurement(
        np.array([x, 0.0, 1.0]),
        0.01 * np.eye(3),
        "unknown",
        0.7,
        np.array([size_m, size_m, 1.8]),
        ("lidar:top",),
    )


def echo(x: float) -> Measurement:
    return Measurement(
        np.array([x, 0.0, 0.5]),
        0.1 * np.eye(3),
        "unknown",
        0.5,
        np.array([0.3, 0.3, 1.0]),
        ("ultrasonic:u",),
        0.1 * np.eye(3),
        birth=Birth.CONFIRMED,
        sized=False,
    )


def placed(*, size_m: float, echoes: bool, clouds: int = 30) -> float:
    tracker = Tracker()
    for step in range(30):
        if step < clouds:
            tracker.update(Scan("lidar:top", 100 * step * MS, (lidar(3.0, size_m),)))
        if echoes:
            scan = Scan("ultrasonic:u", (100 * step + 50) * MS, (echo(2.6),))
            (found,) = tracker.update(scan)
        else:
            (found,) = tracker.update(Scan("ultrasonic:u", (100 * step + 50) * MS, ()))
    return float(found.position_m[0])


@pytest.mark.parametrize("size_m", [0.5, 4.0])
def test_echoes_from_the_near_edge_do_not_draw_an_object_near(size_m: float) -> None:
    alone = placed(size_m=size_m, echoes=False)
    assert placed(size_m=size_m, echoes=True) == pytest.approx(alone, abs=0.005)


def test_an_object_that_only_echoes_show_is_followed_by_them() -> None:
    tracker = Tracker()
    for step in range(30):
        found = tracker.update(Scan("ultrasonic:u", 100 * step * MS, (echo(3.0 - 0.05 * step),)))
    (item,) = found
    assert item.position_m[0] == pytest.approx(1.55, abs=0.25)
    assert item.velocity_mps is not None
    assert item.velocity_mps[0] == pytest.approx(-0.5, abs=0.25)


def test_an_echo_does_not_drag_a_new_object_whose_speed_is_hardly_known() -> None:
    tracker = Tracker(TrackerSettings(max_speed_mps=40.0))
    tracker.update(Scan("lidar:top", 0, (lidar(2.5, 0.4),)))
    aside = replace(echo(2.5), position_m=np.array([2.5, 0.4, 0.5]))
    (told,) = tracker.update(Scan("ultrasonic:u", 90 * MS, (aside,)))
    assert told.position_m[:2] == pytest.approx([2.5, 0.0], abs=0.01)


def test_what_stands_beside_a_large_thing_in_the_same_scan_is_a_thing_of_its_own() -> None:
    """A child 0.3 m from a parked car whose middle, and so its ends, are hardly known."""
    car = replace(lidar(5.0, 4.5), noise_m2=0.2 * np.eye(3))
    child = replace(lidar(2.25, 0.4), birth=Birth.CONFIRMED)
    tracker = Tracker()
    for step in range(5):
        tracker.update(Scan("lidar:top", 100 * step * MS, (car,)))
    for step in range(5, 9):
        told = tracker.update(Scan("lidar:top", 100 * step * MS, (car, child)))
    assert [round(float(item.position_m[0]), 1) for item in told] == pytest.approx([5.0, 2.2], 0.1)
