"""The home of every model of a process."""

from edge_mm_ros.runtime.candidate_pool import NoCandidate
from edge_mm_ros.runtime.memory_budget import BudgetExceeded
from edge_mm_ros.runtime.model_host import ModelHost
from edge_mm_ros.runtime.model_slot import SwapFailed
from edge_mm_ros.runtime.model_status import ModelChange, ModelStatus

__all__ = [
    "BudgetExceeded",
    "ModelChange",
    "ModelHost",
    "ModelStatus",
    "NoCandidate",
    "SwapFailed",
]
