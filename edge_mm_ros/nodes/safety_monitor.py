"""The node ``safety_monitor``: objects, coverage, speech and health in, events and state out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from hri_msgs.msg import LiveSpeech
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Range
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from edge_mm_ros.datatypes import Health, HealthLevel, InvalidInput, SafetyEvent, SafetyLevel
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params import load_yaml
from edge_mm_ros.params.safety_monitor import SafetyMonitorParams
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.params.share import find_config
from edge_mm_ros.pipelines.monitoring import SafetyMonitor, Source, SourcesTold
from edge_mm_ros.ros.conversions.coverage import coverage_from_msg
from edge_mm_ros.ros.conversions.detections import detections_from_msg
from edge_mm_ros.ros.conversions.object_sources import sources_from_msg
from edge_mm_ros.ros.conversions.objects import objects_from_msg
from edge_mm_ros.ros.conversions.odometry import odometry_from_msg
from edge_mm_ros.ros.conversions.ranges import reading_from_msg
from edge_mm_ros.ros.conversions.safety import events_to_msg, state_to_msg
from edge_mm_ros.ros.conversions.sensor_states import sensor_state_from_status
from edge_mm_ros.ros.conversions.speech import transcript_from_msg
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.conversions.zone_markers import zones_to_msg
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import DIAGNOSTICS, EVENTS, LATCHED, RELIABLE, SENSOR
from edge_mm_ros.ros.topics import Listener
from edge_mm_ros.ros.work_queue import latest_only, lossless

_LEVELS = {
    SafetyLevel.CLEAR: HealthLevel.OK,
    SafetyLevel.CAUTION: HealthLevel.WARN,
    SafetyLevel.DANGER: HealthLevel.ERROR,
    SafetyLevel.UNKNOWN: HealthLevel.STALE,
}


class SafetyMonitorNode(EdgeNode):
    """Publishes ``safety/events``, ``safety/state`` and ``safety/zones`` after a file's rules."""

    params_type = SafetyMonitorParams

    def __init__(self, host: object = None, name: str = "safety_monitor", **options: Any) -> None:
        self._monitor: SafetyMonitor | None = None
        self._sources: Listener | None = None
        self._told: tuple[SafetyLevel, tuple[str, ...]] | None = None
        self._told_ns = 0
        self._events_told = 0
        super().__init__(name, **options)

    def on_configured(self) -> None:
        """Read and check the rules, and make the publishers."""
        self._monitor = self._make_monitor()
        self._events = self.advertise(DiagnosticArray, "safety/events", EVENTS)
        self._state = self.advertise(DiagnosticStatus, "safety/state", LATCHED)
        self._zones = self.advertise(MarkerArray, "safety/zones", RELIABLE)

    def on_activated(self) -> None:
        """Begin anew, with the rules as they are now, and listen to what they need."""
        self._monitor = self._make_monitor()
        self._sources = None
        self._told = None
        self._events_told = 0
        for source in self._monitor.sources:
            self._listen_to(source)
        self.every(self.params.evaluation_period_s, self._on_tick)
        self._tell([])  # unknown, from the first moment

    def on_deactivated(self) -> None:
        """End what goes on; a state told earlier must not stand as if it still held."""
        if self._monitor is not None and self._told is not None:
            self._tell(self._monitor.stop(self.now_ns()))

    def on_cleaned_up(self) -> None:
        """Forget the rules."""
        self._monitor = None

    def health(self) -> Iterable[Health]:
        """The state of safety."""
        if self._told is not None and self.active:
            level, reasons = self._told
            values = {f"reason_{i}": reason for i, reason in enumerate(reasons)}
            values["events"] = str(self._events_told)
            yield Health("safety", _LEVELS[level], level.value, values)

    def _make_monitor(self) -> SafetyMonitor:
        params: SafetyMonitorParams = self.params
        rules = load_yaml(SafetyRules, find_config("rules", params.rules_file))
        return SafetyMonitor(
            rules,
            params.cameras,
            params.ultrasonics,
            self._on_notice,
            odometry=params.odometry,
        )

    def _listen_to(self, source: Source) -> None:
        wiring: dict[str, tuple[type, Any, Any]] = {
            "objects": (Detection3DArray, self._on_objects, RELIABLE),
            "sources": (DiagnosticArray, self._on_sources, RELIABLE),
            "coverage": (DiagnosticArray, self._on_coverage, RELIABLE),
            "odometry": (Odometry, self._on_odometry, SENSOR),
            "detections": (Detection2DArray, partial(self._on_detections, source.sensor), RELIABLE),
            "range": (Range, partial(self._on_range, source.sensor), SENSOR),
            "speech": (LiveSpeech, self._on_speech, RELIABLE),
            "diagnostics": (DiagnosticArray, self._on_diagnostics, DIAGNOSTICS),
        }
        msg_type, handler, qos = wiring[source.input]
        # Of the robot's own motion the newest counts; nothing else may be lost.
        queue = latest_only() if source.input == "odometry" else lossless()
        self.listen(msg_type, source.topic, handler, qos=qos, queue=queue)
        if source.input == "sources":
            self._sources = self.listeners[-1]

    def _on_objects(self, message: Detection3DArray) -> None:
        assert self._monitor is not None
        apart = self._sources is not None and self._sources.publishers > 0
        told = SourcesTold.APART if apart else SourcesTold.NEVER
        objects = objects_from_msg(message)
        self._tell(self._monitor.hear_objects(objects, self._clock_ns(), told))

    def _on_sources(self, message: DiagnosticArray) -> None:
        assert self._monitor is not None
        self._tell(self._monitor.hear_sources(sources_from_msg(message), self._clock_ns()))

    def _on_coverage(self, message: DiagnosticArray) -> None:
        assert self._monitor is not None
        self._tell(self._monitor.hear_coverage(coverage_from_msg(message), self._clock_ns()))

    def _on_odometry(self, message: Odometry) -> None:
        assert self._monitor is not None
        self._tell(self._monitor.hear_odometry(odometry_from_msg(message), self._clock_ns()))

    def _on_detections(self, camera: str, message: Detection2DArray) -> None:
        assert self._monitor is not None
        detections = detections_from_msg(message)
        self._tell(self._monitor.hear_detections(camera, detections, self._clock_ns()))

    def _on_range(self, sensor: str, message: Range) -> None:
        assert self._monitor is not None
        self._tell(self._monitor.hear_range(sensor, reading_from_msg(message), self._clock_ns()))

    def _on_speech(self, message: LiveSpeech) -> None:
        assert self._monitor is not None
        self._tell(self._monitor.hear_transcript(transcript_from_msg(message), self._clock_ns()))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        assert self._monitor is not None
        if not self.arrived_ns():  # every node tells its health, also before simulated time starts
            return
        ours = [one for one in message.status if not self._is_of_another_robot(one.hardware_id)]
        entries = [
            Health(one.name, HealthLevel(min(one.level[0], HealthLevel.STALE)), one.message)
            for one in ours
        ]
        for one in ours:
            self._note_sensor(one)
        stamp_ns = to_ns(message.header.stamp)
        self._tell(self._monitor.hear_health(entries, stamp_ns, self.arrived_ns()))

    def _note_sensor(self, status: DiagnosticStatus) -> None:
        """Take what an entry tells of a sensor; one that is spoilt must not hide the others."""
        assert self._monitor is not None
        try:
            state = sensor_state_from_status(status)
        except InvalidInput as error:
            self.bad_input("/diagnostics", error)
            return
        if state is not None:
            self._monitor.hear_sensor(state)

    def _is_of_another_robot(self, hardware_id: str) -> bool:
        """Whether a node of another namespace speaks; others' hardware ids name no node."""
        namespace, slash, _ = hardware_id.rpartition("/")
        return bool(slash) and hardware_id[0] == "/" and (namespace or "/") != self.get_namespace()

    def _on_tick(self) -> None:
        assert self._monitor is not None
        if now_ns := self.arrived_ns():
            self._tell(self._monitor.tick(now_ns))
            if self._zones.subscribers:
                zones = self._monitor.zones(now_ns)
                frame_id = self._monitor.rules.robot_frame
                self._zones.publish(zones_to_msg(zones, frame_id, now_ns))

    def _clock_ns(self) -> int:
        """When it came; silence cannot be told from a clock that stands at 0."""
        now_ns = self.arrived_ns()
        if not now_ns:
            raise InvalidInput("no_clock", "left out, as simulated time has not started: no /clock")
        return now_ns

    def _tell(self, events: Sequence[SafetyEvent]) -> None:
        """Publish events, and the state where it has changed or its period has passed."""
        assert self._monitor is not None
        now_ns = self.arrived_ns()
        if events:
            self._events_told += len(events)
            self._events.publish(events_to_msg(events, events[-1].stamp_ns))
        status = self._monitor.status(now_ns)
        changed = self._told != (status.level, status.reasons)
        period_ns = self.params.state_period_s * 1e9
        if changed or now_ns < self._told_ns or now_ns - self._told_ns >= period_ns:
            self._told = (status.level, status.reasons)
            self._told_ns = now_ns
            self._state.publish(state_to_msg(status))

    def _on_notice(self, topic: str, fault: InvalidInput) -> None:
        self.bad_input(topic if topic == "clock" else self.resolve_topic_name(topic), fault)


def main() -> None:
    """Run the node as a program."""
    run_node(SafetyMonitorNode)
