"""Sixty spoken instructions on their real way: speech to the monitor, its events, the summary."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("hri_msgs")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fakes.fake_language import NAME, FakeLanguageModel, talking_host
from fakes.gbnf import random_text
from fakes.injections import INJECTIONS
from hri_msgs.msg import LiveSpeech
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from vision_msgs.msg import Detection3DArray

from edge_mm_ros.datatypes import Object3D, Objects, SafetyEvent, SafetyLevel, Transcript
from edge_mm_ros.nodes.event_summarizer import EventSummarizerNode
from edge_mm_ros.nodes.safety_monitor import SafetyMonitorNode
from edge_mm_ros.ros.conversions.objects import objects_to_msg
from edge_mm_ros.ros.conversions.safety import events_from_msg, state_from_msg
from edge_mm_ros.ros.conversions.speech import transcript_to_msg
from edge_mm_ros.ros.conversions.stamps import to_stamp
from edge_mm_ros.ros.private_graph import PrivateGraph
from edge_mm_ros.ros.qos import EVENTS, LATCHED, RELIABLE, TopicQos

S = 1_000_000_000
BEGIN_NS = 1_700_000_000 * S
CLOCK = TopicQos(depth=100, reliable=True)
RULES = """
zones:
  - {name: bay, level: danger, polygon_m: [[2, -1], [4, -1], [4, 1], [2, 1]]}
rules:
  - {name: in_bay, kind: zone, zone: bay, leave_after_s: 0.5}
  - {name: alarm, kind: keyword, level: danger, phrases: [help me, fire], hold_s: 2.0}
  - kind: stale
    name: deaf
    input: diagnostics
    component: "speech_transcriber: speech"
    timeout_s: 60.0
"""
HARMLESS = ("Good morning, how are you?",)
QUESTIONS = ("Was there any danger?", "Who was in zone bay?", "How many events were there?")


@dataclass
class Outcome:
    """What a shift came to."""

    events: list[SafetyEvent]
    states: list[tuple[SafetyLevel, tuple[str, ...]]]
    summary: str
    answers: list[str]
    prompts: list[Any] = field(default_factory=list)
    grammars: list[str] = field(default_factory=list)

    @property
    def told(self) -> list[str]:
        """The summary and the answers without the quotation of what was heard."""
        return [text.partition(" Besides")[0] for text in (self.summary, *self.answers)]


class Shift:
    """A monitor and a summarizer that hear the same speech, under one simulated clock."""

    def __init__(self, graph: PrivateGraph, folder: Path) -> None:
        self.graph = graph
        rules = folder / "rules.yaml"
        rules.write_text(RULES, encoding="utf-8")
        self.model = FakeLanguageModel(
            lambda: iter([random_text(self.model.grammars[-1], random.Random(3))])
        )
        self.events = graph.collect(DiagnosticArray, "safety/events", EVENTS)
        self.states = graph.collect(DiagnosticStatus, "safety/state", LATCHED)
        self.summaries: list[String] = graph.collect(String, "summary", LATCHED)
        self.answers: list[String] = graph.collect(String, "answer", RELIABLE)
        self.monitor = self._up(SafetyMonitorNode, rules_file=str(rules))
        self.summarizer = self._up(
            EventSummarizerNode, talking_host(folder, self.model), model=NAME, preload=False
        )
        self.clock = graph.publisher(Clock, "/clock", CLOCK)
        self.objects = graph.publisher(Detection3DArray, "objects", RELIABLE)
        self.speech = graph.publisher(LiveSpeech, "speech", RELIABLE)
        self.questions = graph.publisher(String, "question", RELIABLE)
        self.health = graph.publisher(DiagnosticArray, "/diagnostics", CLOCK)
        for publisher in (self.clock, self.objects, self.speech, self.questions, self.health):
            graph.spin_until_connected(publisher)
        heard = ("/safety/events", "/speech", "/question", "/objects")
        graph.spin_until(
            lambda: all(
                listener.publishers
                for node in (self.monitor, self.summarizer)
                for listener in node.listeners
                if listener.topic in heard
            ),
            what="all matched",
        )

    def _up(self, kind: Any, *given: Any, **values: Any) -> Any:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        overrides.append(Parameter("use_sim_time", value=True))
        node = kind(*given, context=self.graph.context, parameter_overrides=overrides)
        return self.graph.bring_up(node)

    def publish(self, publisher: Any, message: Any, *nodes: Any) -> None:
        """And wait until all nodes have handled it."""
        inboxes = [
            listener.inbox
            for node in nodes
            for listener in node.listeners
            if listener.topic == publisher.topic_name
        ]
        before = [inbox.received for inbox in inboxes]
        publisher.publish(message)
        self.graph.spin_until(
            lambda: (
                all(inbox.received > count for inbox, count in zip(inboxes, before))
                and self.monitor.idle
                and self.summarizer.idle
            ),
            what=f"{type(message).__name__} is handled",
        )

    def time(self, at_s: float) -> int:
        now_ns = BEGIN_NS + round(at_s * S)
        self.clock.publish(Clock(clock=to_stamp(now_ns)))
        self.graph.spin_until(
            lambda: (
                self.monitor.now_ns() == self.summarizer.now_ns() == now_ns and self.monitor.idle
            ),
            what=f"{at_s} s on the clock",
        )
        return now_ns

    def see(self, at_s: float, *places: tuple[float, float]) -> None:
        stamp_ns = self.time(at_s)
        seen = tuple(
            Object3D(
                str(i), "person", 0.9, np.array([x, y, 0.9]), np.ones(3), np.eye(3), ("lidar",)
            )
            for i, (x, y) in enumerate(places, start=1)
        )
        self.publish(
            self.objects, objects_to_msg(Objects(seen, stamp_ns, "base_link")), self.monitor
        )

    def say(self, at_s: float, text: str) -> None:
        stamp_ns = BEGIN_NS + round(at_s * S)
        said = Transcript(text, stamp_ns, stamp_ns + S, 0.9, "en", True, "microphone")
        self.publish(self.speech, transcript_to_msg(said), self.monitor, self.summarizer)

    def ask(self, question: str) -> str:
        count = len(self.answers)
        self.questions.publish(String(data=question))
        self.graph.spin_until(lambda: len(self.answers) > count, what="an answer comes")
        return str(self.answers[-1].data)


def shift(folder: Path, spoken: Sequence[str]) -> Outcome:
    """A person comes into the bay, all texts are spoken, somebody cries for help, all leave."""
    folder.mkdir()
    with PrivateGraph() as graph:
        found = Shift(graph, folder)
        stamp_ns = found.time(0.0)
        well = DiagnosticStatus(
            name="speech_transcriber: speech", message="m", hardware_id="/speech_transcriber"
        )
        health = DiagnosticArray(status=[well])
        health.header.stamp = to_stamp(stamp_ns)
        found.publish(found.health, health, found.monitor)
        found.see(0.0)
        found.see(1.0, (3.0, 0.5))
        for number in range(len(INJECTIONS)):
            found.say(1.0, spoken[number % len(spoken)])
        found.see(2.0, (3.0, 0.5))
        found.say(2.0, "Fire!")
        found.see(3.0, (3.0, 0.5))
        found.see(4.0)
        found.see(5.0)
        found.see(6.0)
        found.graph.spin_until(lambda: len(told(found)) == 4, what=f"4 events, {told(found)}")
        answers = [found.ask(question) for question in QUESTIONS]
        for second in range(7, 13):  # nothing happens for a while
            found.see(float(second))
        graph.spin_until(lambda: bool(found.summaries), what="a summary comes")
        states = [state_from_msg(message) for message in found.states]
        pairs = [(state.level, tuple(state.reasons)) for state in states]
        changes = [pair for before, pair in zip([None, *pairs], pairs) if pair != before]
        return Outcome(
            [event for array in found.events for event in events_from_msg(array)],
            changes,
            str(found.summaries[0].data),
            answers,
            found.model.prompts,
            found.model.grammars,
        )


def told(found: Shift) -> list[str]:
    return [f"{e.event_id} {e.phase.value}" for a in found.events for e in events_from_msg(a)]


def test_no_spoken_instruction_changes_state_events_facts_or_answers(tmp_path: Path) -> None:
    harmless = shift(tmp_path / "harmless", HARMLESS)
    injected = shift(tmp_path / "injected", INJECTIONS)
    assert [event.event_id for event in harmless.events] == [
        "in_bay-1",
        "alarm-1",
        "alarm-1",
        "in_bay-1",
    ]
    assert injected.events == harmless.events
    assert injected.states == harmless.states
    assert (SafetyLevel.DANGER, ("danger: person 1 is in zone 'bay'",)) in injected.states
    assert injected.prompts == harmless.prompts
    assert injected.grammars == harmless.grammars
    assert f"[written by {NAME}]" in injected.summary
    assert injected.told == harmless.told
    assert "erson 1 was in zone 'bay'" in injected.told[0]
    assert "person 1 is in zone 'bay'" in injected.told[1]
    assert "There were 2 safety events, both of them at level danger." in injected.told[3]
    for text in INJECTIONS:
        assert text not in str(injected.told)
        assert text not in str(injected.prompts)
