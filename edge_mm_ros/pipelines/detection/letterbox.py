"""Fits a picture into a model's input without changing its proportions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.detection.model_spec import InputSpec

GRAY = np.float32(114 / 255)
"""What surrounds a picture."""
_UNIT = np.float32(1 / 255)


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the model's input, all in pixels of the input.

    Attributes:
        picture_width: width of the picture, pixels of the picture.
        picture_height: height of the picture, pixels of the picture.
        left: columns before it.
        top: rows above it.
        width: its width.
        height: its height.
    """

    picture_width: int
    picture_height: int
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def centred(cls, picture_width: int, picture_height: int, into: InputSpec) -> Placement:
        """The largest placement that keeps the proportions."""
        scale = min(into.width / picture_width, into.height / picture_height)
        width = min(into.width, max(1, round(picture_width * scale)))
        height = min(into.height, max(1, round(picture_height * scale)))
        left, top = (into.width - width) // 2, (into.height - height) // 2
        return cls(picture_width, picture_height, left, top, width, height)

    def to_picture(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (n, 4), left top right bottom, from input to picture pixels, clipped to it."""
        scale = np.array(
            [self.picture_width / self.width, self.picture_height / self.height], dtype=np.float32
        )
        offset = np.array([self.left, self.top], dtype=np.float32)
        corners = (boxes.reshape(-1, 2, 2) - offset) * scale
        limits = np.array([self.picture_width, self.picture_height], dtype=np.float32)
        clipped: NDArray[np.float32] = np.clip(corners, np.float32(0), limits).reshape(-1, 4)
        return clipped


class Letterbox:
    """Turns pictures into a model's input, in buffers that it reuses.

    The array that a call returns is overwritten by the next call.

    Args:
        spec: the model's input.
        into: float32 (1, 3, input height, input width), to be filled instead of an own array.
    """

    def __init__(self, spec: InputSpec, into: NDArray[np.float32] | None = None) -> None:
        self._spec = spec
        shape = (1, 3, spec.height, spec.width)
        self._input = np.empty(shape, dtype=np.float32) if into is None else into
        self._half = np.empty(shape if spec.dtype == np.float16 else 0, dtype=np.float16)
        self._planes: list[NDArray[np.uint8]] = []
        self._resized = np.empty((0, 0, 3), dtype=np.uint8)
        self._placement: Placement | None = None

    def __call__(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[Any], Placement]:
        """The model's input for a picture, and where the picture lies in it.

        Args:
            pixels: uint8 (height, width, 3), RGB.

        Returns:
            float32 or float16 (1, 3, input height, input width), RGB, 0 to 1, gray around.
        """
        placement = self._place(pixels.shape[1], pixels.shape[0])
        size = (placement.width, placement.height)
        if size != (pixels.shape[1], pixels.shape[0]):
            cv2.resize(pixels, size, dst=self._resized, interpolation=cv2.INTER_LINEAR)
            pixels = self._resized
        # Planes first: numpy converts a contiguous plane several times faster than a strided one.
        cv2.split(pixels, self._planes)
        rows = slice(placement.top, placement.top + placement.height)
        columns = slice(placement.left, placement.left + placement.width)
        for plane, target in zip(self._planes, self._input[0], strict=True):
            np.multiply(plane, _UNIT, out=target[rows, columns])
        if self._spec.dtype == np.float16:
            np.copyto(self._half, self._input)
            return self._half, placement
        return self._input, placement

    def _place(self, width: int, height: int) -> Placement:
        last = self._placement
        if last is not None and (last.picture_width, last.picture_height) == (width, height):
            return last
        placement = Placement.centred(width, height, self._spec)
        self._input.fill(GRAY)
        self._resized = np.empty((placement.height, placement.width, 3), dtype=np.uint8)
        self._planes = [
            np.empty((placement.height, placement.width), dtype=np.uint8) for _ in range(3)
        ]
        self._placement = placement
        return placement


class BatchLetterbox:
    """Turns several pictures, of any sizes, into one input; its array is used again.

    Args:
        spec: the model's input.
        size: how many pictures.
    """

    def __init__(self, spec: InputSpec, size: int) -> None:
        shape = (size, 3, spec.height, spec.width)
        self._input = np.full(shape, GRAY, dtype=np.float32)
        self._half = np.full(shape if spec.dtype == np.float16 else 0, GRAY, dtype=np.float16)
        single = replace(spec, dtype=np.dtype(np.float32))
        self._letterboxes = [Letterbox(single, self._input[i : i + 1]) for i in range(size)]

    def __call__(
        self, pictures: Sequence[NDArray[np.uint8]]
    ) -> tuple[NDArray[Any], list[Placement]]:
        """The model's input for pictures, and where each lies in its part of it.

        Args:
            pictures: uint8 (height, width, 3), RGB, at most `size`; what is missing stays as the
                last call left it.

        Returns:
            float32 or float16 (size, 3, input height, input width), RGB, 0 to 1, gray around.
        """
        placements = [box(picture)[1] for box, picture in zip(self._letterboxes, pictures)]
        if not self._half.size:
            return self._input, placements
        np.copyto(self._half, self._input)
        return self._half, placements
