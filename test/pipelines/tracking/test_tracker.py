"""Tracks: kept, never reused, never swapped without need, through occlusion and back."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.measured import measured, noisy, scan
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.datatypes import Object3D
from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines.tracking import (
    UNKNOWN_LABEL,
    Birth,
    Measurement,
    Scan,
    Tracker,
    TrackerSettings,
)


def ids(tracker: Tracker, *items: Measurement, at_s: float) -> list[str]:
    """Ids of the objects, in the order of the measurements that lie nearest."""
    found = tracker.update(scan(at_s, *items))
    return [
        min(found, key=lambda one: float(np.linalg.norm(one.position_m - item.position_m))).track_id
        for item in items
    ]


def seen(objects: tuple[Object3D, ...]) -> list[str]:
    return [item.track_id for item in objects]


def walked(tracker: Tracker, seconds: float = 1.0, speed_mps: float = 1.0) -> float:
    """A person walks along x at y = 0 for some time, seen 10 times a second; returns the time."""
    steps = round(seconds * 10)
    for step in range(steps + 1):
        tracker.update(scan(0.1 * step, measured((5.0 + speed_mps * 0.1 * step, 0.0), sigma_m=0.1)))
    return 0.1 * steps


def test_the_first_object_has_id_1_at_once_and_lies_where_it_was_measured() -> None:
    (found,) = Tracker().update(scan(0.0, measured((8.4, 1.0), bias_m=0.3)))
    assert found.track_id == "1"
    assert found.position_m == pytest.approx([8.4, 1.0, 0.9])
    # All of the measurement's variance: that of new errors and that of shared ones.
    assert found.covariance_m2 == pytest.approx(np.eye(3) * (0.2**2 + 0.3**2))
    assert found.velocity_mps == pytest.approx(np.zeros(3))


def test_ids_follow_walking_objects_whatever_their_order() -> None:
    tracker = Tracker()
    for step in range(30):
        forth, back = measured((5 + 0.14 * step, 1.0)), measured((10 - 0.14 * step, -1.0))
        if step % 2:
            assert ids(tracker, back, forth, at_s=0.1 * step) == ["2", "1"]
        else:
            assert ids(tracker, forth, back, at_s=0.1 * step) == ["1", "2"]


@pytest.mark.parametrize("seed", range(5))
def test_two_people_who_cross_keep_their_ids(seed: int) -> None:
    """At 1.2 m/s each, 0.8 m apart when they pass, LiDAR noise of 0.05 m at 10 Hz."""
    rng, tracker = np.random.default_rng(seed), Tracker()
    for step in range(81):
        way = -4.8 + 0.12 * step
        items = noisy(rng, [(10.0 + way, 0.4), (10.0 - way, -0.4)], 0.05)
        objects = tracker.update(scan(0.1 * step, *(items if step % 3 else items[::-1])))
        if step == 0:
            forth, back = sorted(objects, key=lambda one: float(one.position_m[0]))
        assert len(objects) == 2
        by_id = {item.track_id: item for item in objects}
        assert by_id[forth.track_id].position_m[1] == pytest.approx(0.4, abs=0.3)
        assert by_id[back.track_id].position_m[1] == pytest.approx(-0.4, abs=0.3)
        if step >= 10:
            assert by_id[forth.track_id].velocity_mps[0] > 0.5
            assert by_id[back.track_id].velocity_mps[0] < -0.5


def test_a_fall_changes_the_label_and_not_the_track() -> None:
    tracker = Tracker()
    for step in range(10):
        (standing,) = tracker.update(scan(0.1 * step, measured((5.0, 0.0, 0.9))))
    for step in range(10, 13):
        (lying,) = tracker.update(scan(0.1 * step, measured((5.1, 0.0, 0.4), label="Fall")))
    assert (standing.track_id, standing.label) == ("1", "Normal")
    assert (lying.track_id, lying.label) == ("1", "Fall")


@pytest.mark.parametrize(("gap_s", "expected"), [(0.9, "1"), (1.0, "1"), (1.1, "2")])
def test_an_unseen_track_lives_for_coast_s(gap_s: float, expected: str) -> None:
    tracker = Tracker(TrackerSettings(coast_s=1.0))
    assert ids(tracker, measured((5.0, 0.0)), at_s=0.0) == ["1"]
    assert not tracker.update(scan(0.1))
    assert ids(tracker, measured((5.0, 0.0)), at_s=gap_s) == [expected]


def test_an_id_stays_through_an_occlusion_of_two_seconds() -> None:
    tracker = Tracker()
    now = walked(tracker)
    spreads, scores, ways = [], [], []
    for step in range(1, 20):
        (hidden,) = tracker.update(scan(now + 0.1 * step))
        assert hidden.track_id == "1"
        assert hidden.sources == (("camera:front",) if step <= 5 else ())
        spreads.append(float(np.trace(hidden.covariance_m2)))
        scores.append(hidden.score)
        ways.append(float(hidden.position_m[0]))
    assert np.all(np.diff(spreads) > 0.0)
    assert np.all(np.diff(scores) < 0.0)
    assert np.diff(ways) == pytest.approx([0.1] * 18, abs=0.02)  # it goes on as it went
    assert ids(tracker, measured((8.1, 0.2)), at_s=now + 2.0) == ["1"]


def test_a_prediction_is_told_for_as_long_as_its_place_is_known() -> None:
    tracker = Tracker(TrackerSettings(TrackingParams(predicted_sigma_m=0.5), coast_s=2.5))
    now = walked(tracker)
    told = [tracker.update(scan(now + 0.1 * step)) for step in range(1, 26)]
    spreads = [float(np.linalg.eigvalsh(one[0].covariance_m2[:2, :2])[1]) for one in told if one]
    assert 10 <= len(spreads) < 25  # it ends before coast_s
    assert max(spreads) <= 0.5**2
    assert not any(told[len(spreads) :])
    assert seen(tracker.update(scan(now + 2.6, measured((8.6, 0.0))))) == ["1"]


def test_a_track_that_stays_unseen_is_told_for_coast_s_and_then_remembered() -> None:
    motion = TrackingParams(predicted_sigma_m=10.0, remember_s=6.0)
    tracker = Tracker(TrackerSettings(motion, coast_s=2.5))
    now = walked(tracker)
    assert seen(tracker.update(scan(now + 2.5))) == ["1"]
    assert not tracker.update(scan(now + 2.6))
    assert len(tracker.tracks) == 1
    tracker.update(scan(now + 6.1))
    assert len(tracker.tracks) == 0


def test_who_comes_back_soon_after_is_who_they_were() -> None:
    tracker = Tracker()
    now = walked(tracker)
    for step in range(1, 40):
        tracker.update(scan(now + 0.1 * step))
    # Gone on for four seconds at 1 m/s, and a little aside.
    assert ids(tracker, measured((10.0, 0.5)), at_s=now + 4.0) == ["1"]


def test_a_flash_is_shown_once_and_does_not_coast() -> None:
    tracker = Tracker()
    walked(tracker)
    assert seen(tracker.update(scan(1.1, measured((6.1, 0.0)), measured((20.0, 8.0))))) == [
        "1",
        "2",
    ]
    assert seen(tracker.update(scan(1.2, measured((6.2, 0.0))))) == ["1"]


@pytest.mark.parametrize(
    ("pattern", "confirmed"), [("111", True), ("11010", True), ("11001", True), ("10010", False)]
)
def test_three_hits_of_five_confirm(pattern: str, confirmed: bool) -> None:
    tracker = Tracker()
    for step, hit in enumerate(pattern):
        tracker.update(scan(0.1 * step, *([measured((5.0, 0.0))] if hit == "1" else [])))
    shown = tracker.update(scan(0.1 * len(pattern)))
    assert bool(shown) is confirmed


def test_what_another_camera_does_not_see_is_not_missed() -> None:
    tracker = Tracker()
    tracker.update(scan(0.0, measured((5.0, 0.0))))
    for step in range(1, 4):
        objects = tracker.update(scan(0.1 * step, sensor="rear"))
        assert seen(objects) == ["1"]


def test_two_cameras_that_see_one_object_give_one() -> None:
    tracker = Tracker()
    for step in range(20):
        tracker.update(scan(0.1 * step, measured((5.0 + 0.1 * step, 0.1))))
        (found,) = tracker.update(
            scan(
                0.1 * step + 0.04,
                measured((5.04 + 0.1 * step, -0.1), sources=("camera:side", "lidar:top")),
                sensor="side",
            )
        )
    assert found.track_id == "1"
    assert set(found.sources) == {"camera:front", "camera:side", "lidar:top"}
    assert found.velocity_mps[0] == pytest.approx(1.0, abs=0.25)


def test_each_camera_counts_at_its_own_stamp() -> None:
    # It goes 3 m/s; the side camera's pictures come 80 ms late and show it 0.24 m further back.
    tracker = Tracker()
    for step in range(30):
        now = 0.1 * step
        tracker.update(scan(now, measured((3.0 * now, 0.0), sigma_m=0.05)))
        late = now - 0.08
        if step:
            objects = tracker.update(
                scan(late, measured((3.0 * late, 0.0), sigma_m=0.05), sensor="side")
            )
    assert len(objects) == 1
    assert objects[0].position_m[0] == pytest.approx(3.0 * 2.9, abs=0.02)
    assert objects[0].velocity_mps[0] == pytest.approx(3.0, abs=0.05)


def test_a_shared_error_is_not_averaged_away() -> None:
    tracker = Tracker()
    for step in range(50):
        item = measured((9.0, 0.0), sigma_m=0.1, bias_m=0.5)
        (found,) = tracker.update(scan(0.1 * step, item))
    assert np.sqrt(found.covariance_m2[0, 0]) > 0.5


def test_a_jump_beyond_the_gate_is_somebody_else() -> None:
    tracker = Tracker()
    assert ids(tracker, measured((5.0, 0.0)), at_s=0.0) == ["1"]
    assert ids(tracker, measured((9.0, 0.0)), at_s=0.1) == ["2"]


def test_reset_forgets_the_tracks_and_gives_no_id_twice() -> None:
    tracker = Tracker()
    assert ids(tracker, measured((5.0, 0.0)), measured((9.0, 0.0)), at_s=10.0) == ["1", "2"]
    tracker.reset()
    assert seen(tracker.update(scan(0.0))) == []
    assert ids(tracker, measured((9.0, 0.0)), at_s=0.1) == ["3"]


def test_the_whole_of_confirmation_is_a_parameter() -> None:
    tracker = Tracker(TrackerSettings(TrackingParams(confirm_hits=1, confirm_of=1)))
    tracker.update(scan(0.0, measured((5.0, 0.0))))
    assert seen(tracker.update(scan(0.1))) == ["1"]


frames = st.lists(
    st.lists(st.tuples(st.floats(0.5, 40), st.floats(-20, 20)), max_size=6), max_size=12
)


@given(frames=frames)
def test_ids_are_unique_in_a_frame_begin_in_order_and_are_the_same_in_every_run(
    frames: list[list[tuple[float, float]]],
) -> None:
    def run() -> list[tuple[Object3D, ...]]:
        tracker = Tracker()
        return [
            tracker.update(scan(0.15 * index, *(measured(place) for place in frame)))
            for index, frame in enumerate(frames)
        ]

    found, again = run(), run()
    newest = 0
    for objects, same in zip(found, again, strict=True):
        names = seen(objects)
        assert names == seen(same)
        assert [o.position_m.tobytes() for o in objects] == [o.position_m.tobytes() for o in same]
        assert len(set(names)) == len(names)
        for name in names:
            if int(name) > newest:
                assert int(name) == newest + 1
                newest += 1
            assert np.isfinite(next(o for o in objects if o.track_id == name).position_m).all()


@pytest.mark.parametrize("speed_mps", [0.0, 1.7])
def test_a_slow_sensor_alone_follows_who_walks_where_cars_may_drive(speed_mps: float) -> None:
    """A LiDAR of 5 Hz shows something without a class, which may drive at up to 40 m/s."""
    tracker = Tracker(TrackerSettings(max_speed_mps=40.0))
    for step in range(8):
        place = np.array([8.0, -2.0 + 0.2 * speed_mps * step, 0.9])
        thing = Measurement(
            place,
            np.diag([0.005, 0.005, 0.18]),
            UNKNOWN_LABEL,
            0.7,
            np.array([0.4, 0.4, 1.7]),
            ("lidar:top",),
            birth=Birth.CONFIRMED,
        )
        told = tracker.update(Scan("lidar:top", 200_000_000 * step, (thing,)))
    (item,) = told
    assert item.position_m == pytest.approx(place, abs=0.1)
    assert item.velocity_mps == pytest.approx([0.0, speed_mps, 0.0], abs=0.3)
