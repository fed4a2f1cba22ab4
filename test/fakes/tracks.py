"""Frames of truth and tracks along a line, for the tests of the measures."""

from __future__ import annotations

from collections.abc import Mapping

from edge_mm_ros.pipelines.evaluation import Frame, Items

STEP_NS = 100_000_000


def frame(index: int, truth: Mapping[str, float], tracks: Mapping[str, float]) -> Frame:
    """A frame with everything on the x axis."""
    return Frame(index * STEP_NS, on_line(truth), on_line(tracks))


def on_line(places: Mapping[str, float]) -> Items:
    """Items on the x axis."""
    return Items.of(list(places), [(x, 0.0) for x in places.values()])


def film(*pairs: tuple[Mapping[str, float], Mapping[str, float]]) -> list[Frame]:
    """Frames 0.1 s apart."""
    return [frame(index, truth, tracks) for index, (truth, tracks) in enumerate(pairs)]
