"""CLEAR MOT on films that were counted by hand."""

from __future__ import annotations

import math

import pytest
from fakes.tracks import film
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.evaluation.clear_mot import ClearMot, clear_mot, correspondences
from edge_mm_ros.pipelines.evaluation.errors import false_alarms
from edge_mm_ros.pipelines.evaluation.frames import Frame


def of(frames: list[Frame], limit_m: float = 1.0) -> ClearMot:
    return clear_mot(frames, correspondences(frames, limit_m))


def test_a_perfect_tracker() -> None:
    found = of(film(*[({"a": t, "b": t + 5}, {"1": t, "2": t + 5}) for t in range(4)]))
    assert (found.objects, found.matches, found.misses) == (8, 8, 0)
    assert (found.mota, found.motp_m) == (1.0, 0.0)


def test_misses_false_ones_and_precision() -> None:
    frames = film(
        ({"a": 0.0, "b": 5.0}, {"1": 0.2}),  # b missed
        ({"a": 0.0, "b": 5.0}, {"1": 0.4, "2": 5.0, "3": 9.0}),  # 3 false
    )
    found = of(frames)
    assert (found.matches, found.misses, found.false_positives) == (3, 1, 1)
    assert found.motp_m == pytest.approx((0.2 + 0.4 + 0.0) / 3)
    assert found.mota == pytest.approx(1 - 2 / 4)


def test_another_id_for_the_same_object_is_a_switch_also_after_a_gap() -> None:
    frames = film(
        ({"a": 0.0}, {"1": 0.0}),
        ({"a": 0.0}, {}),
        ({"a": 0.0}, {"2": 0.0}),
        ({"a": 0.0}, {"2": 0.0}),
    )
    found = of(frames)
    assert (found.switches, found.fragmentations, found.misses) == (1, 1, 1)
    assert found.mota == pytest.approx(1 - 2 / 4)


def test_two_objects_that_swap_ids_are_two_switches() -> None:
    frames = film(
        ({"a": 0.0, "b": 5.0}, {"1": 0.0, "2": 5.0}),
        ({"a": 0.0, "b": 5.0}, {"2": 0.0, "1": 5.0}),
    )
    assert of(frames).switches == 2


def test_a_correspondence_is_kept_while_it_is_within_the_limit() -> None:
    # In the second frame track 2 is nearer to a, but 1 is still near enough.
    frames = film(
        ({"a": 0.0, "b": 1.0}, {"1": 0.0, "2": 1.0}),
        ({"a": 0.5, "b": 1.2}, {"1": 1.3, "2": 0.6}),
    )
    found = of(frames)
    assert found.switches == 0
    assert found.motp_m == pytest.approx((0.8 + 0.6) / 4)
    assert of(frames, limit_m=0.5).switches == 2


def test_after_a_gap_the_nearest_counts_not_the_memory() -> None:
    # Both are lost for a frame in which their tracks are exchanged, 1.5 m from each other.
    frames = film(
        ({"a": 0.0, "b": 1.5}, {"1": 0.0, "2": 1.5}),
        ({"a": 0.0, "b": 1.5}, {}),
        ({"a": 0.0, "b": 1.5}, {"2": 0.1, "1": 1.4}),
    )
    assert of(frames, limit_m=2.0).switches == 2


def test_nothing_to_track_is_no_number() -> None:
    found = of(film(({}, {"1": 0.0})))
    assert math.isnan(found.mota)
    assert math.isnan(found.motp_m)
    assert found.false_positives == 1


def test_a_false_alarm_is_counted_once_while_it_lasts() -> None:
    frames = film(
        ({"a": 0.0}, {"1": 0.0, "2": 9.0}),
        ({"a": 0.0}, {"1": 0.0, "2": 9.0}),
        ({"a": 0.0}, {"1": 0.0}),
        ({"a": 0.0}, {"1": 0.0, "2": 9.0, "3": 20.0}),
    )
    assert false_alarms(frames, correspondences(frames, 1.0)) == 3


places = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 6), max_size=4)


@given(st.lists(st.tuples(places, places), min_size=1, max_size=6))
def test_the_counts_agree_with_each_other(pairs: list[tuple[dict, dict]]) -> None:
    frames = film(*pairs)
    found = of(frames)
    assert found.matches + found.misses == sum(len(truth) for truth, _ in pairs)
    assert found.matches + found.false_positives == sum(len(tracks) for _, tracks in pairs)
    assert found.switches <= found.matches
    if found.objects:
        assert found.mota <= 1.0
    if found.matches:
        assert 0.0 <= found.motp_m <= 1.0


@given(st.lists(places, min_size=1, max_size=6))
def test_truth_against_itself_is_perfect(course: list[dict[str, float]]) -> None:
    found = of(film(*[(places, places) for places in course]), limit_m=1e-6)
    assert (found.misses, found.false_positives) == (0, 0)
