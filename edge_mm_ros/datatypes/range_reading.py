"""Readings of a single-beam range sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_mm_ros.datatypes.errors import InvalidInput


@dataclass(frozen=True)
class RangeReading:
    """One reading of an ultrasonic or infrared range sensor (``sensor_msgs/Range``, REP-117).

    Attributes:
        range_m: distance; ``inf`` where nothing was detected, ``-inf`` where something is nearer
            than ``min_range_m``.
        min_range_m: smallest distance that the sensor can tell.
        max_range_m: largest distance that the sensor can tell.
        field_of_view_rad: full opening angle of the cone.
        stamp_ns: capture time, nanoseconds.
        frame_id: the sensor's frame, x along the beam.
    """

    range_m: float
    min_range_m: float
    max_range_m: float
    field_of_view_rad: float
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        if math.isnan(self.range_m):
            raise InvalidInput("not_a_number", f"range of '{self.frame_id}' is not a number")
        if not 0.0 <= self.min_range_m <= self.max_range_m:
            raise InvalidInput(
                "range_limits",
                f"range of '{self.frame_id}': limits must be 0 <= min <= max, got "
                f"{self.min_range_m:g} and {self.max_range_m:g} m",
            )
        if math.isfinite(self.range_m) and not (
            self.min_range_m <= self.range_m <= self.max_range_m
        ):
            raise InvalidInput(
                "out_of_range",
                f"range of '{self.frame_id}': {self.range_m:g} m lies outside its own limits "
                f"{self.min_range_m:g} to {self.max_range_m:g} m",
            )
