"""Track ids: kept, never reused, never swapped without need."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.datatypes import Object3D
from edge_mm_ros.pipelines.tracking import Tracker

MS = 1_000_000


def item(x: float, y: float = 0.0, label: str = "Normal", sigma: float = 0.2) -> Object3D:
    return Object3D(
        "",
        label,
        0.9,
        np.array([x, y, 0.9]),
        np.array([0.5, 0.5, 1.8]),
        np.eye(3) * sigma**2,
        ("camera:front",),
    )


def ids(tracker: Tracker, *items: Object3D, at_ms: int) -> list[str]:
    return [tracked.track_id for tracked in tracker.update(items, at_ms * MS)]


def test_the_first_object_has_id_1_at_once() -> None:
    assert ids(Tracker(), item(8.4), at_ms=0) == ["1"]


def test_ids_follow_walking_objects_whatever_their_order() -> None:
    tracker = Tracker()
    for step in range(30):
        forth, back = item(5 + 0.14 * step, 1.0), item(10 - 0.14 * step, -1.0)
        if step % 2:
            assert ids(tracker, back, forth, at_ms=100 * step) == ["2", "1"]
        else:
            assert ids(tracker, forth, back, at_ms=100 * step) == ["1", "2"]


def test_neighbours_are_assigned_as_a_whole() -> None:
    # Greedily, the second object would take the first track and leave the first without.
    tracker = Tracker()
    assert ids(tracker, item(5.0), item(6.0), at_ms=0) == ["1", "2"]
    assert ids(tracker, item(4.6), item(5.4), at_ms=100) == ["1", "2"]


def test_a_fall_changes_the_label_and_not_the_track() -> None:
    tracker = Tracker()
    assert ids(tracker, item(5.0), at_ms=0) == ["1"]
    assert ids(tracker, item(5.1, label="Fall"), at_ms=100) == ["1"]


@pytest.mark.parametrize(("gap_ms", "expected"), [(900, "1"), (1000, "1"), (1100, "2")])
def test_an_unseen_track_coasts_for_a_second(gap_ms: int, expected: str) -> None:
    tracker = Tracker(coast_s=1.0)
    assert ids(tracker, item(5.0), at_ms=0) == ["1"]
    assert ids(tracker, at_ms=100) == []
    assert ids(tracker, item(5.0), at_ms=gap_ms) == [expected]


def test_a_jump_beyond_the_gate_is_somebody_else() -> None:
    tracker = Tracker()
    assert ids(tracker, item(5.0), at_ms=0) == ["1"]
    assert ids(tracker, item(9.0), at_ms=100) == ["2"]


def test_uncertainty_opens_the_gate() -> None:
    tracker = Tracker()
    assert ids(tracker, item(30.0, sigma=2.0), at_ms=0) == ["1"]
    assert ids(tracker, item(34.0, sigma=2.0), at_ms=100) == ["1"]


def test_a_vague_object_does_not_steal_a_close_one_s_track() -> None:
    tracker = Tracker()
    assert ids(tracker, item(5.0), at_ms=0) == ["1"]
    assert ids(tracker, item(6.0, sigma=3.0), item(5.05), at_ms=100) == ["2", "1"]


def test_reset_begins_again_with_1() -> None:
    tracker = Tracker()
    ids(tracker, item(5.0), item(9.0), at_ms=0)
    tracker.reset()
    assert ids(tracker, item(9.0), at_ms=0) == ["1"]


frames = st.lists(
    st.lists(st.tuples(st.floats(0.5, 40), st.floats(-20, 20)), max_size=6), max_size=12
)


@given(frames=frames)
def test_ids_are_unique_in_a_frame_never_reused_and_the_same_in_every_run(
    frames: list[list[tuple[float, float]]],
) -> None:
    def run() -> list[list[str]]:
        tracker = Tracker()
        return [
            ids(tracker, *(item(x, y) for x, y in frame), at_ms=150 * index)
            for index, frame in enumerate(frames)
        ]

    found = run()
    assert found == run()
    last_seen: dict[str, int] = {}
    newest = 0
    for index, frame in enumerate(found):
        assert len(set(frame)) == len(frame)
        for track_id in frame:
            if track_id in last_seen:
                assert (index - last_seen[track_id]) * 150 <= 1000
            else:
                newest += 1
                assert int(track_id) == newest
            last_seen[track_id] = index
