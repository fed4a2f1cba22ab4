"""What the sensors see of the ground around the robot, and of the safety zones on it."""

from edge_mm_ros.pipelines.free_space.camera_view import CameraGround
from edge_mm_ros.pipelines.free_space.cones import view_of_radar, view_of_range
from edge_mm_ros.pipelines.free_space.coverage_map import CoverageMap
from edge_mm_ros.pipelines.free_space.polar import PolarView
from edge_mm_ros.pipelines.free_space.rays import Heights, view_of_cloud, view_of_scan

__all__ = [
    "CameraGround",
    "CoverageMap",
    "Heights",
    "PolarView",
    "view_of_cloud",
    "view_of_radar",
    "view_of_range",
    "view_of_scan",
]
