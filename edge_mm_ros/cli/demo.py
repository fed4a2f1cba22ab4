"""``edge-mm demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_mm_ros.cli.replay import run_replay
from edge_mm_ros.params.share import sample_recording


def demo(
    report: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("report"),
    rate: Annotated[str, typer.Option(help="Speed, or 'max'.")] = "1.0",
) -> None:
    """Replay the sample recording through the safety monitor and write report/index.html."""
    run_replay(sample_recording(), "safety_monitor", rate=rate, report_folder=report)
