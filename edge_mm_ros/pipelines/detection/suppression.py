"""Order and non-maximum suppression of boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def canonical_order(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], class_ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Indices by falling score; ties by box, then by class, so that equal input is equal output.

    Args:
        boxes: (n, 4), left top right bottom.
        scores: (n,).
        class_ids: (n,).
    """
    left, top, right, bottom = boxes.T
    order: NDArray[np.int64] = np.lexsort((class_ids, bottom, right, top, left, -scores))
    return order


def suppress(
    boxes: NDArray[np.float32], class_ids: NDArray[np.int64], iou_threshold: float, limit: int
) -> list[int]:
    """Greedy non-maximum suppression within each class.

    Args:
        boxes: (n, 4), left top right bottom, the most certain first.
        class_ids: (n,).
        iou_threshold: a box that overlaps a kept one of its class more than this goes.
        limit: stop after so many.

    Returns:
        indices of the boxes that stay, in order.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    waiting = np.arange(len(boxes))
    kept: list[int] = []
    while waiting.size and len(kept) < limit:
        first, rest = waiting[0], waiting[1:]
        kept.append(int(first))
        others = boxes[rest]
        corner = np.maximum(boxes[first, :2], others[:, :2])
        extent = np.minimum(boxes[first, 2:], others[:, 2:]) - corner
        np.maximum(extent, 0, out=extent)
        shared = extent[:, 0] * extent[:, 1]
        # Without a division two boxes of no area cannot give a NaN.
        overlaps = shared > iou_threshold * (areas[first] + areas[rest] - shared)
        waiting = rest[~(overlaps & (class_ids[rest] == class_ids[first]))]
    return kept
