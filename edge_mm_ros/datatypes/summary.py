"""Written summaries of events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """A plain English summary of a window of time.

    Attributes:
        text: the summary.
        start_ns: begin of the window, nanoseconds.
        end_ns: end of the window, nanoseconds.
        author: the model's name, or ``template``.
        reason: why the template wrote it; empty where the model did.
        event_ids: the events that it tells of.
        tried: texts that the model wrote for it.
        rejected: why texts of the model were not taken, one line each.
    """

    text: str
    start_ns: int
    end_ns: int
    author: str
    reason: str = ""
    event_ids: tuple[str, ...] = ()
    tried: int = 0
    rejected: tuple[str, ...] = ()
