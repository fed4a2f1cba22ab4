"""Inference engines, one module each behind one protocol."""

from edge_mm_ros.backends.protocol import (
    Backend,
    BackendError,
    EngineBuilder,
    GenerationModel,
    InputRefused,
    LoadedModel,
    ModelArtifact,
    NothingToBuild,
    Probe,
    TensorModel,
    TensorSpec,
    TranscribedSegment,
    TranscribedWord,
    TranscriptionModel,
    TranscriptionResult,
)
from edge_mm_ros.backends.registry import BackendRegistry

__all__ = [
    "Backend",
    "BackendError",
    "BackendRegistry",
    "EngineBuilder",
    "GenerationModel",
    "InputRefused",
    "LoadedModel",
    "ModelArtifact",
    "NothingToBuild",
    "Probe",
    "TensorModel",
    "TensorSpec",
    "TranscribedSegment",
    "TranscribedWord",
    "TranscriptionModel",
    "TranscriptionResult",
]
