"""What of a measurement never repeats while its sensor lives."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import (
    Detections,
    ImuReading,
    LaserScan,
    Odometry,
    PointCloud,
    RadarScan,
)

_FEWEST_VALUES = 10  # fewer distances may agree by chance of a coarse sensor
_FEWEST_RETURNS = 3
_SAMPLES = 4096
_MOVES_MPS = 0.05
_TURNS_RADPS = 0.02


def content_of(value: object) -> int | None:
    """A digest that differs between any two measurements of a living sensor.

    None where equal measurements are right: an empty view, an ultrasonic sensor before a wall or
    before nothing, odometry that tells to stand, boxes in whole pixels.

    Args:
        value: the measurement.
    """
    if isinstance(value, PointCloud):
        return _digest(value.points_m) if len(value.points_m) >= _FEWEST_VALUES else None
    if isinstance(value, LaserScan):
        told = int(np.count_nonzero(np.isfinite(value.ranges_m)))
        return _digest(value.ranges_m) if told >= _FEWEST_VALUES else None
    if isinstance(value, RadarScan):
        if len(value) < _FEWEST_RETURNS:
            return None
        return _digest(np.column_stack([value.range_m, value.azimuth_rad, value.doppler_mps]))
    if isinstance(value, Detections):
        fine = bool(np.any(value.boxes_px != np.round(value.boxes_px)))
        return _digest(np.column_stack([value.boxes_px, value.scores])) if fine else None
    if isinstance(value, Odometry):
        # Wheels that stand tell the same place for ever; wheels that turn do not.
        moves = float(np.abs(value.velocity_mps).max()) > _MOVES_MPS
        turns = float(np.abs(value.turn_rate_radps).max()) > _TURNS_RADPS
        if not (moves or turns):
            return None
        pose = value.pose
        return _digest(np.concatenate([pose.rotation.reshape(-1), pose.translation_m]))
    if isinstance(value, ImuReading):
        # Only one that takes the noise of standing still away gives the same twice.
        return _digest(value.turn_rate_radps) if np.any(value.turn_rate_radps) else None
    return None


def _digest(values: NDArray[np.floating]) -> int:
    """A checksum of the shape and of a sample: noise changes every value of a measurement."""
    flat = values.reshape(-1)
    step = max(1, flat.size // _SAMPLES)
    return zlib.crc32(np.ascontiguousarray(flat[::step]).tobytes(), flat.size)
