"""An ultrasonic echo as a measurement: something on the arc, and nothing nearer in the cone."""

from __future__ import annotations

import math

import numpy as np

from edge_mm_ros.datatypes import RangeReading, RigidTransform
from edge_mm_ros.params.fusion_sensors import ObstacleParams
from edge_mm_ros.pipelines.fusion.finding import Finding
from edge_mm_ros.pipelines.fusion.obstacles import in_the_way, itself
from edge_mm_ros.pipelines.tracking import Birth

_SCORE = 0.5
_BEHIND_M = 0.15  # an object's centre lies behind the surface that throws back
_EXTENT_SIGMA_M = 0.15
_HEIGHT_SIGMA_M = 0.5  # the cone tells nothing of heights
_SIZE_M = np.array([0.3, 0.3, 1.0])  # taken, not measured


def echo_of(
    reading: RangeReading,
    place: RigidTransform,
    way: ObstacleParams,
    *,
    source: str,
    range_sigma_m: float,
    ground_z_m: float,
) -> tuple[Finding, ...]:
    """The nearest thing in a cone, somewhere on its arc.

    Args:
        reading: the echo; none where it is ``inf``, nearer than the least range where ``-inf``.
        place: the robot's frame from the sensor's, x along the beam.
        way: where the way is.
        source: the sensor as objects name it.
        range_sigma_m: standard deviation of the distance.
        ground_z_m: height of the ground in the robot's frame.

    Returns:
        one thing in the robot's frame, or none.
    """
    if reading.range_m == math.inf:
        return ()
    distance, sigma = reading.range_m, range_sigma_m
    if distance == -math.inf:
        distance, sigma = reading.min_range_m / 2.0, max(reading.min_range_m / 2.0, sigma)
    half = min(max(reading.field_of_view_rad / 2.0, 1e-3), math.pi / 2.0)
    # Moments of a point that is anywhere on an arc with the same chance.
    mean = distance * math.sin(half) / half
    aside_m2 = distance**2 * (0.5 - math.sin(2.0 * half) / (4.0 * half))
    along_m2 = max(distance**2 - aside_m2 - mean**2, 0.0)
    spot = place.apply(np.array([mean + _BEHIND_M, 0.0, 0.0]))
    if bool(itself(spot[None], way)[0]):
        return ()
    spot[2] = max(spot[2], ground_z_m + _SIZE_M[2] / 2.0)
    extent = _EXTENT_SIGMA_M**2
    covariance = (
        place.rotation
        @ np.diag([along_m2 + sigma**2 + extent, aside_m2 + extent, extent])
        @ place.rotation.T
    )
    covariance[2, 2] += _HEIGHT_SIGMA_M**2
    near = bool(in_the_way(spot[None] * [1.0, 1.0, 0.0], way, 0.0)[0])
    birth = Birth.CONFIRMED if near else Birth.NEVER
    return (Finding(spot, covariance, _SIZE_M.copy(), _SCORE, (source,), birth=birth, sized=False),)
