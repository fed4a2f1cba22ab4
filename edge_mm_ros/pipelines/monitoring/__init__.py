"""Monitoring of safety: rules over what the sensors tell."""

from edge_mm_ros.pipelines.monitoring.joining import SourcesTold
from edge_mm_ros.pipelines.monitoring.monitor import SafetyMonitor
from edge_mm_ros.pipelines.monitoring.watch import Source

__all__ = ["SafetyMonitor", "Source", "SourcesTold"]
