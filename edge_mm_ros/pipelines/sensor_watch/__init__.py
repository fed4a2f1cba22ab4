"""Finds what is wrong with the sensors themselves, by what they send and by each other."""

from edge_mm_ros.pipelines.sensor_watch.agreement import Gaps
from edge_mm_ros.pipelines.sensor_watch.content import content_of
from edge_mm_ros.pipelines.sensor_watch.watch import SensorWatch, WatchedSensor

__all__ = ["Gaps", "SensorWatch", "WatchedSensor", "content_of"]
