"""The report of a replay: one self-contained HTML page, for eyes."""

from edge_mm_ros.cli.report.model import RecordedPicture, ReplayReport
from edge_mm_ros.cli.report.page import ReportError, write_report

__all__ = ["RecordedPicture", "ReplayReport", "ReportError", "write_report"]
