"""A sensor that disagrees with the others is found, and what is off is named."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mm_ros.datatypes import SensorFault
from edge_mm_ros.pipelines.sensor_watch import Gaps, SensorWatch, WatchedSensor

MS = 1_000_000
KEY = "radar:front"
PLACES = np.array([[6.0, 2.0], [9.0, -3.0], [12.0, 1.0]])
VELOCITIES = np.array([[0.0, 1.2], [-1.0, 0.5], [0.8, -0.9]])
SIGMA_M = 0.1


def watch() -> SensorWatch:
    return SensorWatch([WatchedSensor(KEY, "front", "radar", 0.5)])


def feed(
    target: SensorWatch,
    off: NDArray[np.float64],
    from_ms: int = 0,
    to_ms: int = 3000,
    scatter_m: float = SIGMA_M,
    objects: tuple[str, ...] = ("a", "b", "c"),
) -> None:
    rng = np.random.default_rng(3)
    for at_ms in range(from_ms, to_ms, 100):
        target.arrive(KEY, at_ms * MS + 1, at_ms * MS + 1, at_ms)
        gaps = Gaps(
            off + rng.normal(0.0, scatter_m, off.shape),
            np.tile(np.eye(2) * SIGMA_M**2, (len(off), 1, 1)),
            PLACES,
            VELOCITIES,
            objects,
        )
        target.note_agreement(KEY, at_ms * MS + 1, at_ms * MS + 1, gaps)


def figure(line: str) -> float:
    found = re.search(r"(\d+\.\d+) (?:m|s|rad) ", line)
    assert found is not None, line
    return float(found.group(1))


def test_a_sensor_that_agrees_is_well() -> None:
    target = watch()
    feed(target, np.zeros((3, 2)))
    assert target.states()[0].fault is SensorFault.NONE


@pytest.mark.parametrize(
    ("off", "words", "expected"),
    [
        (np.tile([0.6, -0.8], (3, 1)), "m off", 1.0),
        (0.2 * np.column_stack([-PLACES[:, 1], PLACES[:, 0]]), "rad to the left", 0.2),
        (0.8 * VELOCITIES, "s behind", 0.8),
        (-0.8 * VELOCITIES, "s ahead", 0.8),
    ],
    ids=["shift", "yaw", "late clock", "early clock"],
)
def test_the_offset_is_named(off: NDArray[np.float64], words: str, expected: float) -> None:
    target = watch()
    feed(target, off)
    state = target.states()[0]
    assert state.fault is SensorFault.DISAGREES
    assert words in state.message
    assert figure(state.message) == pytest.approx(expected, abs=0.06)
    assert not target.trusted(KEY)


def test_an_offset_within_both_errors_is_none() -> None:
    target = watch()
    feed(target, np.tile([0.2, 0.2], (3, 1)))  # 2.8 standard deviations
    assert target.trusted(KEY)


def test_gaps_without_a_common_cause_are_wrong_pairs() -> None:
    target = watch()
    feed(target, np.zeros((3, 2)), scatter_m=1.5)
    assert target.trusted(KEY)


def test_one_object_alone_accuses_nobody() -> None:
    target = watch()
    feed(target, np.tile([1.0, 0.0], (3, 1)), objects=("a", "a", "a"))
    assert target.trusted(KEY)


def test_it_is_taken_back_when_it_agrees_again() -> None:
    target = watch()
    feed(target, np.tile([1.0, 0.0], (3, 1)))
    assert not target.trusted(KEY)
    feed(target, np.zeros((3, 2)), 3000, 8000)
    assert target.trusted(KEY)


def test_a_camera_that_finds_nothing_where_others_see_objects_is_blind() -> None:
    target = watch()
    for at_ms in range(0, 3000, 100):
        target.arrive(KEY, at_ms * MS + 1, at_ms * MS + 1, None)
        target.note_view(KEY, at_ms * MS + 1, found=2 if at_ms < 1000 else 0, expected=2)
        assert target.trusted(KEY) == (at_ms < 900 + 500)
    assert "in the dark" in target.states()[0].message


def test_a_camera_that_finds_nothing_where_nothing_is_known_is_not_blind() -> None:
    target = watch()
    for at_ms in range(0, 3000, 100):
        target.arrive(KEY, at_ms * MS + 1, at_ms * MS + 1, None)
        target.note_view(KEY, at_ms * MS + 1, found=0, expected=0)
    assert target.trusted(KEY)
    assert math.isfinite(target.states()[0].rate_hz)
