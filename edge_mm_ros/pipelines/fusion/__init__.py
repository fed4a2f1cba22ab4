"""Fusion of cameras and LiDARs into objects in the robot's frame."""

from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.sensor_fusion import FusionResult, SensorFusion

__all__ = ["CameraProjection", "FusionResult", "SensorFusion"]
