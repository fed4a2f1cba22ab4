"""Boxes of one camera keep their ids from picture to picture."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import Detections, EdgeMmError, InvalidInput

START_NS = 1_700_000_000_000_000_000
Box = tuple[float, float, float, float]


def picture(at_s: float, *boxes: Box, label: str = "person") -> Detections:
    return Detections(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.full(len(boxes), 0.8, dtype=np.float32),
        (label,) * len(boxes),
        START_NS + round(at_s * 1e9),
        "optical",
    )


def person(left: float, top: float = 100.0) -> Box:
    return (left, top, left + 40.0, top + 100.0)


@pytest.fixture
def follower() -> Any:
    pytest.importorskip("similari")
    from edge_mm_ros.pipelines.following import BoxFollower

    return BoxFollower(lost_pictures=5)


def test_two_people_keep_their_ids_whatever_their_order(follower: Any) -> None:
    for index in range(20):
        one, other = person(100.0 + 4 * index), person(400.0 - 4 * index, 300.0)
        boxes = (one, other) if index % 2 else (other, one)
        ids = follower.follow(picture(0.1 * index, *boxes)).track_ids
        known = dict(zip(boxes, ids, strict=True))
        if index == 0:
            first = known[one], known[other]
        assert (known[one], known[other]) == first
    assert set(first) == {"1", "2"}


def test_the_rest_of_the_detections_stays(follower: Any) -> None:
    given = picture(0.0, person(10.0), label="Fall")
    found = follower.follow(given)
    assert found.boxes_px is given.boxes_px
    assert (found.labels, found.stamp_ns) == (given.labels, given.stamp_ns)


def test_a_fall_keeps_the_id(follower: Any) -> None:
    (before,) = follower.follow(picture(0.0, person(100.0))).track_ids
    (after,) = follower.follow(picture(0.1, (90.0, 120.0, 160.0, 200.0), label="Fall")).track_ids
    assert after == before


@pytest.mark.parametrize(("missed", "expected"), [(4, "1"), (6, "2")])
def test_an_id_waits_for_so_many_pictures(follower: Any, missed: int, expected: str) -> None:
    follower.follow(picture(0.0, person(100.0)))
    for index in range(missed):
        assert follower.follow(picture(0.1 * (index + 1))).track_ids == ()
    assert follower.follow(picture(0.1 * (missed + 1), person(100.0))).track_ids == (expected,)


@pytest.mark.parametrize("at_s", [-1.0, 2.1])
def test_after_a_jump_in_time_nobody_is_who_they_were(follower: Any, at_s: float) -> None:
    follower.follow(picture(0.0, person(100.0)))
    assert follower.follow(picture(at_s, person(100.0))).track_ids == ("2",)


def test_a_reset_gives_no_id_again(follower: Any) -> None:
    follower.follow(picture(0.0, person(100.0), person(300.0)))
    follower.reset()
    assert follower.follow(picture(0.1, person(100.0))).track_ids == ("3",)


def test_boxes_without_a_shape_get_no_id_and_break_nothing(follower: Any) -> None:
    odd = [(5.0, 5.0, 5.0, 50.0), (9.0, 9.0, 2.0, 20.0), (np.nan, 0.0, 9.0, 9.0)]
    found = follower.follow(picture(0.0, person(100.0), *odd))
    assert found.track_ids == ("1", "", "", "")
    assert follower.follow(picture(0.1, person(100.0))).track_ids == ("1",)


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_mm_ros.pipelines.following import BoxFollower

    real = builtins.__import__

    def refuse(name: str, *rest: Any, **options: Any) -> Any:
        if name == "similari":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(EdgeMmError, match=r"edge_mm_ros\[following\]"):
        BoxFollower()


def test_ids_go_with_the_boxes() -> None:
    with pytest.raises(InvalidInput, match="2 labels, but 1 track ids"):
        Detections(np.zeros((2, 4), np.float32), np.zeros(2, np.float32), ("a", "b"), 0, "", ("1",))
