"""Groups of parameters of the fusion's sensors, and of what they find without a camera."""

from __future__ import annotations

from edge_mm_ros.params.base import StrictModel, parameter


class SensorTiming(StrictModel):
    """The clock of one sensor, and when it counts as silent."""

    time_offset_s: float = parameter(
        0.0,
        "How far the sensor's stamps lie after the true time of its measurements; subtracted.",
        unit="s",
        ge=-10,
        le=10,
    )
    timeout_s: float = parameter(
        0.0, "Longest silence of the sensor; 0 means sensor_timeout_s.", unit="s", ge=0, le=3600
    )


class RadarNoise(StrictModel):
    """Standard deviations of one radar's returns."""

    range_sigma_m: float = parameter(0.15, "Of a distance.", unit="m", gt=0, le=100)
    azimuth_sigma_rad: float = parameter(0.015, "Of an azimuth.", unit="rad", gt=0, le=1)
    elevation_sigma_rad: float = parameter(0.05, "Of an elevation.", unit="rad", gt=0, le=2)
    doppler_sigma_mps: float = parameter(0.15, "Of a radial speed.", unit="m/s", gt=0, le=100)


class RangeNoise(StrictModel):
    """Standard deviation of one ranging sensor."""

    range_sigma_m: float = parameter(0.03, "Of a distance.", unit="m", gt=0, le=100)


class ObstacleParams(StrictModel):
    """Where the robot's way is, in which things become objects that no camera has named.

    The zones of `zones_file` lie in the way, however small it is.
    """

    ahead_m: float = parameter(
        8.0,
        "How far ahead of the robot's frame; further where zones_file has a zone there.",
        unit="m",
        live=True,
        ge=0,
        le=1000,
    )
    behind_m: float = parameter(
        3.0,
        "How far behind; further where zones_file has a zone there.",
        unit="m",
        live=True,
        ge=0,
        le=1000,
    )
    aside_m: float = parameter(
        3.0,
        "How far to each side; further where zones_file has a zone there.",
        unit="m",
        live=True,
        ge=0,
        le=1000,
    )
    max_height_m: float = parameter(
        2.0,
        "What hangs higher above the ground is not in the way.",
        unit="m",
        live=True,
        gt=0,
        le=100,
    )
    minimum_points: int = parameter(
        5, "Fewest points of a LiDAR or laser scanner that make one.", live=True, ge=1, le=10000
    )
    max_objects: int = parameter(
        20,
        "Most of them that one measurement brings, nearest first; what is left out, and all beyond "
        "it, counts as unseen.",
        live=True,
        ge=1,
        le=1000,
    )
    footprint_front_m: float = parameter(
        0.0,
        "The robot itself reaches so far ahead; what lies within its footprint is itself.",
        unit="m",
        live=True,
        ge=0,
        le=100,
    )
    footprint_rear_m: float = parameter(0.0, "The same, behind.", unit="m", live=True, ge=0, le=100)
    footprint_side_m: float = parameter(
        0.0, "The same, to each side.", unit="m", live=True, ge=0, le=100
    )
