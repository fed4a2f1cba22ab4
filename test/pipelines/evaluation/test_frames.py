"""Truth and estimates brought together: time, frames of reference, what counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import (
    GroundTruth,
    Object3D,
    Objects,
    Odometry,
    RigidTransform,
    TrueObject,
)
from edge_mm_ros.pipelines.evaluation import (
    Estimate,
    EvaluationError,
    EvaluationSettings,
    Frame,
    frames_of,
)

S = 10**9
Places = Sequence[tuple[str, float, float]]


def truth(
    t_s: float, *places: tuple[str, float, float], seen: Sequence[str] = ("lidar",), **more: Any
) -> GroundTruth:
    objects = tuple(
        TrueObject(
            name,
            more.get("label", "person"),
            np.array([x, y, 0.9]),
            0.0,
            np.array(more.get("size", (0.5, 0.5, 1.8))),
            np.array([1.0, 0.0, 0.0]),
            tuple(seen),
        )
        for name, x, y in places
    )
    return GroundTruth(objects, round(t_s * S), "base_link")


def joined(*truths: GroundTruth) -> GroundTruth:
    objects = tuple(item for one in truths for item in one.objects)
    return GroundTruth(objects, truths[0].stamp_ns, "base_link")


def estimate(
    t_s: float,
    *places: tuple[str, float, float],
    frame: str = "base_link",
    velocity: tuple[float, float, float] | None = None,
) -> Estimate:
    objects = tuple(
        Object3D(
            name, "person", 0.9, np.array([x, y, 0.9]), np.ones(3), np.diag([0.04, 0.01, 1.0]), ()
        )
        for name, x, y in places
    )
    told = {} if velocity is None else {name: np.array(velocity) for name, _, _ in places}
    return Estimate(Objects(objects, round(t_s * S), frame), told)


def frames(
    truths: list[GroundTruth], estimates: list[Estimate], odometry: Any = (), **settings: Any
) -> list[Frame]:
    return frames_of(truths, estimates, EvaluationSettings(**settings), odometry)


def test_the_truth_is_interpolated_to_the_stamp_of_the_objects() -> None:
    course = [truth(0.0, ("a", 4.0, 0.0)), truth(0.1, ("a", 5.0, 1.0))]
    (found,) = frames(course, [estimate(0.03, ("1", 4.0, 0.0))])
    assert found.stamp_ns == 30_000_000
    assert found.truth.positions_m == pytest.approx(np.array([[4.3, 0.3]]))


def test_objects_of_the_odometry_frame_come_back_by_the_odometry_that_drifted() -> None:
    # The odometry believes the robot to be at (10, 5), turned by 90 degrees.
    pose = RigidTransform.from_xyz_rpy((10.0, 5.0, 0.0), (0.0, 0.0, math.pi / 2.0))
    odometry = Odometry(
        pose, np.array([2.0, 0.0, 0.0]), np.zeros(3), np.eye(6), np.eye(6), 0, "odom", "base_link"
    )
    course = [truth(0.0, ("a", 3.0, 0.0)), truth(1.0, ("a", 3.0, 0.0))]
    # After 0.5 s it is at (10, 6); 3 m ahead of it is (10, 9).
    seen = estimate(0.5, ("1", 10.0, 9.0), frame="odom", velocity=(0.0, 1.0, 0.0))
    (found,) = frames(course, [seen], [odometry])
    assert found.tracks.positions_m == pytest.approx(np.array([[3.0, 0.0]]))
    assert found.tracks.velocities_mps == pytest.approx(np.array([[1.0, 0.0]]))
    assert found.tracks.covariances_m2[0] == pytest.approx(np.diag([0.01, 0.04]))


def test_an_unknown_frame_is_refused_with_the_mend() -> None:
    course = [truth(0.0, ("a", 3.0, 0.0)), truth(1.0, ("a", 3.0, 0.0))]
    with pytest.raises(EvaluationError, match="'map', which is neither .*base_link"):
        frames(course, [estimate(0.5, ("1", 3.0, 0.0), frame="map")])


def test_what_no_sensor_has_seen_for_a_while_is_not_asked_for() -> None:
    course = [
        truth(i * 0.1, ("a", 3.0, 0.0), seen=("lidar",) if 2 <= i <= 4 else ()) for i in range(20)
    ]
    found = frames(course, [estimate(i * 0.1) for i in range(20)], memory_s=0.35)
    assert [bool(len(frame.truth)) for frame in found] == [2 <= i <= 7 for i in range(20)]


def test_only_some_sensors_may_count() -> None:
    course = [truth(0.0, ("a", 3.0, 0.0), seen=("radar",)), truth(1.0, ("a", 3.0, 0.0), seen=())]
    assert len(frames(course, [estimate(0.1)], sensors=("radar",))[0].truth) == 1
    assert len(frames(course, [estimate(0.1)], sensors=("camera",))[0].truth) == 0


def test_a_track_on_what_is_not_asked_for_is_neither_right_nor_wrong() -> None:
    asked = truth(0.0, ("a", 3.0, 0.0))
    hidden = truth(0.0, ("b", 8.0, 0.0), seen=())
    end = truth(1.0, ("a", 3.0, 0.0), ("b", 8.0, 0.0), seen=())
    found = frames(
        [joined(asked, hidden), end],
        [estimate(0.0, ("1", 3.1, 0.0), ("2", 8.1, 0.0), ("3", 20.0, 0.0))],
    )
    assert found[0].truth.ids == ("a",)
    assert found[0].tracks.ids == ("1", "3")


def test_a_hidden_object_takes_no_track_from_one_that_is_asked_for() -> None:
    both = joined(truth(0.0, ("a", 3.0, 0.0)), truth(0.0, ("b", 3.6, 0.0), seen=()))
    end = truth(1.0, ("a", 3.0, 0.0), ("b", 3.6, 0.0), seen=())
    found = frames([both, end], [estimate(0.0, ("1", 3.5, 0.0))])
    assert found[0].tracks.ids == ("1",)


def test_tracks_on_walls_and_far_away_do_not_count() -> None:
    wall = truth(0.0, ("wall_1", 10.0, 0.0), label="wall", size=(20.0, 0.2, 2.0), seen=())
    end = GroundTruth(wall.objects, S, "base_link")
    on_wall, before, far = ("1", 3.0, 0.4), ("2", 3.0, 1.0), ("3", 90.0, 0.0)
    found = frames([wall, end], [estimate(0.0, on_wall, before, far)])
    assert found[0].tracks.ids == ("2",)
    assert len(found[0].truth) == 0


def test_far_objects_are_not_asked_for() -> None:
    course = [truth(0.0, ("a", 39.0, 0.0), ("b", 41.0, 0.0)), truth(1.0)]
    assert frames(course, [estimate(0.0)])[0].truth.ids == ("a",)


def test_a_silence_is_counted_as_frames_without_tracks() -> None:
    course = [truth(i * 0.1, ("a", 3.0, 0.0)) for i in range(41)]
    stamps = [0.1 * i for i in range(41) if not 10 < i < 30]
    found = frames(course, [estimate(t, ("1", 3.0, 0.0)) for t in stamps])
    assert len(found) == 41
    assert [len(f.tracks) for f in found] == [0 if 10 < i < 30 else 1 for i in range(41)]


def test_silence_before_the_first_and_after_the_last_object_counts_too() -> None:
    course = [truth(i * 0.1, ("a", 3.0, 0.0)) for i in range(31)]
    found = frames(course, [estimate(0.1 * i, ("1", 3.0, 0.0)) for i in range(10, 20)])
    assert found[0].stamp_ns <= 2 * 10**8
    assert found[-1].stamp_ns >= 28 * 10**8


def test_ids_that_come_twice_are_told_apart() -> None:
    course = [truth(0.0, ("a", 3.0, 0.0)), truth(1.0, ("a", 3.0, 0.0))]
    found = frames(course, [estimate(0.0, ("", 3.0, 0.0), ("", 8.0, 0.0), ("7", 9.0, 0.0))])
    assert len(set(found[0].tracks.ids)) == 3


def test_nothing_to_compare_is_told() -> None:
    course = [truth(0.0), truth(1.0)]
    with pytest.raises(EvaluationError, match="no ground truth"):
        frames([], [estimate(0.0)])
    with pytest.raises(EvaluationError, match="no objects"):
        frames(course, [])
    with pytest.raises(EvaluationError, match="do not overlap in time: objects from 7.000"):
        frames(course, [estimate(7.0)])
