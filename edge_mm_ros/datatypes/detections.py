"""Objects found in a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes in one picture, most certain first.

    Attributes:
        boxes_px: float32 (n, 4), left top right bottom in pixels of the picture.
        scores: float32 (n,), 0 to 1.
        labels: n class names.
        stamp_ns: capture time of the picture, nanoseconds.
        frame_id: the camera's optical frame.
        track_ids: n ids that boxes of the same thing share from picture to picture, each empty
            where there is none; nothing at all where boxes are not followed.
    """

    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]
    stamp_ns: int
    frame_id: str
    track_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.boxes_px.shape != (n, 4) or self.scores.shape != (n,):
            raise InvalidInput(
                "shape",
                f"detections: {n} labels need boxes ({n}, 4) and scores ({n},), got "
                f"{self.boxes_px.shape} and {self.scores.shape}",
            )
        if len(self.track_ids) not in (0, n):
            raise InvalidInput(
                "shape", f"detections: {n} labels, but {len(self.track_ids)} track ids"
            )

    def __len__(self) -> int:
        return len(self.labels)
