"""Reports as files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.pipelines.summarization.report import Report, as_html, as_markdown
from edge_mm_ros.pipelines.summarization.report_picture import timeline_svg

_MODE = 0o644


class ReportNotWritten(EdgeMmError):
    """A report could not be written; names the folder, the reason and the mend."""


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write a report as Markdown, HTML and SVG, each whole or not at all.

    Returns:
        the files.

    Raises:
        ReportNotWritten: the folder cannot be made or written, for example on a full disk.
    """
    contents = {
        # The Markdown page refers to the picture, so it comes last.
        folder / f"{report.name}.svg": timeline_svg(report.window) + "\n",
        folder / f"{report.name}.html": as_html(report),
        folder / f"{report.name}.md": as_markdown(report),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            _write(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReportNotWritten(
            f"the report {report.name} cannot be written to {folder} ({reason}); free space there, "
            "or choose another report_folder"
        ) from error
    return tuple(contents)


def _write(path: Path, content: str) -> None:
    """Write to a temporary file in the same folder, then put it in place."""
    handle, staged = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(staged, _MODE)
        os.replace(staged, path)
    except BaseException:
        os.unlink(staged)
        raise
