"""Detections as ``vision_msgs`` 4, and back."""

from __future__ import annotations

import json
import math

import numpy as np
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
    VisionInfo,
)

from edge_mm_ros.datatypes import Detections, InvalidInput
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp

_LARGEST = float(np.finfo(np.float32).max)


def detections_to_msg(detections: Detections) -> Detection2DArray:
    """A message; `class_id` is the class's name, `id` is empty where boxes are not followed."""
    header = Header(stamp=to_stamp(detections.stamp_ns), frame_id=detections.frame_id)
    message = Detection2DArray(header=header)
    ids = detections.track_ids or ("",) * len(detections)
    for box, score, label, track_id in zip(
        detections.boxes_px.tolist(),
        detections.scores.tolist(),
        detections.labels,
        ids,
        strict=True,
    ):
        left, top, right, bottom = box
        centre = Pose2D(position=Point2D(x=(left + right) / 2, y=(top + bottom) / 2))
        hypothesis = ObjectHypothesis(class_id=label, score=score)
        message.detections.append(
            Detection2D(
                header=header,
                results=[ObjectHypothesisWithPose(hypothesis=hypothesis)],
                bbox=BoundingBox2D(center=centre, size_x=right - left, size_y=bottom - top),
                id=track_id,
            )
        )
    return message


def detections_from_msg(message: Detection2DArray) -> Detections:
    """The detections of a message, most certain first; each with its most certain class.

    A turned box becomes the upright one around it.

    Raises:
        InvalidInput: of the kinds ``no_hypothesis`` (a detection without a class), ``not_finite``
            (or beyond float32) and ``box_size`` (a negative one).
    """
    rows = [_read(detection, index) for index, detection in enumerate(message.detections)]
    rows.sort(key=lambda row: -row[1])
    return Detections(
        boxes_px=np.array([box for box, *_ in rows], dtype=np.float32).reshape(-1, 4),
        scores=np.array([score for _, score, *_ in rows], dtype=np.float32),
        labels=tuple(label for _, _, label, _ in rows),
        stamp_ns=to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        track_ids=tuple(ids) if any(ids := [track_id for *_, track_id in rows]) else (),
    )


def vision_info_to_msg(
    model: str, version: str, labels: tuple[str, ...], stamp_ns: int, frame_id: str = ""
) -> VisionInfo:
    """What the detections come from.

    `database_location` holds the class names themselves, as JSON by class id: consumers need no
    further file.
    """
    names = {str(index): label for index, label in enumerate(labels)}
    return VisionInfo(
        header=Header(stamp=to_stamp(stamp_ns), frame_id=frame_id),
        method=f"{model} {version}".strip(),
        database_location=json.dumps(names, ensure_ascii=False),
        database_version=0,
    )


def _read(
    detection: Detection2D, index: int
) -> tuple[tuple[float, float, float, float], float, str, str]:
    if not detection.results:
        raise InvalidInput("no_hypothesis", f"detection {index} has no class")
    best = max((result.hypothesis for result in detection.results), key=lambda h: h.score)
    box = detection.bbox
    x, y, turn = box.center.position.x, box.center.position.y, box.center.theta
    if not all(map(math.isfinite, (x, y, turn, box.size_x, box.size_y, best.score))):
        raise InvalidInput(
            "not_finite", f"detection {index} ('{best.class_id}') has values that are not finite"
        )
    if box.size_x < 0 or box.size_y < 0:
        raise InvalidInput(
            "box_size", f"detection {index} has a box of {box.size_x:g} x {box.size_y:g} pixels"
        )
    cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
    half_width = (box.size_x * cosine + box.size_y * sine) / 2
    half_height = (box.size_x * sine + box.size_y * cosine) / 2
    corners = (x - half_width, y - half_height, x + half_width, y + half_height)
    if max(map(abs, (*corners, 2 * half_width, 2 * half_height, best.score))) > _LARGEST:
        raise InvalidInput(
            "not_finite",
            f"detection {index} ('{best.class_id}') has values beyond what float32 holds",
        )
    return corners, best.score, best.class_id, detection.id
