"""Inference engines, one module each behind one protocol."""

from edge_mm_ros.backends.protocol import (
    Backend,
    BackendError,
    GenerationModel,
    LoadedModel,
    ModelArtifact,
    Probe,
    TensorModel,
    TensorSpec,
    TranscribedSegment,
    TranscriptionModel,
    TranscriptionResult,
)
from edge_mm_ros.backends.registry import BackendRegistry

__all__ = [
    "Backend",
    "BackendError",
    "BackendRegistry",
    "GenerationModel",
    "LoadedModel",
    "ModelArtifact",
    "Probe",
    "TensorModel",
    "TensorSpec",
    "TranscribedSegment",
    "TranscriptionModel",
    "TranscriptionResult",
]
