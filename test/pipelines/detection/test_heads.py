"""Outputs of the families of detectors, written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mm_ros.pipelines.detection.heads import Candidates, choose_head
from edge_mm_ros.pipelines.detection.model_spec import InputSpec, UnsupportedModel

SPEC = InputSpec("images", 64, 64, np.dtype(np.float32))
CELLS = 8 * 8 + 4 * 4 + 2 * 2  # of the strides 8, 16, 32


def rows(count: int, columns: int, *entries: tuple[int, list[float]]) -> NDArray[np.float32]:
    """A table of zeros with some rows filled."""
    table = np.zeros((count, columns), np.float32)
    for index, values in entries:
        table[index] = values
    return table


def decode(
    outputs: dict[str, NDArray[Any]],
    classes: int | None,
    threshold: float = 0.3,
    metadata: dict[str, str] | None = None,
) -> Candidates:
    head = choose_head(outputs, SPEC, classes, metadata or {})
    return head.decode(outputs, threshold)


def as_lists(found: Candidates) -> list[tuple[list[float], float, int]]:
    return [
        (box.tolist(), round(float(score), 4), int(index))
        for box, score, index in zip(found.boxes, found.scores, found.class_ids, strict=True)
    ]


ONE_BOX = [([10.0, 20.0, 30.0, 50.0], 0.75, 1)]
CENTRE = [20.0, 35.0, 20.0, 30.0]
FRACTIONS = [20 / 64, 35 / 64, 20 / 64, 30 / 64]


@pytest.mark.parametrize("classes", [2, None])
def test_yolo_v8_has_channels_first(classes: int | None) -> None:
    table = rows(CELLS, 6, (7, [*CENTRE, 0.1, 0.75]), (8, [*CENTRE, 0.2, 0.1]))
    assert as_lists(decode({"output0": table.T[None]}, classes)) == ONE_BOX


def test_yolo_v8_in_half_precision() -> None:
    table = rows(CELLS, 6, (7, [*CENTRE, 0.1, 0.75])).astype(np.float16)
    found = decode({"output0": table.T[None]}, 2)
    assert found.boxes.dtype == np.float32
    assert as_lists(found) == ONE_BOX


def test_yolo_v8_transposed() -> None:
    table = rows(CELLS, 6, (7, [*CENTRE, 0.1, 0.75]))
    assert as_lists(decode({"output0": table[None]}, 2)) == ONE_BOX


@pytest.mark.parametrize("classes", [2, None])
def test_yolo_v5_multiplies_by_its_objectness(classes: int | None) -> None:
    table = rows(3 * CELLS, 7, (5, [*CENTRE, 0.9, 0.1, 0.75 / 0.9]), (9, [*CENTRE, 0.2, 0, 1]))
    assert as_lists(decode({"output": table[None]}, classes)) == ONE_BOX


def test_yolo_v5_with_its_raw_grids_beside_it() -> None:
    table = rows(3 * CELLS, 7, (5, [*CENTRE, 1.0, 0.1, 0.75]))
    outputs = {"output": table[None], "grid8": np.zeros((1, 3, 8, 8, 7), np.float32)}
    assert as_lists(decode(outputs, 2)) == ONE_BOX


@pytest.mark.parametrize(("classes", "count"), [(2, 300), (None, 300), (80, 50)])
def test_end_to_end_models_give_finished_boxes(classes: int | None, count: int) -> None:
    table = rows(count, 6, (0, [10, 20, 30, 50, 0.75, 1]), (1, [0, 0, 5, 5, 0.1, 0]))
    assert as_lists(decode({"output0": table[None]}, classes)) == ONE_BOX


def test_finished_boxes_of_a_class_that_does_not_exist_are_refused() -> None:
    good = rows(300, 6)
    head = choose_head({"output0": good[None]}, SPEC, 2, {})
    for wrong in (2.0, -1.0, 0.5):
        bad = rows(300, 6, (0, [10, 20, 30, 50, 0.75, wrong]))
        with pytest.raises(UnsupportedModel, match="no class ids below 2"):
            head.decode({"output0": bad[None]}, 0.3)


def test_rt_detr_in_one_table_has_fractions() -> None:
    table = rows(300, 6, (3, [*FRACTIONS, 0.1, 0.75]), (4, [*FRACTIONS, 0.2, 0.3125]))
    found = decode({"output0": table[None]}, 2)
    assert as_lists(found)[0] == ONE_BOX[0]
    assert len(found.scores) == 2


def test_rt_detr_in_two_tables_takes_a_sigmoid() -> None:
    logits = np.full((1, 10, 2), -9, np.float32)
    logits[0, 4, 1] = np.log(3)  # sigmoid: 3 / 4
    boxes = np.zeros((1, 10, 4), np.float32)
    boxes[0, 4] = FRACTIONS
    assert as_lists(decode({"logits": logits, "pred_boxes": boxes}, 2)) == ONE_BOX


def test_detr_takes_a_softmax_with_no_object_last() -> None:
    logits = np.zeros((1, 10, 3), np.float32)
    logits[0, :, 2] = 20
    logits[0, 4] = np.log([1, 9, 2])  # softmax: 1/12, 3/4, 1/6
    boxes = np.zeros((1, 10, 4), np.float32)
    boxes[0, 4] = FRACTIONS
    assert as_lists(decode({"logits": logits, "pred_boxes": boxes}, 2)) == ONE_BOX


def test_detr_with_four_columns_of_logits_is_told_apart_by_name() -> None:
    logits = np.full((1, 10, 4), -9, np.float32)
    logits[0, 4, 1] = np.log(3)
    boxes = np.zeros((1, 10, 4), np.float32)
    boxes[0, 4] = FRACTIONS
    hidden = np.zeros((1, 10, 16), np.float32)
    outputs = {"logits": logits, "pred_boxes": boxes, "last_hidden_state": hidden}
    assert as_lists(decode(outputs, 4)) == ONE_BOX


def test_huge_logits_do_not_overflow() -> None:
    logits = np.full((1, 10, 2), -5e4, np.float32)
    logits[0, 0] = 5e4
    outputs = {"logits": logits, "pred_boxes": np.full((1, 10, 4), 0.5, np.float32)}
    with np.errstate(all="raise", under="ignore"):
        assert decode(outputs, 2).scores.tolist() == [1.0]
        assert decode(outputs, 1).scores.tolist() == [0.5] * 10


@pytest.mark.parametrize(
    ("shapes", "classes"),
    [
        ({"output0": (1, 1000)}, 2),  # a classifier
        ({"output0": (1, CELLS, 7)}, 2),  # YOLOX: its grid is not decoded
        ({"output0": (1, CELLS, 7)}, None),
        ({"output0": (1, 6, CELLS)}, 3),
        ({"output0": (1, 300, 7)}, 2),
        ({"output0": (4, 6, CELLS)}, 2),
        ({"output0": (1, 300, 0)}, 2),
        ({"a": (1, 10, 2), "b": (1, 11, 4)}, 2),
        ({"a": (1, 10, 2), "b": (1, 10, 4)}, None),
        ({"a": (1, 10, 4), "b": (1, 10, 4)}, 4),
        ({"labels": (1, 10), "boxes": (1, 10, 4), "scores": (1, 10)}, 2),
        ({}, 2),
    ],
)
def test_what_fits_no_family_is_refused(
    shapes: dict[str, tuple[int, ...]], classes: int | None
) -> None:
    outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    with pytest.raises(UnsupportedModel, match="fit no known detector") as refused:
        choose_head(outputs, SPEC, classes, {})
    for name, shape in shapes.items():
        assert f"{name} ({', '.join(map(str, shape))})" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_scores_without_their_sigmoid_are_refused() -> None:
    table = rows(CELLS, 6, (7, [*CENTRE, 0.1, 4.2]))
    with pytest.raises(UnsupportedModel, match=r"scores reach 4\.2"):
        decode({"output0": table.T[None]}, 2)


def test_boxes_in_pixels_where_fractions_belong_are_refused() -> None:
    table = rows(300, 6, (3, [*CENTRE, 0.15, 0.75]))
    with pytest.raises(UnsupportedModel, match="should be fractions"):
        decode({"output0": table[None]}, 2)


def test_a_score_at_the_threshold_stays() -> None:
    table = rows(CELLS, 6, (7, [*CENTRE, 0.0, 0.35]))
    assert len(decode({"output0": table.T[None]}, 2, threshold=0.35).scores) == 1
    assert len(decode({"output0": table.T[None]}, 2, threshold=0.36).scores) == 0
