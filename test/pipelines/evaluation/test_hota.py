"""HOTA on examples whose value follows from its definition by hand."""

from __future__ import annotations

import math

import pytest
from fakes.tracks import film
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.evaluation.hota import hota


def test_a_perfect_tracker() -> None:
    found = hota(film(*[({"a": t, "b": t + 9}, {"1": t, "2": t + 9}) for t in range(5)]), 2.0)
    assert (found.hota, found.detection, found.association) == pytest.approx((1.0, 1.0, 1.0))
    assert found.localisation == pytest.approx(1.0)


def test_a_track_cut_in_the_middle_keeps_half_of_its_association() -> None:
    # Each of the 8 matches belongs to an id that covers 4 of the object's 8 frames:
    # TPA 4, FNA 4, FPA 0, so A = 4 / 8; the detections are all right.
    frames = film(*[({"a": 0.0}, {"1" if t < 4 else "2": 0.0}) for t in range(8)])
    found = hota(frames, 2.0)
    assert found.detection == pytest.approx(1.0)
    assert found.association == pytest.approx(0.5)
    assert found.hota == pytest.approx(math.sqrt(0.5))


def test_one_track_over_two_objects() -> None:
    # Object a in frames 0 to 2, b in 3: track 1 follows both. For a: TPA 3, FPA 1, FNA 0: 3/4;
    # for b: TPA 1, FPA 3: 1/4. Mean over the 4 matches: (3 * 3/4 + 1 * 1/4) / 4 = 0.625.
    frames = film(*[({"a" if t < 3 else "b": 0.0}, {"1": 0.0}) for t in range(4)])
    assert hota(frames, 2.0).association == pytest.approx(0.625)


def test_a_miss_and_a_false_one_lower_the_detection() -> None:
    # 3 matches, 1 miss, 1 false positive: 3 / 5. Association of a: TPA 2, of b: TPA 1, FNA 1 with
    # track 2, which has no frame more: (2 * 1 + 1 * 1/2) / 3.
    frames = film(
        ({"a": 0.0, "b": 9.0}, {"1": 0.0, "3": 40.0}),
        ({"a": 0.0, "b": 9.0}, {"1": 0.0, "2": 9.0}),
    )
    found = hota(frames, 2.0)
    assert found.detection == pytest.approx(3 / 5)
    assert found.association == pytest.approx(2.5 / 3)


def test_the_similarity_counts_at_each_level() -> None:
    # 0.5 m off of 2 m: similarity 0.75, which holds at the levels 0.05 to 0.75: 15 of 19.
    found = hota(film(*[({"a": 0.0}, {"1": 0.5}) for _ in range(3)]), 2.0)
    assert found.hota == pytest.approx(15 / 19)
    assert found.localisation == pytest.approx((15 * 0.75 + 4 * 1.0) / 19)


def test_the_better_association_wins_over_the_nearer_track() -> None:
    # Track 2 comes near once; track 1 belongs to the object for all the rest.
    frames = film(*[({"a": 0.0}, {"1": 0.2}) for _ in range(9)], ({"a": 0.0}, {"1": 0.2, "2": 0.1}))
    found = hota(frames, 2.0)
    # At the levels up to 0.9 all 10 are matched with track 1, whose association is whole.
    assert found.association == pytest.approx(18 / 19)


def test_nothing_is_zero_and_empty_frames_do_no_harm() -> None:
    assert hota(film(({"a": 0.0}, {}), ({}, {"1": 0.0})), 2.0).hota == 0.0
    frames = film(({"a": 0.0}, {"1": 0.0}), ({}, {}))
    assert hota(frames, 2.0).hota == pytest.approx(1.0)


places = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 6), max_size=4)


@given(st.lists(st.tuples(places, places), min_size=1, max_size=5))
def test_it_lies_between_0_and_1_and_does_not_depend_on_names(
    pairs: list[tuple[dict, dict]],
) -> None:
    found = hota(film(*pairs), 2.0)
    for value in (found.hota, found.detection, found.association, found.localisation):
        assert 0.0 <= value <= 1.0 + 1e-9
    renamed = film(*[(truth, {f"x{k}": v for k, v in tracks.items()}) for truth, tracks in pairs])
    assert hota(renamed, 2.0).hota == pytest.approx(found.hota)
