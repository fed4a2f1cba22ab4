"""Pictures and the cameras that took them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Image:
    """A colour picture.

    Attributes:
        pixels: uint8 of shape (height, width, 3), RGB.
        stamp_ns: capture time, nanoseconds.
        frame_id: the camera's optical frame (REP-103: x right, y down, z forward).
    """

    pixels: NDArray[np.uint8]
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
            raise InvalidInput(
                "pixel_format",
                f"picture: expected uint8 (height, width, 3), got {self.pixels.dtype} {shape}",
            )
        if 0 in shape:
            raise InvalidInput("zero_size", f"picture: it has no pixels, its shape is {shape}")

    @property
    def width(self) -> int:
        """Pixels per row."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, eq=False)
class CameraCalibration:
    """A camera's intrinsic calibration, as ``sensor_msgs/CameraInfo`` has it.

    Attributes:
        width: picture width, pixels.
        height: picture height, pixels.
        k: camera matrix, float64 (3, 3), pixels.
        distortion_model: ``plumb_bob``, ``rational_polynomial`` or ``equidistant``;
            empty means none.
        distortion: coefficients, float64 (n,).
        frame_id: the camera's optical frame.
    """

    width: int
    height: int
    k: NDArray[np.float64]
    distortion_model: str
    distortion: NDArray[np.float64]
    frame_id: str

    def __post_init__(self) -> None:
        if self.k.shape != (3, 3) or not np.all(np.isfinite(self.k)):
            raise InvalidInput(
                "camera_matrix",
                f"camera calibration of '{self.frame_id}': k must be a finite 3x3 matrix",
            )
        if self.k[0, 0] <= 0 or self.k[1, 1] <= 0:
            raise InvalidInput(
                "camera_matrix",
                f"camera calibration of '{self.frame_id}': the focal lengths must be positive, got "
                f"fx={self.k[0, 0]:g} fy={self.k[1, 1]:g}; is the camera calibrated?",
            )
        if not np.all(np.isfinite(self.distortion)):
            raise InvalidInput(
                "distortion", f"camera calibration of '{self.frame_id}': distortion is not finite"
            )
