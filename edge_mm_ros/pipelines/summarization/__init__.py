"""Events and speech to plain English summaries and answers."""

from edge_mm_ros.pipelines.summarization.answers import NO_RECORD, answer
from edge_mm_ros.pipelines.summarization.collector import EventCollector
from edge_mm_ros.pipelines.summarization.grounding import ungrounded
from edge_mm_ros.pipelines.summarization.record import EventRecord, EventWindow, Incident
from edge_mm_ros.pipelines.summarization.report import Report, ReportBook
from edge_mm_ros.pipelines.summarization.report_files import ReportNotWritten, write_report
from edge_mm_ros.pipelines.summarization.template import write_template
from edge_mm_ros.pipelines.summarization.times import Times
from edge_mm_ros.pipelines.summarization.writer import SummaryWriter

__all__ = [
    "NO_RECORD",
    "EventCollector",
    "EventRecord",
    "EventWindow",
    "Incident",
    "Report",
    "ReportBook",
    "ReportNotWritten",
    "SummaryWriter",
    "Times",
    "answer",
    "ungrounded",
    "write_report",
    "write_template",
]
