"""Model manifests and the files that they name."""

from edge_mm_ros.model_repository.manifest import Candidate, ModelManifest
from edge_mm_ros.model_repository.repository import ModelRepository, ModelUnavailable

__all__ = ["Candidate", "ModelManifest", "ModelRepository", "ModelUnavailable"]
