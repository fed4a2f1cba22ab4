"""The node ``event_summarizer``: events and speech in, summaries and answers out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from hri_msgs.msg import LiveSpeech
from std_msgs.msg import String

from edge_mm_ros.datatypes import (
    EdgeMmError,
    EventPhase,
    Health,
    HealthLevel,
    InvalidInput,
    SafetyLevel,
    Summary,
)
from edge_mm_ros.nodes.ladder import NodeLadder
from edge_mm_ros.nodes.model_trial import model_trial
from edge_mm_ros.nodes.models import ModelNode, default_model_host, model_health
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.event_summarizer import EventSummarizerParams
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.summarization import (
    EventCollector,
    EventWindow,
    Report,
    ReportBook,
    ReportNotWritten,
    SummaryWriter,
    Times,
    answer,
    write_report,
)
from edge_mm_ros.ros.conversions.safety import events_from_msg
from edge_mm_ros.ros.conversions.speech import transcript_from_msg
from edge_mm_ros.ros.qos import EVENTS, LATCHED, RELIABLE
from edge_mm_ros.ros.work_queue import drop_oldest, lossless
from edge_mm_ros.runtime import ModelHost
from edge_mm_ros.runtime.pressure import SystemPressure

_WRITER = "writer"
_LADDER = "ladder"
_REPORTER = "reporter"
_LATENCY_WINDOW_S = 120.0  # a summary is a rare thing
_UNLOAD_PATIENCE_S = 2.0
_STEPPED_DOWN = "the machine is under pressure, see the entry 'degradation' on /diagnostics"
_CHECK_S = 0.5
_MAX_WAITING_WINDOWS = 8
_MAX_WAITING_QUESTIONS = 20
_MAX_WAITING_REPORTS = 4


class EventSummarizerNode(ModelNode):
    """Tells in plain English what happened: ``safety/events`` and ``speech`` to ``summary``.

    A ``question`` gets an ``answer`` from what is remembered. One worker collects and answers, a
    second one writes, so that a slow model loses no event; a third one writes reports to files.
    """

    params_type = EventSummarizerParams

    def __init__(
        self,
        host: ModelHost | None = None,
        name: str = "event_summarizer",
        *,
        pressure: SystemPressure | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self._pressure = pressure
        self._host = host or default_model_host()
        self._model_tried = False
        self._why_no_model = ""
        self._last: Summary | None = None
        self._ladder: NodeLadder | None = None
        self._report_fault = ""

    def on_configured(self) -> None:
        """Try the model and make the publishers; without a model the template writes."""
        self._why_no_model = ""
        if self.params.model:
            self._use_model(self._try_model)
        self._model_tried = True
        self._summary = self.advertise(String, "summary", LATCHED)
        self._answer = self.advertise(String, "answer", RELIABLE)

    def on_activated(self) -> None:
        """Begin to collect."""
        params = self.params
        if params.model and params.preload and not self._why_no_model:
            self._use_model(lambda: self._host.preload(params.model))
        self._last = None
        self._collector = EventCollector(params.history_items)
        self._report_book = ReportBook(params.history_items, self.now_ns())
        self._report_fault = ""
        self._critical_events = 0
        self._summary_writer = SummaryWriter(self._host, params.model, self.now_ns)
        self.listen(DiagnosticArray, "safety/events", self._on_events, qos=EVENTS, queue=lossless())
        self.listen(LiveSpeech, "speech", self._on_speech, qos=RELIABLE, queue=lossless())
        self.listen(
            String,
            "question",
            self._on_question,
            qos=RELIABLE,
            queue=drop_oldest(_MAX_WAITING_QUESTIONS),
        )
        self.every(_CHECK_S, self._summarize_if_due)
        if params.model and params.preload and not self._why_no_model:
            self._summary_writer.warm_up(lambda: not self.active)
        self._reports = self.inbox(
            self._write_report, queue=drop_oldest(_MAX_WAITING_REPORTS), worker=_REPORTER
        )
        if params.report_every_h:
            self.every(_CHECK_S, self._report_if_due)
        self._waiting = self.inbox(
            self._write, queue=drop_oldest(_MAX_WAITING_WINDOWS), worker=_WRITER
        )
        self._ladder = NodeLadder(
            self,
            params.degradation,
            self._apply_steps,
            worker=_LADDER,
            system=self._pressure,
            latency_window_s=_LATENCY_WINDOW_S,
        )

    def on_deactivated(self) -> None:
        """Write of what was collected since the last summary, by the template: time is short."""
        window = self._collector.flush(only_news=True)
        if window is not None:
            self._write(window)
        if self.params.report_every_h:
            self._write_report(self._report_book.take(self.now_ns()))

    def on_cleaned_up(self) -> None:
        """Another model may be named from now on."""
        self._model_tried = False

    def check_params(self, new: EventSummarizerParams) -> None:
        """Refuse another model while the one in use is configured, and reports without a folder."""
        if self._model_tried and new.model != self.params.model:
            raise ParameterError(
                "parameter 'model' cannot change while the node is configured; clean up first"
            )
        if new.report_every_h and not new.report_folder:
            raise ParameterError("parameter 'report_folder' is needed with report_every_h above 0")

    def health(self) -> Iterable[Health]:
        """The model, and who wrote last and why."""
        if self.params is None:
            return
        if self._why_no_model:
            message = f"{self._why_no_model}; the template writes"
            yield Health(f"model {self.params.model}", HealthLevel.WARN, message)
        elif self.params.model:
            yield model_health(self._host, self.params.model)
        if self._last is not None:
            yield _summary_health(self._last)
        if self._report_fault:
            yield Health("report", HealthLevel.ERROR, self._report_fault)
        if self.active and self._waiting.dropped:
            message = f"{self._waiting.dropped} windows were dropped: writing is too slow"
            yield Health("windows", HealthLevel.WARN, message)
        if self.active and self._ladder is not None and (entry := self._ladder.health()):
            yield entry

    @property
    def _template_step(self) -> bool:
        return self._ladder is not None and "template" in self._ladder.taken

    def _apply_steps(self, taken: tuple[str, ...]) -> None:
        if "template" in taken and self.params.model:
            self._host.unload(self.params.model, _UNLOAD_PATIENCE_S)

    def _try_model(self) -> None:
        """Load it: what is wrong with a file or an option shows only then.

        Without ``preload`` it is unloaded again, and loaded for the first summary.
        """
        manifest = self._host.verify(self.params.model)
        if manifest.task != "generation":
            raise EdgeMmError(
                f"model '{self.params.model}' is for {manifest.task}, generation is needed; "
                "correct the parameter 'model'"
            )
        with model_trial(self._host, self.params.model, keep=self.params.preload):
            self._host.preload(self.params.model)

    def _use_model(self, use: Callable[[], None]) -> None:
        """Use the model; where it cannot be used, say so, and refuse only if it is required."""
        try:
            use()
        except EdgeMmError as error:
            if self.params.require_model:
                raise
            self._why_no_model = str(error)
            self.get_logger().warning(f"the template writes the summaries: {error}")

    def _on_events(self, message: DiagnosticArray) -> None:
        for status in message.status:
            try:
                events = events_from_msg(DiagnosticArray(status=[status]))
            except InvalidInput as fault:  # the other events of the array are good
                self.bad_input(self.resolve_topic_name("safety/events"), fault)
                continue
            for event in events:
                self._report_jump(event.stamp_ns, "safety/events")
                if event.level is SafetyLevel.DANGER and event.phase is EventPhase.STARTED:
                    self._critical_events += 1
                self._report_book.add_event(event)
                self._close(self._collector.add_event(event, self.now_ns()))

    def _on_speech(self, message: LiveSpeech) -> None:
        transcript = transcript_from_msg(message)
        if transcript.is_final:
            self._report_jump(transcript.start_ns, "speech")
            self._report_book.add_transcript(transcript)
            self._close(self._collector.add_transcript(transcript, self.now_ns()))

    def _report_jump(self, stamp_ns: int, topic: str) -> None:
        if back_s := self._collector.jumped_back_s(stamp_ns):
            fault = InvalidInput(
                "stamp_jump",
                f"stamps jumped back by {back_s:.1f} s; what was collected before is summarized "
                "and forgotten; are two clocks or recordings mixed?",
            )
            self.bad_input(self.resolve_topic_name(topic), fault)

    def _close(self, window: EventWindow | None) -> None:
        """Write of a window that a jump of stamps has ended."""
        if window is not None:
            self._waiting.put(window)

    def _on_question(self, message: String) -> None:
        try:
            text = answer(message.data, self._collector.history(), self.now_ns())
        except InvalidInput as fault:
            self._answer.publish(String(data=f"I cannot answer: {fault}."))
            raise
        self._answer.publish(String(data=text))

    def _summarize_if_due(self) -> None:
        window = self._collector.due(self.now_ns(), self.params.window_s, self.params.quiet_s)
        if window is not None:
            self._waiting.put(window)

    def _report_if_due(self) -> None:
        report = self._report_book.due(self.now_ns(), self.params.report_every_h)
        if report is not None:
            self._reports.put(report)

    def _write_report(self, report: Report) -> None:
        try:
            files = write_report(report, Path(self.params.report_folder).expanduser())
        except ReportNotWritten as error:
            self._report_fault = str(error)
            self.get_logger().error(str(error))
        else:
            self._report_fault = ""
            self.get_logger().info(f"report written: {files[-1]}")

    def _write(self, window: EventWindow) -> None:
        params: EventSummarizerParams = self.params
        begin_ns = self.now_ns()
        critical_events = self._critical_events
        summary = self._summary_writer.write(
            window,
            Times(params.times, window.start_ns),
            max_tokens=params.max_tokens,
            deadline_s=params.deadline_s,
            candidates=params.candidates,
            # A critical event has the processor for itself.
            stopped=lambda: (
                self._template_step or not self.active or self._critical_events != critical_events
            ),
            withheld=_STEPPED_DOWN if self._template_step else "",
        )
        self._last = summary
        if self._ladder is not None:
            self._ladder.note_latency_s((self.now_ns() - begin_ns) / NS_PER_S)
        if not summary.reason:  # whatever was wrong with the model is mended
            self._why_no_model = ""
        # Details are for /diagnostics.
        reason = f" because {summary.reason.partition(':')[0]}" if summary.reason else ""
        self._summary.publish(String(data=f"{summary.text}\n[written by {summary.author}{reason}]"))
        self.tell(_summary_health(summary))


def _summary_health(summary: Summary) -> Health:
    values = {
        "author": summary.author,
        "reason": summary.reason,
        "candidates_tried": str(summary.tried),
    }
    values |= {f"rejected_{i}": why for i, why in enumerate(summary.rejected)}
    if summary.reason:
        return Health("summary", HealthLevel.WARN, f"template: {summary.reason}", values)
    return Health("summary", HealthLevel.OK, f"written by {summary.author}", values)


def main() -> None:
    """Run the node as a program."""
    run_node(EventSummarizerNode)
