"""Two-dimensional ids: which box shows what an earlier picture's box showed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edge_mm_ros.datatypes import Detections, EdgeMmError
from edge_mm_ros.pipelines.stamps import to_ns

_LEAST_OVERLAP = 0.3  # intersection over union, as in the paper
_LONGEST_GAP_NS = to_ns(2.0)  # later, boxes that overlap show the same thing by chance only


class FollowingUnavailable(EdgeMmError):
    """The library that follows boxes is not installed."""


class BoxFollower:
    """Gives the boxes of one camera's pictures ids, for consumers that have nothing but the camera.

    The tracker is the SORT of the library ``similari`` (A. Bewley et al.: "Simple Online and
    Realtime Tracking", IEEE International Conference on Image Processing, 2016). It follows boxes
    by their overlap, whatever their classes: a fall changes a person's class and not the person.
    It counts pictures, not seconds. No id is given twice.

    Args:
        lost_pictures: an object that fewer pictures in a row do not show keeps its id.

    Raises:
        FollowingUnavailable: the library is not installed; names the extra that brings it.
    """

    def __init__(self, lost_pictures: int = 15) -> None:
        try:
            import similari
        except ImportError as error:
            raise FollowingUnavailable(
                "ids for boxes need the library 'similari-trackers-rs', which is not installed: "
                "pip install 'edge_mm_ros[following]' (there are wheels for Python up to 3.12); "
                "or set 'follow' to false"
            ) from error
        self._library = similari
        self._lost_pictures = lost_pictures
        self._given = 0
        self.reset()

    def reset(self) -> None:
        """Forget all boxes; the numbers go on."""
        overlap = self._library.PositionalMetricType.iou(threshold=_LEAST_OVERLAP)
        self._tracker: Any = self._library.Sort(
            shards=1, bbox_history=1, max_idle_epochs=self._lost_pictures, method=overlap
        )
        self._before = self._given
        self._stamp_ns: int | None = None

    def follow(self, detections: Detections) -> Detections:
        """The same detections with ids; a box without an extent gets an empty one.

        Where the stamps go back, or lie more than two seconds apart, all begins anew.
        """
        stamp_ns = detections.stamp_ns
        if self._stamp_ns is not None and not 0 <= stamp_ns - self._stamp_ns <= _LONGEST_GAP_NS:
            self.reset()
        self._stamp_ns = stamp_ns
        boxes = detections.boxes_px.astype(np.float64)
        extents = boxes[:, 2:] - boxes[:, :2]
        # The library panics, and is of no use any more, where a box has no shape.
        shaped = np.asarray(np.isfinite(boxes).all(axis=1) & (extents > 0.0).all(axis=1))
        given = [
            (self._box(box, float(detections.scores[index])), index)
            for index, box in enumerate(boxes.tolist())
            if shaped[index]
        ]
        ids = [""] * len(boxes)
        for track in self._tracker.predict(given):
            number = self._before + int(track.id)
            self._given = max(self._given, number)
            ids[track.custom_object_id] = str(number)
        return replace(detections, track_ids=tuple(ids))

    def _box(self, box: list[float], score: float) -> Any:
        left, top, right, bottom = box
        return self._library.BoundingBox.new_with_confidence(
            left, top, right - left, bottom - top, min(max(score, 0.0), 1.0)
        ).as_xyaah()
