"""The home of every model of a process."""

from edge_mm_ros.runtime.model_host import ModelHost, ModelStatus, NoCandidate

__all__ = ["ModelHost", "ModelStatus", "NoCandidate"]
