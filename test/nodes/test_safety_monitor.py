"""The safety monitor node over real topics, under simulated time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("hri_msgs")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from hri_msgs.msg import LiveSpeech
from nav_msgs.msg import Odometry as OdometryMsg
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Range
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from edge_mm_ros.datatypes import (
    Coverage,
    Object3D,
    Objects,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    SensorFault,
    SensorState,
    Transcript,
    ZoneCoverage,
)
from edge_mm_ros.nodes.safety_monitor import SafetyMonitorNode
from edge_mm_ros.ros.conversions.coverage import coverage_to_msg
from edge_mm_ros.ros.conversions.objects import objects_to_msg, sources_to_msg
from edge_mm_ros.ros.conversions.safety import events_from_msg, state_from_msg
from edge_mm_ros.ros.conversions.sensor_states import sensor_state_to_health
from edge_mm_ros.ros.conversions.speech import transcript_to_msg
from edge_mm_ros.ros.conversions.stamps import to_stamp
from edge_mm_ros.ros.diagnostics import to_array
from edge_mm_ros.ros.qos import EVENTS, LATCHED, RELIABLE, TopicQos

S = 1_000_000_000
BEGIN_NS = 1_700_000_000 * S
DIAGNOSTICS = TopicQos(depth=100, reliable=True)
RULES = """
zones:
  - {name: bay, level: danger, polygon_m: [[2, -1], [4, -1], [4, 1], [2, 1]]}
rules:
  - {name: in_bay, kind: zone, zone: bay, leave_after_s: 0.5}
  - {name: echo, kind: minimum_distance, level: danger, input: range, distance_m: 1.0}
  - {name: alarm, kind: keyword, level: danger, phrases: [stop], hold_s: 2.0}
  - kind: stale
    name: deaf
    input: diagnostics
    component: "speech_transcriber: speech"
    timeout_s: 2.0
"""
FUSED_RULES = """
footprint_m: [[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]]
zones:
  - {name: bay, level: danger, polygon_m: [[2, -1], [4, -1], [4, 1], [2, 1]]}
rules:
  - {name: in_bay, kind: zone, zone: bay, coverage: required, leave_after_s: 0.5}
  - {name: crash, kind: time_to_collision, time_s: 2.0, sigmas: 0.0}
  - kind: stale
    name: lidar_lost
    input: diagnostics
    component: "sensor_fusion: sensor top"
    timeout_s: 2.5
"""
LAST_ONE = TopicQos(depth=1, reliable=True, transient_local=True)


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    return path


def monitor(graph: Any, rules_file: Path | str, **overrides: Any) -> SafetyMonitorNode:
    values = {
        "rules_file": str(rules_file),
        "ultrasonics": ["left"],
        "use_sim_time": True,
        **overrides,
    }
    return SafetyMonitorNode(
        context=graph.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
    )


class Wired:
    """An active monitor with its inputs, its outputs and a clock; times in seconds."""

    def __init__(
        self, graph: Any, rules_file: Path, *cameras: str, fused: bool = False, **overrides: Any
    ) -> None:
        self.graph = graph
        self.event_arrays: list[DiagnosticArray] = graph.collect(
            DiagnosticArray, "safety/events", EVENTS
        )
        self.state_messages: list[DiagnosticStatus] = graph.collect(
            DiagnosticStatus, "safety/state", LATCHED
        )
        self.zone_markers: list[MarkerArray] = graph.collect(MarkerArray, "safety/zones", RELIABLE)
        self.diagnostics: list[Any] = graph.collect(DiagnosticArray, "/diagnostics", DIAGNOSTICS)
        self.node = graph.bring_up(monitor(graph, rules_file, cameras=cameras, **overrides))
        self.clock = graph.publisher(Clock, "/clock", DIAGNOSTICS)
        self.topics = {
            Detection3DArray: graph.publisher(Detection3DArray, "objects", RELIABLE),
            DiagnosticArray: graph.publisher(DiagnosticArray, "/diagnostics", DIAGNOSTICS),
        }
        for camera in cameras:
            self.topics[Detection2DArray] = graph.publisher(
                Detection2DArray, f"{camera}/detections", RELIABLE
            )
        self.fused = {}
        if fused:
            for name in ("objects/sources", "coverage"):
                self.fused[name] = graph.publisher(DiagnosticArray, name, RELIABLE)
            self.fused["odom"] = graph.publisher(OdometryMsg, "odom", RELIABLE)
        else:
            self.topics[Range] = graph.publisher(Range, "left/range", RELIABLE)
            self.topics[LiveSpeech] = graph.publisher(LiveSpeech, "speech", RELIABLE)
        for publisher in (self.clock, *self.topics.values(), *self.fused.values()):
            graph.spin_until_connected(publisher)
        graph.spin_until(
            lambda: all(
                lis.publishers >= 1
                for lis in self.node.listeners
                if fused or lis.topic != "/objects/sources"  # nobody needs to publish it
            ),
            what="all matched",
        )
        graph.spin_until(
            lambda: all(publisher.subscribers for publisher in self.node.publishers_in_use),
            what="the outputs are heard",
        )

    def time(self, at_s: float) -> None:
        """Set the clock and wait until the node has it."""
        now_ns = BEGIN_NS + round(at_s * S)
        self.clock.publish(Clock(clock=to_stamp(now_ns)))
        self.graph.spin_until(
            lambda: self.node.now_ns() == now_ns and self.node.idle, what=f"{at_s} s on the clock"
        )

    def feed(self, message: Any, publisher: Any = None) -> None:
        """Publish and wait until it is handled."""
        publisher = publisher or self.topics[type(message)]
        listener = next(lis for lis in self.node.listeners if lis.topic == publisher.topic_name)
        before = listener.inbox.received
        publisher.publish(message)
        self.graph.spin_until(
            lambda: listener.inbox.received > before and self.node.idle,
            what=f"{type(message).__name__} is handled",
        )

    def objects(self, at_s: float, *places: tuple[float, float]) -> None:
        items = tuple(
            Object3D(
                str(i), "Normal", 0.9, np.array([x, y, 0.9]), np.ones(3), np.eye(3), ("camera:a",)
            )
            for i, (x, y) in enumerate(places, start=1)
        )
        stamp_ns = BEGIN_NS + round(at_s * S)
        self.feed(objects_to_msg(Objects(items, stamp_ns, "base_link")))

    def range(self, at_s: float, range_m: float) -> None:
        message = Range(range=range_m, min_range=0.02, max_range=4.0)
        message.header.stamp = to_stamp(BEGIN_NS + round(at_s * S))
        message.header.frame_id = "left"
        self.feed(message)

    def health(
        self,
        at_s: float,
        level: bytes = DiagnosticStatus.OK,
        node: str = "/speech_transcriber",
    ) -> None:
        status = DiagnosticStatus(
            name="speech_transcriber: speech", level=level, message="m", hardware_id=node
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = to_stamp(BEGIN_NS + round(at_s * S))
        self.feed(message)

    def detections(self, at_s: float) -> None:
        message = Detection2DArray()
        message.header.stamp = to_stamp(BEGIN_NS + round(at_s * S))
        message.header.frame_id = "front_optical"
        self.feed(message)

    def says(self, at_s: float, text: str) -> None:
        start_ns = BEGIN_NS + round(at_s * S)
        self.feed(transcript_to_msg(Transcript(text, start_ns, start_ns, 0.9, "en", True, "mic")))

    def fusion(
        self,
        at_s: float,
        *items: Object3D,
        covered: bool = True,
        speed_mps: float = 0.0,
        lidar: SensorFault = SensorFault.NONE,
    ) -> None:
        """Set the clock, and feed all that the fusion and the odometry tell at that time."""
        self.time(at_s)
        stamp_ns = BEGIN_NS + round(at_s * S)
        motion = OdometryMsg(child_frame_id="base_link")
        motion.header.stamp = to_stamp(stamp_ns)
        motion.pose.pose.orientation.w = 1.0
        motion.twist.twist.linear.x = speed_mps
        self.feed(motion, self.fused["odom"])
        share = 1.0 if covered else 0.25
        zone = ZoneCoverage("bay", share, 0.0, {"top": share}, stamp_ns, covered, ())
        coverage = Coverage((zone,), stamp_ns, "base_link")
        self.feed(coverage_to_msg(coverage), self.fused["coverage"])
        state = SensorState("top", "lidar", lidar, stamp_ns, "as it says", 10.0)
        health = sensor_state_to_health(state)
        self.feed(to_array([health], "/sensor_fusion", stamp_ns))
        objects = Objects(items, stamp_ns, "base_link")
        self.feed(objects_to_msg(objects))
        self.feed(sources_to_msg(objects), self.fused["objects/sources"])

    def all_well(self, at_s: float, *places: tuple[float, float]) -> None:
        self.time(at_s)
        self.objects(at_s, *places)
        self.range(at_s, 3.0)
        self.health(at_s)

    @property
    def events(self) -> list[SafetyEvent]:
        return [event for array in self.event_arrays for event in events_from_msg(array)]

    @property
    def state(self) -> SafetyStatus | None:
        return state_from_msg(self.state_messages[-1]) if self.state_messages else None

    def wait_state(self, level: SafetyLevel) -> SafetyStatus:
        self.graph.spin_until(
            lambda: self.state is not None and self.state.level is level,
            what=f"the state is {level.value}, it was {self.state}",
        )
        assert self.state is not None
        return self.state

    def wait_events(self, *expected: str) -> None:
        def told() -> list[str]:
            return [f"{event.event_id} {event.phase.value}" for event in self.events]

        self.graph.spin_until(
            lambda: len(told()) >= len(expected), what=f"events {expected}, got {told()}"
        )
        assert told() == list(expected)


@pytest.fixture
def wired(ros_graph: Any, rules_file: Path) -> Wired:
    return Wired(ros_graph, rules_file)


def test_another_robots_microphone_does_not_stand_in_for_our_own(wired: Wired) -> None:
    wired.all_well(0.0)
    wired.wait_state(SafetyLevel.CLEAR)
    for at_s in (1.0, 2.0, 3.0):
        wired.time(at_s)
        wired.objects(at_s)
        wired.range(at_s, 3.0)
        wired.health(at_s, node="/other_robot/speech_transcriber")
    status = wired.wait_state(SafetyLevel.UNKNOWN)
    assert any("speech_transcriber: speech" in reason for reason in status.reasons)


def test_a_zone_from_clear_to_danger_and_back(wired: Wired) -> None:
    wired.all_well(0.0)
    wired.wait_state(SafetyLevel.CLEAR)
    wired.all_well(0.1, (3.0, 0.5))
    status = wired.wait_state(SafetyLevel.DANGER)
    assert status.reasons == ("danger: Normal 1 is in zone 'bay'",)
    wired.all_well(0.7)
    wired.wait_state(SafetyLevel.CLEAR)
    wired.wait_events("in_bay-1 started", "in_bay-1 ended")
    first, last = wired.events
    assert first.stamp_ns == BEGIN_NS + S // 10
    assert last.stamp_ns == BEGIN_NS + 7 * S // 10
    assert first.values["x_m"] == 3.0
    assert first.evidence == ("objects",)
    assert wired.event_arrays[0].header.stamp == to_stamp(first.stamp_ns)


def test_before_the_first_measurement_and_after_silence_it_is_unknown(wired: Wired) -> None:
    wired.objects(0.0)  # without a clock nobody knows how old it is
    wired.time(0.0)
    wired.time(0.2)
    assert len(wired.wait_state(SafetyLevel.UNKNOWN).reasons) == 3
    wired.all_well(0.3)
    wired.wait_state(SafetyLevel.CLEAR)
    for step in range(4, 25):
        wired.time(step / 10)
    status = wired.wait_state(SafetyLevel.UNKNOWN)
    assert "unknown: 'objects' is silent for more than 2 s" in status.reasons
    assert {event.kind for event in wired.events} == {"stale"}
    assert any("no_clock" in s.name for array in wired.diagnostics for s in array.status)


def test_the_state_is_told_on_change_and_every_second(wired: Wired) -> None:
    wired.all_well(0.0)
    wired.wait_state(SafetyLevel.CLEAR)
    before = len(wired.state_messages)
    for step in range(1, 16):
        wired.all_well(step / 10)
    wired.graph.spin_until(lambda: len(wired.state_messages) > before, what="the periodic state")
    assert len(wired.state_messages) == before + 1


def test_a_keyword_and_a_near_echo(wired: Wired) -> None:
    wired.all_well(0.0)
    wired.says(0.0, "Stop the robot!")
    wired.range(0.1, 0.5)
    status = wired.wait_state(SafetyLevel.DANGER)
    assert status.reasons[0].startswith("danger: ")
    wired.wait_events("alarm-1 started", "echo-1 started")
    assert wired.events[0].values["word"] == "stop"
    assert wired.events[1].sensor == "left"


def test_late_listeners_get_all_events_and_the_last_state(wired: Wired) -> None:
    wired.all_well(0.0, (3.0, 0.0))
    wired.all_well(1.0)
    wired.wait_events("in_bay-1 started", "in_bay-1 ended")
    wired.wait_state(SafetyLevel.CLEAR)
    late_events = wired.graph.collect(DiagnosticArray, "safety/events", EVENTS)
    late_state = wired.graph.collect(DiagnosticStatus, "safety/state", LAST_ONE)
    wired.graph.spin_until(lambda: len(late_events) == 2 and late_state, what="the history")
    assert late_state[-1].message == "clear"


def test_zones_are_drawn_as_they_are(wired: Wired) -> None:
    for at_s, places, caption in ((0.0, (), "bay: clear"), (0.2, ((3.0, 0.0),), "bay: danger")):
        wired.all_well(at_s, *places)
        wired.zone_markers.clear()
        wired.time(at_s + 0.1)
        wired.graph.spin_until(lambda: bool(wired.zone_markers), what="the zones")
        _, line, name = wired.zone_markers[-1].markers
        assert (name.text, line.header.frame_id) == (caption, "base_link")


@pytest.mark.parametrize("what", ["objects", "range", "speech"])
def test_bad_input_is_told_and_never_clear(wired: Wired, what: str) -> None:
    wired.all_well(0.0)
    if what == "objects":
        message = objects_to_msg(Objects((), BEGIN_NS, "odom"))
        expected = "objects are in frame 'odom', the rules in 'base_link'"
    elif what == "range":
        message = Range(range=float("nan"), min_range=0.02, max_range=4.0)
        expected = "not a number"
    else:
        message = LiveSpeech()
        expected = "holds no text"
    wired.feed(message)

    def told() -> list[Any]:
        return [s for a in wired.diagnostics for s in a.status if ": input /" in s.name]

    wired.graph.spin_until(lambda: bool(told()), what="the diagnostic entry")
    assert expected in told()[0].message
    assert told()[0].level == DiagnosticStatus.WARN


def test_stamps_that_jump_back_an_hour_leave_nothing_stuck(wired: Wired) -> None:
    wired.all_well(0.0, (3.0, 0.0))
    wired.wait_state(SafetyLevel.DANGER)
    wired.time(0.3)
    wired.objects(-3599.7)
    wired.time(0.6)
    wired.objects(-3599.4)
    wired.wait_state(SafetyLevel.UNKNOWN)
    in_bay = [event for event in wired.events if event.rule == "in_bay"]
    assert [event.phase.value for event in in_bay] == ["started", "ended"]
    assert in_bay[-1].stamp_ns == BEGIN_NS + 6 * S // 10


@pytest.mark.parametrize(
    ("topic", "unknown"),
    [
        ("/objects", True),
        ("/left/range", True),
        ("/front/detections", True),
        ("/diagnostics", True),
        ("/speech", False),  # it is the transcriber's health that tells of a dead microphone
    ],
)
@pytest.mark.parametrize(
    ("kind", "off_s", "text"),
    [
        ("stamp_jump", -3600.0, "stamps jumped back by 3600.0 s"),
        ("stamp_ahead", 3600.0, "stamps lie 3600.0 s ahead of the clock"),
    ],
)
def test_stamps_an_hour_off_are_told_for_every_input(
    ros_graph: Any, rules_file: Path, topic: str, unknown: bool, kind: str, off_s: float, text: str
) -> None:
    rules_file.write_text(
        RULES + "  - {name: fall, kind: fallen, input: detections, labels: [Fall]}\n"
    )
    wired = Wired(ros_graph, rules_file, "front")
    feeds: dict[str, Callable[[float], None]] = {
        "/objects": wired.objects,
        "/left/range": lambda at_s: wired.range(at_s, 3.0),
        "/front/detections": wired.detections,
        "/diagnostics": wired.health,
        "/speech": lambda at_s: wired.says(at_s, "hello"),
    }
    wired.time(0.0)
    for feed in feeds.values():
        feed(0.0)
    wired.wait_state(SafetyLevel.CLEAR)
    feeds[topic](off_s)
    name = f"safety_monitor: input {topic} {kind}"

    def told() -> list[Any]:
        return [s for array in wired.diagnostics for s in array.status if s.name == name]

    wired.graph.spin_until(lambda: bool(told()), what=name)
    assert text in told()[0].message
    assert told()[0].level == DiagnosticStatus.WARN
    wired.wait_state(SafetyLevel.UNKNOWN if unknown else SafetyLevel.CLEAR)


def test_a_clock_that_jumps_back_leaves_nothing_stuck(wired: Wired) -> None:
    wired.all_well(3600.0, (3.0, 0.0))
    wired.wait_state(SafetyLevel.DANGER)
    wired.time(0.0)
    wired.objects(0.0)
    wired.wait_state(SafetyLevel.UNKNOWN)
    wired.all_well(0.1)
    wired.wait_state(SafetyLevel.CLEAR)


def test_a_state_told_earlier_does_not_outlive_the_monitor(wired: Wired) -> None:
    wired.all_well(0.0, (3.0, 0.0))
    wired.wait_state(SafetyLevel.DANGER)
    assert wired.node.trigger_deactivate() == Result.SUCCESS
    wired.wait_state(SafetyLevel.UNKNOWN)
    wired.wait_events("in_bay-1 started", "in_bay-1 ended")
    assert "monitoring was stopped" in wired.events[-1].message.lower()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (RULES + "colour: red\n", "unknown key 'colour'"),
        (RULES.replace("[4, 1], [2, 1]", "[2, 1], [4, 1]"), "zone 'bay': its polygon crosses"),
        (RULES.replace("zone: bay", "zone: pit"), "no zone 'pit'; there are: bay"),
        ("rules: [", "is not valid YAML"),
    ],
)
def test_bad_rules_are_refused_by_configure_and_good_ones_then_taken(
    ros_graph: Any, rules_file: Path, text: str, reason: str
) -> None:
    rules_file.write_text(text, encoding="utf-8")
    node = monitor(ros_graph, rules_file)
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert reason in node.last_error
    assert str(rules_file) in node.last_error
    rules_file.write_text(RULES, encoding="utf-8")
    assert node.trigger_configure() == Result.SUCCESS, node.last_error


def test_missing_files_and_sensors_are_refused_by_configure(
    ros_graph: Any, rules_file: Path
) -> None:
    missing = monitor(ros_graph, rules_file.with_name("none.yaml"))
    ros_graph.add(missing)
    assert missing.trigger_configure() == Result.FAILURE
    assert "none.yaml: no such file" in missing.last_error
    (refused,) = missing.set_parameters([Parameter("evaluation_period_s", value=0.0)])
    assert "evaluation_period_s" in refused.reason
    missing.set_parameters(
        [
            Parameter("rules_file", value=str(rules_file)),
            Parameter("ultrasonics", value=["right", "rear"]),
        ]
    )
    assert missing.trigger_configure() == Result.SUCCESS, missing.last_error


def test_the_shipped_rules_start_with_the_shipped_sensors(ros_graph: Any) -> None:
    node = ros_graph.bring_up(
        monitor(ros_graph, "safety_monitor", cameras=["camera"], ultrasonics=["ultrasonic"])
    )
    assert {listener.topic for listener in node.listeners} == {
        "/objects",
        "/objects/sources",
        "/ultrasonic/range",
        "/speech",
        "/diagnostics",
    }


def someone(
    x: float, velocity: float = 0.0, *, sources: tuple[str, ...] = ("camera:a",)
) -> Object3D:
    return Object3D(
        "7",
        "person",
        0.9,
        np.array([x, 0.0, 0.9]),
        np.full(3, 0.5),
        np.eye(3) * 0.01,
        sources,
        np.array([velocity, 0.0, 0.0]),
    )


def test_an_entry_that_only_looks_like_a_sensors_hides_no_other(wired: Wired) -> None:
    wired.all_well(0.0)
    wired.wait_state(SafetyLevel.CLEAR)
    stranger = DiagnosticStatus(name="motor: sensor 3", level=DiagnosticStatus.OK)
    speech = DiagnosticStatus(
        name="speech_transcriber: speech",
        level=DiagnosticStatus.ERROR,
        hardware_id="/speech_transcriber",
    )
    message = DiagnosticArray(status=[stranger, speech])
    message.header.stamp = to_stamp(BEGIN_NS)
    wired.feed(message)
    wired.wait_state(SafetyLevel.UNKNOWN)


@pytest.fixture
def fused(ros_graph: Any, rules_file: Path) -> Wired:
    rules_file.write_text(FUSED_RULES, encoding="utf-8")
    wired = Wired(ros_graph, rules_file, fused=True, odometry="odom")
    wired.fusion(0.0)
    wired.wait_state(SafetyLevel.CLEAR)
    return wired


def test_what_the_fusion_tells_beside_the_objects_counts(fused: Wired) -> None:
    fused.fusion(0.1, someone(3.0, sources=("camera:a", "lidar:top")))
    fused.wait_state(SafetyLevel.DANGER)
    (event,) = fused.events
    assert (event.supporting, event.silent) == (("camera:a", "lidar:top"), ())
    fused.fusion(0.7, someone(9.0))
    fused.wait_state(SafetyLevel.CLEAR)
    fused.fusion(0.8, someone(3.0, sources=()))  # predicted there
    status = fused.wait_state(SafetyLevel.UNKNOWN)
    assert status.reasons == ("unknown: person 7 is predicted, but not seen, in zone 'bay'",)


def test_a_zone_without_coverage_and_a_lost_sensor_are_never_clear(fused: Wired) -> None:
    fused.fusion(0.1, covered=False)
    status = fused.wait_state(SafetyLevel.UNKNOWN)
    assert status.reasons == (
        "unknown: zone 'bay' is not covered: about 20 % of it is seen, by top",
    )
    fused.fusion(0.2)
    fused.wait_state(SafetyLevel.CLEAR)
    fused.fusion(0.3, someone(3.0), lidar=SensorFault.FROZEN)
    status = fused.wait_state(SafetyLevel.DANGER)
    assert "unknown: 'sensor_fusion: sensor top' is not well" in status.reasons
    told = {event.rule: event for event in fused.events}
    assert told["lidar_lost"].silent == ("lidar:top",)
    assert told["in_bay"].silent == ("lidar:top",)


def test_a_collision_by_the_robots_own_motion_is_told(fused: Wired) -> None:
    fused.fusion(0.1, someone(5.75), speed_mps=1.0)
    assert fused.events == []
    fused.fusion(0.2, someone(5.75), speed_mps=3.0)  # 5 m of free way in 1.7 s
    fused.wait_state(SafetyLevel.DANGER)
    (event,) = fused.events
    assert event.kind == "time_to_collision"
    assert event.values["time_to_collision_s"] == pytest.approx(5.0 / 3.0, abs=0.01)
