"""Readings of a single-beam range sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_mm_ros.datatypes.errors import InvalidInput

_WHOLE_CIRCLE_RAD = 6.29  # however a driver rounds 2 pi


@dataclass(frozen=True)
class RangeReading:
    """One reading of an ultrasonic or infrared range sensor (``sensor_msgs/Range``, REP-117).

    Attributes:
        range_m: distance, over 0; ``inf`` where nothing was detected, ``-inf`` where something is
            nearer than ``min_range_m``.
        min_range_m: smallest distance that the sensor can tell.
        max_range_m: largest distance that the sensor can tell; finite, over 0.
        field_of_view_rad: full opening angle of the cone; 0: the driver does not tell it.
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
        if not (0.0 <= self.min_range_m <= self.max_range_m and 0.0 < self.max_range_m < math.inf):
            raise InvalidInput(
                "range_limits",
                f"range of '{self.frame_id}': limits must be finite and 0 <= min <= max, and max "
                f"over 0, got {self.min_range_m:g} and {self.max_range_m:g} m; they are to be set "
                "in the driver",
            )
        if not 0.0 <= self.field_of_view_rad <= _WHOLE_CIRCLE_RAD:
            raise InvalidInput(
                "field_of_view",
                f"range of '{self.frame_id}': field of view must be 0 to 2 pi radians, got "
                f"{self.field_of_view_rad:g}; the driver's units are to be checked",
            )
        if self.range_m == 0.0:
            raise InvalidInput(
                "out_of_range",
                f"range of '{self.frame_id}': 0 m is no distance but what drivers give without an "
                "echo; the driver should give inf then, and -inf for what is too near (REP-117)",
            )
        if math.isfinite(self.range_m) and not (
            self.min_range_m <= self.range_m <= self.max_range_m
        ):
            raise InvalidInput(
                "out_of_range",
                f"range of '{self.frame_id}': {self.range_m:g} m lies outside its own limits "
                f"{self.min_range_m:g} to {self.max_range_m:g} m",
            )
