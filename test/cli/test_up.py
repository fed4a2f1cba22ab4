"""`edge-mm up`: the safety monitor in its real processes, fed with the sample over DDS."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from helpers.processes import LifecyclePeer, Program
from hri_msgs.msg import LiveSpeech
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from edge_mm_ros.params.share import sample_recording
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.conversions.safety import events_from_msg
from edge_mm_ros.ros.conversions.stamps import to_stamp
from edge_mm_ros.ros.messages import message_class
from edge_mm_ros.ros.qos import EVENTS, LATCHED, RELIABLE

pytestmark = pytest.mark.timeout(300)

NODES = (
    "/object_detector",
    "/sensor_fusion",
    "/safety_monitor",
    "/speech_transcriber",
    "/event_summarizer",
)
CLOCK_PERIOD_S = 0.02


def play(graph: Any, bag: BagReader, done: Callable[[], bool]) -> None:
    """Publish a recording in real time with its clock, as a robot does, until `done` or its end."""
    clock = graph.publisher(Clock, "/clock", RELIABLE)
    publishers = {
        topic: graph.publisher(message_class(msg_type), topic, EVENTS)
        for topic, msg_type in bag.topics.items()
    }
    for publisher in publishers.values():
        graph.spin_until_connected(publisher)
    begin_s = time.monotonic()
    for message in bag:
        while (
            now_ns := bag.start_ns + round((time.monotonic() - begin_s) * 1e9)
        ) < message.stamp_ns:
            clock.publish(Clock(clock=to_stamp(now_ns)))
            until_s = time.monotonic() + min(CLOCK_PERIOD_S, (message.stamp_ns - now_ns) / 1e9)
            while (left_s := until_s - time.monotonic()) > 0:
                graph.executor.spin_once(timeout_sec=left_s)
        publishers[message.topic].publish(message.cdr)
        if done():
            return


def test_the_sample_raises_its_events_across_processes_and_all_stops_within_3_s(
    ros_graph: Any,
) -> None:
    heard = ros_graph.collect(DiagnosticArray, "/safety/events", EVENTS)
    speech = ros_graph.collect(LiveSpeech, "/speech", RELIABLE)
    summaries = ros_graph.collect(String, "/summary", LATCHED)
    peer = LifecyclePeer(ros_graph)

    def rules() -> set[str]:
        return {event.rule for message in heard for event in events_from_msg(message)}

    with Program(ros_graph, "edge_mm_ros.cli.main", "up", "safety_monitor", "--use-sim-time") as up:
        for node in NODES:
            peer.wait_for(node, "active")
        play(
            ros_graph,
            BagReader(sample_recording()),
            lambda: {"person_in_work_area", "spoken_alarm"} <= rules() and bool(summaries),
        )
        ros_graph.spin_until(
            lambda: {"person_in_work_area", "spoken_alarm"} <= rules(), what="both events"
        )
        status, took_s, output = up.stop(signal.SIGINT)
    assert [said.final.lower().strip(" .!") for said in speech if said.final] == [
        "stop the robot, somebody fell down"
    ]
    assert status == 0, output
    assert took_s < 3.0
