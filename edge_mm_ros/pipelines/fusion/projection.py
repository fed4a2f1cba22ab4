"""Pixels of points and rays of pixels, through a camera's calibration."""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from edge_mm_ros.datatypes import CameraCalibration, InvalidInput
from edge_mm_ros.pipelines.fusion.columns import coordinate, coordinates

# Number of coefficients that each model may have; fewer count as zeros.
_COEFFICIENTS = {"": 0, "plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}
# Beyond these angles from the axis no lens of the model is calibrated.
_PINHOLE_REACH_RAD = math.radians(85.0)
_FISHEYE_REACH_RAD = math.radians(120.0)
_NEAREST_M = 0.05
_INVERSION_STEPS = 20
_TOLERANCE = 1e-7
_BORDER_STEPS = 33


class CameraProjection:
    """A camera's lens model, both ways.

    The models are those of ``sensor_msgs/CameraInfo``: Brown-Conrady (``plumb_bob``), the same with
    a rational radial part (``rational_polynomial``) and Kannala-Brandt (``equidistant``). All
    three move a point along its radius; the pinhole ones in ``tan(angle)``, the last in the angle,
    which may therefore go beyond 90 degrees.

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
        self._fisheye = model == "equidistant"
        self._ideal = not self._fisheye and not len(given)
        if self._fisheye:
            self._numerator, self._denominator = np.append(1.0, c[:4]), np.ones(1)
            self._tangential = (0.0, 0.0)
        else:
            self._numerator = np.append(1.0, c[[0, 1, 4]])
            self._denominator = np.append(1.0, c[5:8])
            self._tangential = (float(c[2]), float(c[3]))
        self._inverse_k = np.linalg.inv(calibration.k)
        self._focal_lengths_px = float(calibration.k[0, 0]), float(calibration.k[1, 1])
        # Beyond the first turning point a polynomial folds far points back into the picture.
        end = _FISHEYE_REACH_RAD if self._fisheye else math.tan(_PINHOLE_REACH_RAD)
        radii = np.linspace(0.0, end, 8193)
        images = radii * self._stretch(radii * radii)
        falls = np.flatnonzero(~(np.diff(images) > 0.0))
        last = int(falls[0]) if len(falls) else len(radii) - 1
        self._radii, self._images = radii[: last + 1], images[: last + 1]
        self._reach = self._radius_of_border()

    @property
    def focal_lengths_px(self) -> tuple[float, float]:
        """Pixels for each unit of tangent (of angle, of a fisheye), across and down."""
        return self._focal_lengths_px

    @property
    def max_angle_rad(self) -> float:
        """The widest angle from the axis at which the model has an inverse."""
        end = float(self._radii[-1])
        return end if self._fisheye else math.atan(end)

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
        x, y, z = (np.asarray(points_m[:, axis], dtype=np.float64) for axis in range(3))
        front, u, v, inside = self._pixels(x, y, z)
        seen = np.zeros(len(x), dtype=np.bool_)
        seen[front] = inside
        pixels = np.zeros((2, len(x)))
        pixels[0, front], pixels[1, front] = u, v
        return pixels.T, seen

    def shown(
        self,
        points_m: NDArray[np.floating],
        rotation: NDArray[np.float64],
        shift_m: NDArray[np.float64],
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """Which points of another frame the picture shows, and where.

        Args:
            points_m: (n, 3).
            rotation: float64 (3, 3), from their frame into the optical one.
            shift_m: float64 (3,), the translation into it.

        Returns:
            int (m,), the indices of those that are in front of the camera and within its picture;
            float64 (m,), their columns; float64 (m,), their rows.
        """
        columns = [points_m[:, axis] for axis in range(3)]
        if self._fisheye:  # which may see behind itself
            front = np.arange(len(points_m))
        else:
            front = np.flatnonzero(coordinate(columns, rotation[2], shift_m[2]) > 0.0)
            columns = [column.take(front) for column in columns]
        exact = [column.astype(np.float64) for column in columns]
        within, u, v, inside = self._pixels(*coordinates(exact, rotation, shift_m))
        return front[within[inside]], u[inside], v[inside]

    def _pixels(
        self, x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Pixels of points, by columns in the optical frame.

        Returns:
            int (m,), the indices of those that may be in the picture; float64 (m,), their columns;
            float64 (m,), their rows; bool (m,), which of them are.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            squared = x * x + y * y
            if self._fisheye:
                angle = np.arctan2(np.sqrt(squared), z)
                seen = (angle <= self._reach) & (squared + z * z > _NEAREST_M**2)
            else:
                seen = (z > _NEAREST_M) & (squared <= self._reach**2 * z * z)
        front = np.flatnonzero(seen)
        x, y, z = x[front], y[front], z[front]
        if self._fisheye:
            flat = _along(np.column_stack([x, y]), angle[front])
        else:
            flat = np.stack([x / z, y / z]).T
        moved = self._distort(flat)
        k = self.calibration.k
        u = k[0, 0] * moved[:, 0] + k[0, 1] * moved[:, 1] + k[0, 2]
        v = k[1, 1] * moved[:, 1] + k[1, 2]
        inside = (u >= 0.0) & (u <= self.calibration.width)
        inside &= (v >= 0.0) & (v <= self.calibration.height)
        return front, u, v, inside

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
        if self._fisheye:
            angle = np.hypot(flat[:, 0], flat[:, 1])
            return np.column_stack([_along(flat, np.sin(angle)), np.cos(angle)])
        directions = np.column_stack([flat, np.ones(len(flat))])
        return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))

    def _radius_of_border(self) -> float:
        """The largest radius in the picture; what lies further out need not be projected."""
        steps = np.linspace(0.0, 1.0, _BORDER_STEPS)
        zeros, ones = np.zeros_like(steps), np.ones_like(steps)
        sides = [(steps, zeros), (steps, ones), (zeros, steps), (ones, steps)]
        border = np.concatenate([np.column_stack(side) for side in sides])
        rays = self.rays(border * [self.calibration.width, self.calibration.height])
        end = float(self._radii[-1])
        if not np.all(np.isfinite(rays)):
            return end
        aside = np.hypot(rays[:, 0], rays[:, 1])
        radii = np.arctan2(aside, rays[:, 2]) if self._fisheye else aside / rays[:, 2]
        return min(end, 1.01 * float(radii.max()))

    def _stretch(self, squared: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much the lens moves a point outwards, from its radius (or angle) squared."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.asarray(
                polyval(squared, self._numerator) / polyval(squared, self._denominator)
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
        """Where the lens puts a point of the ideal image; a fisheye's has angles for radii."""
        if self._ideal:
            return flat
        squared = flat[:, 0] * flat[:, 0] + flat[:, 1] * flat[:, 1]
        moved = flat * self._stretch(squared)[:, None]
        return moved + self._tangential_part(flat) if any(self._tangential) else moved

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
            further, nearer = (
                moved * self._stretch(moved * moved) for moved in (radius + step, radius - step)
            )
            slope = (further - nearer) / (2.0 * step)
            radius = radius - np.divide(
                radius * self._stretch(radius * radius) - length,
                slope,
                out=np.zeros_like(radius),
                where=slope > 1e-9,
            )
        return _along(image, radius)


def _along(flat: NDArray[np.float64], length: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vectors (n, 2) with new lengths; those of length nothing stay."""
    norm = np.hypot(flat[:, 0], flat[:, 1])
    scale = np.divide(length, norm, out=np.ones_like(norm), where=norm > 0.0)
    return np.asarray(flat * scale[:, None])
