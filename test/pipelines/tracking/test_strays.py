"""A box whose distance is another object's, and two things that cannot be in one place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fakes.measured import measured, scan

from edge_mm_ros.datatypes import Object3D
from edge_mm_ros.pipelines.tracking import UNKNOWN_LABEL, Birth, Measurement, Tracker

CAMERA = np.array([0.0, 0.0, 1.2])


def boxed(place_m: tuple[float, float], **changes: object) -> Measurement:
    """As a camera's box gives it: its direction is surer than its distance."""
    return replace(measured(place_m, sigma_m=0.1), origin_m=CAMERA, **changes)  # type: ignore[arg-type]


def cluster(place_m: tuple[float, float], birth: Birth = Birth.AT_ONCE) -> Measurement:
    """As a LiDAR gives it, without a class."""
    one = measured(place_m, sigma_m=0.1, label=UNKNOWN_LABEL, sources=("lidar:top",))
    return replace(one, birth=birth)


def places(objects: tuple[Object3D, ...]) -> dict[str, tuple[float, float]]:
    return {
        item.track_id: (round(float(item.position_m[0]), 1), round(float(item.position_m[1]), 1))
        for item in objects
    }


def two_in_line(tracker: Tracker) -> float:
    """One at 5 m, one behind it at 9 m, both seen for a second; returns the time."""
    for step in range(11):
        tracker.update(scan(0.1 * step, boxed((5.0, 0.0)), boxed((9.0, 0.6))))
    return 1.0


def test_a_box_with_the_distance_of_who_stands_before_is_still_who_it_was() -> None:
    tracker = Tracker()
    now = two_in_line(tracker)
    for step in range(1, 6):
        # The direction of the second, (9, 0.6), at the distance of the first.
        found = tracker.update(scan(now + 0.1 * step, boxed((5.0, 0.0)), boxed((4.9, 0.33))))
    assert set(places(found)) == {"1", "2"}
    second = next(item for item in found if item.track_id == "2")
    assert abs(float(second.position_m[0]) - 9.0) < 0.8
    assert np.sqrt(second.covariance_m2[0, 0]) > 0.15  # its distance is no longer known well


def test_a_box_with_the_distance_of_the_wall_behind_does_not_carry_its_object_away() -> None:
    tracker = Tracker()
    now = two_in_line(tracker)
    found = tracker.update(scan(now + 0.1, boxed((5.0, 0.0)), boxed((13.5, 0.9))))
    assert set(places(found)) == {"1", "2"}
    assert abs(places(found)["2"][0] - 9.0) < 0.5


def test_what_appears_before_somebody_is_told_at_once() -> None:
    # Nobody stood there before, so it must not be taken for the far one at a stray distance.
    tracker = Tracker()
    for step in range(11):
        tracker.update(scan(0.1 * step, boxed((9.0, 0.0))))
    found = tracker.update(scan(1.1, boxed((4.0, 0.0))))
    assert places(found)["2"] == (4.0, 0.0)


def test_two_boxes_at_one_place_are_one_object() -> None:
    found = Tracker().update(scan(0.0, boxed((5.0, 0.0)), boxed((5.1, 0.05), score=0.4)))
    assert len(found) == 1


def test_two_sensors_do_not_keep_two_tracks_of_one_object() -> None:
    tracker = Tracker()
    for step in range(10):
        tracker.update(scan(0.1 * step, boxed((5.0, 0.0))))
        tracker.update(scan(0.1 * step + 0.03, cluster((8.0, 0.0)), sensor="top"))
    # What the LiDAR saw walks into the place of what the camera saw, and only one is there.
    for step in range(10, 60):
        way = min(0.12 * (step - 10), 2.9)
        tracker.update(scan(0.1 * step, boxed((5.0, 0.0))))
        found = tracker.update(scan(0.1 * step + 0.03, cluster((8.0 - way, 0.0)), sensor="top"))
    assert list(places(found)) == ["1"]


def test_a_narrow_sliver_of_somebody_moves_them_little() -> None:
    tracker = Tracker()
    for step in range(11):
        tracker.update(scan(0.1 * step, boxed((8.0, 0.0))))
    sliver = boxed((8.0, 0.2), size_m=np.array([0.1, 0.1, 1.8]))
    for step in range(11, 14):
        (found,) = tracker.update(scan(0.1 * step, sliver))
    assert abs(float(found.position_m[1])) < 0.12


def test_a_cluster_without_a_class_leaves_the_class_and_the_size() -> None:
    tracker = Tracker()
    for step in range(20):
        tracker.update(scan(0.1 * step, boxed((5.0, 0.0))))
        wide = replace(cluster((5.05, 0.05)), size_m=np.array([1.5, 1.5, 1.8]))
        (found,) = tracker.update(scan(0.1 * step + 0.03, wide, sensor="top"))
    assert (found.track_id, found.label) == ("1", "Normal")
    assert found.size_m[0] < 0.6
    assert set(found.sources) == {"camera:front", "lidar:top"}


def test_a_class_takes_over_what_had_none_with_its_id() -> None:
    tracker = Tracker()
    for step in range(5):
        (before,) = tracker.update(scan(0.1 * step, cluster((5.0, 0.0)), sensor="top"))
    (after,) = tracker.update(scan(0.5, boxed((5.05, 0.0))))
    assert (before.track_id, before.label) == ("1", UNKNOWN_LABEL)
    assert (after.track_id, after.label) == ("1", "Normal")


def test_a_second_cluster_on_somebody_is_no_second_object() -> None:
    tracker = Tracker()
    for step in range(5):
        tracker.update(scan(0.1 * step, boxed((5.0, 0.0))))
        legs = cluster((4.9, 0.15)), cluster((4.9, -0.15))
        found = tracker.update(scan(0.1 * step + 0.03, *legs, sensor="top"))
    assert list(places(found)) == ["1"]


def test_what_must_be_confirmed_is_not_told_before_and_what_may_not_begin_never_does() -> None:
    tracker = Tracker()
    told = []
    for step in range(5):
        found = tracker.update(scan(0.1 * step, cluster((5.0, 0.0), Birth.CONFIRMED)))
        told.append(len(found))
    assert told == [0, 0, 1, 1, 1]
    for step in range(5, 10):
        found = tracker.update(scan(0.1 * step, cluster((9.0, 3.0), Birth.NEVER), sensor="top"))
    assert (9.0, 3.0) not in places(found).values()


def test_a_measurement_that_counts_at_once_makes_a_hidden_beginning_known() -> None:
    tracker = Tracker()
    assert not tracker.update(scan(0.0, cluster((5.0, 0.0), Birth.CONFIRMED), sensor="radar"))
    assert len(tracker.update(scan(0.05, boxed((5.0, 0.0))))) == 1


def test_who_starts_to_walk_behind_something_comes_out_under_the_same_id() -> None:
    tracker = Tracker()
    for step in range(60):
        at_s = 0.1 * step
        tracker.update(scan(at_s, measured((13.5, -6.5), sigma_m=0.05)))
    shown = set()
    for step in range(10):
        at_s, place = 7.1 + 0.1 * step, (13.5, -5.35 + 0.08 * step)
        found = tracker.update(
            scan(at_s, replace(measured(place, sigma_m=0.05), label=UNKNOWN_LABEL))
        )
        shown |= {item.track_id for item in found}
    assert shown == {"1"}


def test_a_cluster_that_holds_two_people_moves_neither() -> None:
    tracker = Tracker()
    for step in range(11):
        tracker.update(scan(0.1 * step, boxed((8.0, 0.3)), boxed((8.0, -0.3))))
    both = replace(cluster((8.0, 0.0)), size_m=np.array([0.5, 0.9, 1.7]))
    for step in range(11, 15):
        found = tracker.update(scan(0.1 * step, both, sensor="top"))
    assert sorted(abs(round(float(item.position_m[1]), 1)) for item in found) == [0.3, 0.3]
