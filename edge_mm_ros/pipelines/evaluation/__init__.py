"""Scores of tracked objects against ground truth, by standard measures; numpy only."""

from edge_mm_ros.pipelines.evaluation.events import EventScore, score_events
from edge_mm_ros.pipelines.evaluation.frames import (
    Estimate,
    EvaluationError,
    EvaluationSettings,
    Frame,
    Items,
    frames_of,
)
from edge_mm_ros.pipelines.evaluation.score import Score, score

__all__ = [
    "Estimate",
    "EvaluationError",
    "EvaluationSettings",
    "EventScore",
    "Frame",
    "Items",
    "Score",
    "frames_of",
    "score",
    "score_events",
]
