"""The few pictures that tell what happened, with their detections drawn."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

import cv2
import numpy as np

from edge_mm_ros.cli.report.model import RecordedPicture, ReplayReport
from edge_mm_ros.cli.report.spans import SEVERITY, EventSpan, event_spans
from edge_mm_ros.datatypes import Detections, SafetyLevel
from edge_mm_ros.pipelines.detection.annotation import annotate

MAX_PICTURES = 9
MAX_WIDTH_PX = 960
JPEG_QUALITY = 82
NEAR_NS = 1_000_000_000  # a picture further from an event does not show it


@dataclass(frozen=True)
class KeyPicture:
    """A picture to show.

    Attributes:
        time_s: seconds from the recording's start.
        reasons: why it is shown, one line each.
        found: what was found in it, for example ``5 Normal, 1 Fall``.
        data_uri: the annotated picture as JPEG.
        width: its width, pixels.
        height: its height, pixels.
    """

    time_s: float
    reasons: tuple[str, ...]
    found: str
    data_uri: str
    width: int
    height: int


def key_pictures(report: ReplayReport) -> list[KeyPicture]:
    """At most nine pictures: the first, the fullest, and one for each event when it was told.

    Where there are more events, the most severe ones are shown, then the earlier ones.
    """
    found = {(d.frame_id, d.stamp_ns): d for d in report.detections}
    pictures = sorted(
        (p for p in report.pictures if (p.frame_id, p.stamp_ns) in found),
        key=lambda p: (p.stamp_ns, p.frame_id),
    )
    if not pictures:
        return []
    reasons: dict[RecordedPicture, list[str]] = {pictures[0]: ["First picture"]}
    fullest = max(pictures, key=lambda p: len(found[p.frame_id, p.stamp_ns]))
    count = len(found[fullest.frame_id, fullest.stamp_ns])
    if count:
        reasons.setdefault(fullest, []).append(f"Most at once: {count}")
    # Of a sensor that is silent no picture tells anything.
    spans = [s for s in event_spans(report.events) if s.level is not SafetyLevel.UNKNOWN]
    for span in sorted(spans, key=_importance):
        picture = _picture_at(pictures, span.told_ns)
        if picture is not None and (picture in reasons or len(reasons) < MAX_PICTURES):
            reasons.setdefault(picture, []).append(span.first.message)
    shown = []
    for picture in sorted(reasons, key=lambda p: (p.stamp_ns, p.frame_id)):
        key_picture = _draw(
            picture, found[picture.frame_id, picture.stamp_ns], tuple(reasons[picture]), report
        )
        if key_picture is not None:
            shown.append(key_picture)
    return shown


def _importance(span: EventSpan) -> tuple[int, int]:
    return (-SEVERITY[span.level], span.told_ns)


def _picture_at(pictures: list[RecordedPicture], stamp_ns: int) -> RecordedPicture | None:
    """The last picture up to a stamp, or the first one after it, if it lies near."""
    index = bisect_right(pictures, stamp_ns, key=lambda p: p.stamp_ns)
    picture = pictures[max(0, index - 1)]
    return picture if abs(picture.stamp_ns - stamp_ns) <= NEAR_NS else None


def _draw(
    picture: RecordedPicture,
    detections: Detections,
    reasons: tuple[str, ...],
    report: ReplayReport,
) -> KeyPicture | None:
    """The annotated picture; None where it cannot be decoded."""
    bgr = cv2.imdecode(np.frombuffer(picture.encoded, dtype=np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        return None
    rgb = annotate(np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8), detections)
    height, width = rgb.shape[:2]
    if width > MAX_WIDTH_PX:
        height, width = max(1, round(height * MAX_WIDTH_PX / width)), MAX_WIDTH_PX
        rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    _, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), options)
    counts = Counter(detections.labels).most_common()
    return KeyPicture(
        time_s=report.seconds(picture.stamp_ns),
        reasons=reasons,
        found=", ".join(f"{count} {label}" for label, count in counts) or "nothing",
        data_uri="data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii"),
        width=width,
        height=height,
    )
