"""Scripted scenes, sensor models and ground truth; numpy only."""

from edge_mm_ros.pipelines.simulation.simulator import (
    EVENTS_TOPIC,
    START_NS,
    TRUTH_TOPIC,
    Record,
    Simulator,
)

__all__ = ["EVENTS_TOPIC", "START_NS", "TRUTH_TOPIC", "Record", "Simulator"]
