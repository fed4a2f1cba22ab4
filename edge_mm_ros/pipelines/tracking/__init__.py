"""Objects followed over time: where they are, how they move, what they are, and which is which."""

from edge_mm_ros.pipelines.tracking.measurement import (
    UNKNOWN_LABEL,
    Birth,
    Measurement,
    RadialVelocity,
    Scan,
)
from edge_mm_ros.pipelines.tracking.tracker import Tracker
from edge_mm_ros.pipelines.tracking.tracks import TrackerSettings, TrackSet

__all__ = [
    "UNKNOWN_LABEL",
    "Birth",
    "Measurement",
    "RadialVelocity",
    "Scan",
    "TrackSet",
    "Tracker",
    "TrackerSettings",
]
