"""Objects in pictures."""

from edge_mm_ros.pipelines.detection.model_spec import UnsupportedModel
from edge_mm_ros.pipelines.detection.pipeline import (
    DetectionPipeline,
    DetectionSettings,
    verify_detector,
)

__all__ = ["DetectionPipeline", "DetectionSettings", "UnsupportedModel", "verify_detector"]
