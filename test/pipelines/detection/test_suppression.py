"""Order and suppression of boxes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_mm_ros.pipelines.detection.suppression import canonical_order, suppress

corner = st.integers(0, 60)
side = st.integers(0, 40)
box = st.tuples(corner, corner, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
boxes_of_classes = st.lists(st.tuples(box, st.integers(0, 2)), max_size=30)


Items = list[tuple[tuple[int, ...], int]]


def split(items: Items) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    boxes = np.array([b for b, _ in items], np.float32).reshape(-1, 4)
    return boxes, np.array([c for _, c in items], np.int64)


def slow_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = float(width * height)
    union = float((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])) - shared
    return shared / union if union > 0 else 0.0


@given(boxes_of_classes, st.sampled_from([0.0, 0.3, 0.45, 0.9, 1.0]))
def test_suppression_is_the_definition(items: Items, threshold: float) -> None:
    boxes, classes = split(items)
    expected: list[int] = []
    for index in range(len(boxes)):
        if all(
            classes[index] != classes[kept] or slow_iou(boxes[index], boxes[kept]) <= threshold
            for kept in expected
        ):
            expected.append(index)
    assert suppress(boxes, classes, threshold, 1000) == expected
    assert suppress(boxes, classes, threshold, 3) == expected[:3]


def test_two_classes_in_one_place_both_stay() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [1, 0, 11, 10]], np.float32)
    assert suppress(boxes, np.array([0, 1, 0]), 0.5, 10) == [0, 1]


@given(boxes_of_classes, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_that_came(items: Items, random: object) -> None:
    scored = [(b, c, 0.25 * (sum(b) % 3)) for b, c in items]
    shuffled = list(scored)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def ordered(rows: list[tuple[tuple[int, ...], int, float]]) -> list[object]:
        boxes, classes = split([(b, c) for b, c, _ in rows])
        scores = np.array([s for _, _, s in rows], np.float32)
        return [rows[i] for i in canonical_order(boxes, scores, classes)]

    assert ordered(scored) == ordered(shuffled)
    scores = [row[2] for row in ordered(scored)]  # type: ignore[index]
    assert scores == sorted(scores, reverse=True)
