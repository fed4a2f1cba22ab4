"""Fusion of all sensors into objects in the robot's frame."""

from edge_mm_ros.pipelines.fusion.arrivals import Arrival, Measured, topic_of
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.sensor_fusion import FusionResult, SensorFusion

__all__ = [
    "Arrival",
    "CameraProjection",
    "FusionResult",
    "Measured",
    "SensorFusion",
    "topic_of",
]
