"""Parameters of ``event_summarizer``."""

from __future__ import annotations

from typing import Literal

from edge_mm_ros.params.base import NodeParams, parameter
from edge_mm_ros.params.degradation import SummarizerDegradation


class EventSummarizerParams(NodeParams):
    """When a summary is written, by what, and how times are told."""

    model: str = parameter(
        "smollm2_135m_instruct", "Manifest of the language model; empty: only the template writes."
    )
    require_model: bool = parameter(
        False, "Refuse to configure without the model, instead of leaving it to the template."
    )
    preload: bool = parameter(True, "Load and warm the model on activation; else at its first use.")
    max_tokens: int = parameter(
        768, "Tokens of a text of the model at most.", live=True, ge=16, le=1024
    )
    candidates: int = parameter(
        3,
        "Texts that the model may write for one summary; the best that passes the check is taken.",
        live=True,
        ge=1,
        le=16,
    )
    deadline_s: float = parameter(
        3.0,
        "Time to a summary: the model's best text by then, where one passed, else the template's.",
        unit="s",
        live=True,
        gt=0,
        le=9,
    )
    window_s: float = parameter(
        30.0, "A summary tells of at most this long.", unit="s", live=True, ge=1.0, le=3600.0
    )
    quiet_s: float = parameter(
        5.0,
        "A summary is written after so long without a new event or speech.",
        unit="s",
        live=True,
        ge=0.5,
        le=600.0,
    )
    times: Literal["relative", "clock"] = parameter(
        "relative", "Tell times in seconds from the summary's begin, or as UTC.", live=True
    )
    history_items: int = parameter(
        2000,
        "Events, and utterances, that are kept for questions and for a report.",
        ge=1,
        le=100_000,
    )
    report_every_h: float = parameter(
        0.0,
        "A report is written after each such time, and on deactivation; 0: never.",
        unit="h",
        ge=0.0,
        le=168.0,
    )
    report_folder: str = parameter(
        "", "Where reports are written; needed where report_every_h is above 0."
    )
    degradation: SummarizerDegradation = parameter(
        SummarizerDegradation(), "What is given up under pressure, and when."
    )
