"""Model manifests and the files that they name."""

from edge_mm_ros.model_repository.manifest import Candidate, ModelManifest
from edge_mm_ros.model_repository.repository import (
    FOLDERS_VARIABLE,
    ModelRepository,
    ModelUnavailable,
    model_folders,
)

__all__ = [
    "FOLDERS_VARIABLE",
    "Candidate",
    "ModelManifest",
    "ModelRepository",
    "ModelUnavailable",
    "model_folders",
]
