"""Pixels of points and rays of pixels, through a camera's calibration."""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from edge_mm_ros.datatypes import CameraCalibration, InvalidInput

# Number of coefficients that each model may have; fewer count as zeros.
_COEFFICIENTS = {"": 0, "plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}
_MAX_ANGLE_RAD = math.radians(85.0)
_MIN_DEPTH_M = 0.05
_INVERSION_STEPS = 20
_TOLERANCE = 1e-7


class CameraProjection:
    """A camera's lens model, both ways.

    The models are those of ``sensor_msgs/CameraInfo``: Brown-Conrady (``plumb_bob``), the same with
    a rational radial part (``rational_polynomial``) and Kannala-Brandt (``equidistant``). All
    three move a point along its radius; the pinhole ones in ``tan(angle)``, the last in the angle.

    Raises:
        InvalidInput: the model is unknown or has too many coefficients.
    """

    def __init__(self, calibration: CameraCalibration) -> None:
        self.calibration = calibration
        model = calibration.distortion_model
        if model not in _COEFFICIENTS:
            raise InvalidInput(
                "distortion_model",
                f"camera calibration of '{calibration.frame_id}': distortion model '{model}' is "
                f"unknown; known: {', '.join(name for name in _COEFFICIENTS if name)}",
            )
        given = np.trim_zeros(np.asarray(calibration.distortion, dtype=np.float64), "b")
        if len(given) > _COEFFICIENTS[model]:
            raise InvalidInput(
                "distortion",
                f"camera calibration of '{calibration.frame_id}': {model or 'no'} distortion "
                f"takes {_COEFFICIENTS[model]} coefficients, got {len(given)}",
            )
        c = np.zeros(8)
        c[: len(given)] = given
        self._equidistant = model == "equidistant"
        self._ideal = not self._equidistant and not len(given)
        if self._equidistant:
            self._numerator, self._denominator = np.append(1.0, c[:4]), np.ones(1)
            self._tangential = (0.0, 0.0)
        else:
            self._numerator = np.append(1.0, c[[0, 1, 4]])
            self._denominator = np.append(1.0, c[5:8])
            self._tangential = (float(c[2]), float(c[3]))
        self._inverse_k = np.linalg.inv(calibration.k)
        # Beyond the first turning point a polynomial folds far points back into the picture.
        end = _MAX_ANGLE_RAD if self._equidistant else math.tan(_MAX_ANGLE_RAD)
        radii = np.linspace(0.0, end, 8193)
        images = self._radial(radii)
        falls = np.flatnonzero(~(np.diff(images) > 0.0))
        last = int(falls[0]) if len(falls) else len(radii) - 1
        self._radii, self._images = radii[: last + 1], images[: last + 1]

    def project(
        self, points_m: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Pixels of points.

        Args:
            points_m: (n, 3) in the optical frame.

        Returns:
            pixels float64 (n, 2), and which points are in front of the camera and within its
            picture; the pixels of the others mean nothing.
        """
        points = np.asarray(points_m, dtype=np.float64)
        pixels = np.zeros((len(points), 2))
        seen = points[:, 2] > _MIN_DEPTH_M
        front = np.flatnonzero(seen)
        flat = points[front, :2] / points[front, 2:]
        radius = np.hypot(flat[:, 0], flat[:, 1])
        covered = (np.arctan(radius) if self._equidistant else radius) <= self._radii[-1]
        seen[front[~covered]] = False
        front, flat = front[covered], flat[covered]
        moved = self._distort(flat)
        k = self.calibration.k
        pixels[front, 0] = k[0, 0] * moved[:, 0] + k[0, 1] * moved[:, 1] + k[0, 2]
        pixels[front, 1] = k[1, 1] * moved[:, 1] + k[1, 2]
        for axis, size in enumerate((self.calibration.width, self.calibration.height)):
            seen &= (pixels[:, axis] >= 0.0) & (pixels[:, axis] <= size)
        return pixels, seen

    def rays(self, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
        """Unit directions of pixels.

        Args:
            pixels: (n, 2).

        Returns:
            float64 (n, 3) in the optical frame; NaN where no direction has this pixel.
        """
        given = np.asarray(pixels, dtype=np.float64)
        homogeneous = np.column_stack([given, np.ones(len(given))])
        image = (homogeneous @ self._inverse_k.T)[:, :2]
        flat = image if self._ideal else self._undistort(image)
        directions = np.column_stack([flat, np.ones(len(flat))])
        return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))

    def _radial(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        squared = radius * radius
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.asarray(
                radius * polyval(squared, self._numerator) / polyval(squared, self._denominator)
            )

    def _tangential_part(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        p1, p2 = self._tangential
        x, y = flat[:, 0], flat[:, 1]
        squared = x * x + y * y
        return np.column_stack(
            [
                2.0 * p1 * x * y + p2 * (squared + 2.0 * x * x),
                p1 * (squared + 2.0 * y * y) + 2.0 * p2 * x * y,
            ]
        )

    def _distort(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._ideal:
            return flat
        radius = np.hypot(flat[:, 0], flat[:, 1])
        image = self._radial(np.arctan(radius) if self._equidistant else radius)
        scale = np.divide(image, radius, out=np.ones_like(radius), where=radius > 0.0)
        return np.asarray(flat * scale[:, None] + self._tangential_part(flat))

    def _undistort(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = self._straighten(image)
        if any(self._tangential):
            for _ in range(_INVERSION_STEPS):
                flat = self._straighten(image - self._tangential_part(flat))
        wrong = ~(np.abs(self._distort(flat) - image).max(axis=1, initial=0.0) < _TOLERANCE)
        flat[wrong] = np.nan
        return flat

    def _straighten(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Undo the radial part: table look-up, then Newton steps."""
        length = np.hypot(image[:, 0], image[:, 1])
        radius = np.interp(length, self._images, self._radii, right=np.nan)
        for _ in range(3):
            step = 1e-6
            slope = (self._radial(radius + step) - self._radial(radius - step)) / (2.0 * step)
            radius = radius - np.divide(
                self._radial(radius) - length,
                slope,
                out=np.zeros_like(radius),
                where=slope > 1e-9,
            )
        straight = np.tan(radius) if self._equidistant else radius
        scale = np.divide(straight, length, out=np.ones_like(length), where=length > 0.0)
        return np.asarray(image * scale[:, None])
