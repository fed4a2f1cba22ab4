"""Detections as ``vision_msgs``, and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vision_msgs")

from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from edge_mm_ros.datatypes import Detections, InvalidInput
from edge_mm_ros.ros.conversions.detections import (
    detections_from_msg,
    detections_to_msg,
    vision_info_to_msg,
)

FOUND = Detections(
    np.array([[10, 20, 30, 60], [0, 0, 4, 2]], np.float32),
    np.array([0.75, 0.5], np.float32),
    ("person", "dog"),
    9_000_000_008,
    "camera_optical",
)


def detection(*hypotheses: tuple[str, float], **box: float) -> Detection2D:
    made = Detection2D(bbox=BoundingBox2D(size_x=box.get("w", 2.0), size_y=box.get("h", 2.0)))
    made.bbox.center.position.x = box.get("x", 10.0)
    made.bbox.center.position.y = box.get("y", 10.0)
    made.bbox.center.theta = box.get("theta", 0.0)
    for name, score in hypotheses:
        hypothesis = ObjectHypothesis(class_id=name, score=score)
        made.results.append(ObjectHypothesisWithPose(hypothesis=hypothesis))
    return made


def test_ids_come_and_go_with_their_boxes() -> None:
    followed = replace(FOUND, track_ids=("7", ""))
    made = detections_to_msg(followed)
    assert [item.id for item in made.detections] == ["7", ""]
    made.detections.reverse()
    assert detections_from_msg(made).track_ids == ("7", "")
    assert detections_from_msg(detections_to_msg(FOUND)).track_ids == ()


def test_a_message_says_class_score_and_box_as_the_standard_has_it() -> None:
    made = detections_to_msg(FOUND)
    assert (made.header.stamp.sec, made.header.stamp.nanosec) == (9, 8)
    assert made.header.frame_id == "camera_optical"
    first = made.detections[0]
    assert first.header == made.header
    assert first.id == ""
    (result,) = first.results
    assert (result.hypothesis.class_id, result.hypothesis.score) == ("person", 0.75)
    assert (first.bbox.center.position.x, first.bbox.center.position.y) == (20, 40)
    assert (first.bbox.size_x, first.bbox.size_y, first.bbox.center.theta) == (20, 40, 0)


def test_detections_go_out_and_come_back() -> None:
    back = detections_from_msg(detections_to_msg(FOUND))
    np.testing.assert_array_equal(back.boxes_px, FOUND.boxes_px)
    np.testing.assert_array_equal(back.scores, FOUND.scores)
    assert (back.labels, back.stamp_ns, back.frame_id) == (
        FOUND.labels,
        FOUND.stamp_ns,
        FOUND.frame_id,
    )


def test_no_detections_go_out_and_come_back() -> None:
    back = detections_from_msg(Detection2DArray())
    assert len(back) == 0
    assert len(detections_to_msg(back).detections) == 0


def test_others_detections_are_put_in_order_with_their_best_class() -> None:
    message = Detection2DArray(
        detections=[
            detection(("cat", 0.2), ("dog", 0.3)),
            detection(("cup", 0.9), x=100.0),
        ]
    )
    found = detections_from_msg(message)
    assert found.labels == ("cup", "dog")
    assert found.boxes_px[0].tolist() == [99, 9, 101, 11]


def test_a_turned_box_becomes_the_upright_one_around_it() -> None:
    message = Detection2DArray(detections=[detection(("x", 1.0), w=4.0, h=2.0, theta=math.pi / 2)])
    np.testing.assert_allclose(detections_from_msg(message).boxes_px, [[9, 8, 11, 12]], atol=1e-5)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (detection(), "no_hypothesis"),
        (detection(("x", float("nan"))), "not_finite"),
        (detection(("x", 1.0), x=float("inf")), "not_finite"),
        (detection(("x", 1.0), w=float("nan")), "not_finite"),
        (detection(("x", 1.0), h=-1.0), "box_size"),
    ],
)
def test_a_detection_that_cannot_be_used_is_refused_by_kind(bad: Any, kind: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        detections_from_msg(Detection2DArray(detections=[bad]))
    assert refused.value.kind == kind


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "huge",
    [
        detection(("cup", 0.5), x=3.5e38),
        detection(("cup", 0.5), x=-1e300),
        detection(("cup", 0.5), w=6e38),  # its sides are float32, its width is not
        detection(("cup", 0.5), w=1.7e308, h=1.7e308, theta=0.8),
        detection(("cup", 1e300)),
    ],
)
def test_a_detection_beyond_float32_is_refused_by_name(huge: Any) -> None:
    with pytest.raises(InvalidInput, match=r"detection 1 \('cup'\)") as refused:
        detections_from_msg(Detection2DArray(detections=[detection(("x", 1.0)), huge]))
    assert refused.value.kind == "not_finite"


def test_vision_info_names_the_model_and_its_classes() -> None:
    info = vision_info_to_msg("person_fall_detector", "0.1.2", ("Normal", "Fall"), 4)
    assert info.method == "person_fall_detector 0.1.2"
    assert json.loads(info.database_location) == {"0": "Normal", "1": "Fall"}
    assert info.header.stamp.nanosec == 4
