"""Pictures that a cloud which comes late may still place better."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from edge_mm_ros.datatypes import Detections
from edge_mm_ros.pipelines.fusion.arrivals import Arrival

_KEPT_PICTURES = 64


@dataclass(frozen=True, eq=False)
class PlacedPicture:
    """A picture and what placed its detections.

    Attributes:
        arrival: the picture.
        detections: what was found in it.
        offsets_s: by source, how far the cloud lies from it that was used; None where none was.
        shown: indices of the detections that have a place.
    """

    arrival: Arrival
    detections: Detections
    offsets_s: Mapping[str, float | None]
    shown: tuple[int, ...]

    def gains_by(self, source: str, offset_s: float, limit_s: float) -> bool:
        """Whether a cloud so far from it is nearer in time than the one that was used."""
        if source not in self.offsets_s or abs(offset_s) > limit_s:
            return False
        used_s = self.offsets_s[source]
        return used_s is None or abs(offset_s) < abs(used_s)

    def content(self) -> bytes:
        """What tells it from another picture of the same camera and time."""
        found = self.detections
        names = "\n".join(found.labels).encode()
        return found.boxes_px.tobytes() + found.scores.tobytes() + names + b"."


class PictureLog:
    """The last pictures of all cameras."""

    def __init__(self) -> None:
        self._pictures: deque[PlacedPicture] = deque(maxlen=_KEPT_PICTURES)

    def reset(self) -> None:
        """Forget all."""
        self._pictures.clear()

    def add(self, picture: PlacedPicture) -> None:
        """Keep a picture, in the place of the same one as it was placed before."""
        for index, kept in enumerate(self._pictures):
            if kept.arrival is picture.arrival:
                self._pictures[index] = picture
                return
        self._pictures.append(picture)

    def that_gain_by(self, source: str, stamp_ns: int, limit_s: float) -> list[PlacedPicture]:
        """Those that a new cloud of a sensor places better than the one that was used.

        Args:
            source: the sensor.
            stamp_ns: of its cloud.
            limit_s: furthest that the two may lie apart.
        """
        return [
            kept
            for kept in self._pictures
            if kept.gains_by(source, (stamp_ns - kept.arrival.stamp_ns) / 1e9, limit_s)
        ]
