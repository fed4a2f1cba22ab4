"""Answers and alarms in, speech out: what is said, when it is cut, and what is told."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("audio_common_msgs")

from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fakes.fake_sounddevice import FakeSoundDevice
from fakes.happenings import START, S, event, fall
from fakes.speech_engines import RATE, ScriptedEngine, tone
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, String

from edge_mm_ros.datatypes import SafetyEvent
from edge_mm_ros.nodes.speech_synthesizer import SpeechSynthesizerNode
from edge_mm_ros.pipelines.synthesis import EngineFailed
from edge_mm_ros.ros.conversions.audio import format_from_info
from edge_mm_ros.ros.conversions.safety import events_to_msg
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.qos import AUDIO, EVENTS, LATCHED, RELIABLE

STEP_NS = S // 20
ANSWER, ALARM = 1000, 2000  # levels by which a test knows whose sound it is


def speaks(answer_s: float = 5.0, alarm_s: float = 1.0) -> ScriptedEngine:
    return ScriptedEngine(
        lambda text: [tone(alarm_s, ALARM) if "fallen" in text else tone(answer_s, ANSWER)]
    )


class Scene:
    """A synthesizer, what it hears, and who hears it; its clock stands still."""

    def __init__(
        self,
        graph: Any,
        monkeypatch: pytest.MonkeyPatch,
        engine: ScriptedEngine | None = None,
        **overrides: Any,
    ) -> None:
        self.graph = graph
        self.now_ns = START + 5 * S
        self.engine = engine
        self.answers = graph.publisher(String, "answer", RELIABLE)
        self.summaries = graph.publisher(String, "summary", LATCHED)
        self.events = graph.publisher(DiagnosticArray, "safety/events", EVENTS)
        self.audio: list[AudioDataStamped] = graph.collect(AudioDataStamped, "speech_audio", AUDIO)
        self.infos: list[AudioInfo] = graph.collect(AudioInfo, "speech_audio_info", LATCHED)
        self.speaking: list[Bool] = graph.collect(Bool, "speaking", LATCHED)
        self.diagnostics = graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
        overrides = {"play": False, "publish_audio": True} | overrides
        self.node = SpeechSynthesizerNode(
            engines=None if engine is None else [engine],
            context=graph.context,
            parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()],
        )
        monkeypatch.setattr(self.node, "now_ns", lambda: self.now_ns)
        graph.bring_up(self.node)
        for publisher in (self.answers, self.summaries, self.events):
            graph.spin_until_connected(publisher)
        for sender in self.node.publishers_in_use:
            graph.spin_until(lambda sender=sender: sender.subscribers > 0)

    def say(self, publisher: Any, message: Any) -> None:
        place = (self.events, self.answers, self.summaries).index(publisher)
        inbox = self.node.listeners[place].inbox
        received = inbox.received
        publisher.publish(message)
        self.graph.spin_until(lambda: inbox.received > received and self.node.idle)

    def ask(self, text: str) -> None:
        self.say(self.answers, String(data=text))

    def happen(self, *events: SafetyEvent) -> None:
        self.say(self.events, events_to_msg(events, self.now_ns))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * S / STEP_NS)):
            self.now_ns += STEP_NS
            self.node._rendered.put(None)  # a step now, and not at the timer's next tick
            self.graph.spin_until(lambda: self.node.idle)
        self.settle()

    def settle(self) -> None:
        heard = {"/speaking": self.speaking, "/speech_audio": self.audio}
        for sender in self.node.publishers_in_use:
            if sender.topic in heard:
                self.graph.spin_until(lambda s=sender: len(heard[s.topic]) == s.sent)

    def sound(self, level: int) -> tuple[float, float]:
        """From when to when sound of a level is heard, in seconds from now on."""
        found = [
            (to_ns(message.header.stamp), np.frombuffer(bytes(message.audio.data), "<i2"))
            for message in self.audio
        ]
        mine = [(stamp, samples) for stamp, samples in found if samples[0] == level]
        (first, _), (last, samples) = mine[0], mine[-1]
        return (first - self.now_ns) / S, (last - self.now_ns) / S + len(samples) / RATE

    def told(self, name: str) -> list[str]:
        return [
            status.message
            for array in self.diagnostics
            for status in array.status
            if status.name == f"speech_synthesizer: {name}"
        ]

    def wait_told(self, name: str, text: str = "") -> None:
        self.graph.spin_until(lambda: any(text in line for line in self.told(name)), what=name)

    def health(self, name: str) -> tuple[bytes, str]:
        (entry,) = [entry for entry in self.node.health() if entry.name == name]
        return bytes([entry.level]), entry.message


def test_an_answer_becomes_sound_and_speaking_lasts_as_long(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks(answer_s=1.0))
    begin_ns = scene.now_ns
    scene.ask("A person was near the press, 1.5 m away.")
    scene.run(0.8)
    assert [message.data for message in scene.speaking] == [False, True]
    scene.run(0.5)
    assert [message.data for message in scene.speaking] == [False, True, False]
    assert scene.engine.texts == ["A person was near the press, 1.5 metres away."]
    assert sum(len(message.audio.data) for message in scene.audio) == 2 * RATE
    assert to_ns(scene.audio[0].header.stamp) == begin_ns
    assert scene.audio[0].header.frame_id == "loudspeaker"
    form = format_from_info(scene.infos[0])
    assert (form.sample_rate_hz, form.channels, form.sample_format) == (RATE, 1, "S16LE")
    assert scene.health("speech") == (DiagnosticStatus.OK, "quiet")


def test_who_comes_late_knows_whether_it_speaks(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks())
    scene.ask("A long answer.")
    scene.run(0.2)
    late: list[Bool] = ros_graph.collect(Bool, "speaking", LATCHED)
    ros_graph.spin_until(lambda: bool(late) and late[-1].data)


def test_a_critical_alarm_cuts_a_running_answer_within_a_fifth_of_a_second(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks())
    scene.ask("A long answer.")
    scene.run(1.0)
    scene.happen(fall())
    assert scene.engine.renderings[0].stopped.is_set()
    scene.settle()
    assert scene.sound(ANSWER)[1] <= 0.2
    came_ns = scene.now_ns
    scene.run(0.5)
    assert scene.sound(ALARM)[0] + (scene.now_ns - came_ns) / S <= 0.2
    assert scene.engine.texts[:2] == ["A long answer.", "Person 7 has fallen, 2.1 metres away."]
    # Never not speaking in between, so that nobody listens to the robot's own voice.
    assert [message.data for message in scene.speaking] == [False, True]
    scene.run(1.0)
    assert scene.engine.texts[2:] == ["A long answer."]


def test_the_same_event_is_said_once_however_often_it_is_told(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks(alarm_s=0.1))
    for _ in range(20):
        scene.happen(fall())
        scene.run(0.1)
    assert len(scene.engine.texts) == 1


def test_what_is_over_before_it_was_said_is_not_said(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks(alarm_s=1.0))
    scene.happen(fall(), event("a", at_s=5.0, message="A."), event("b", at_s=5.0, message="B."))
    scene.happen(event("a", phase="ended", at_s=5.1, message="A is over."))
    scene.run(7.0)
    assert scene.engine.texts == ["Person 7 has fallen, 2.1 metres away.", "B."]


def test_old_events_as_a_late_subscriber_gets_them_are_not_said(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks())
    scene.now_ns += 60 * S
    scene.happen(fall())
    assert scene.engine.texts == []
    scene.happen(event("late", at_s=20.0))
    scene.wait_told("input /safety/events late", "clocks")
    assert scene.engine.texts == []


def test_summaries_are_said_where_they_are_wished_for(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = String(data="Nobody was near.\n[written by template because there is no model]")
    scene = Scene(ros_graph, monkeypatch, speaks(answer_s=0.1))
    scene.say(scene.summaries, text)
    scene.node.set_parameters([Parameter("speak_summaries", value=True)])
    scene.say(scene.summaries, text)
    scene.run(0.3)
    assert scene.engine.texts == ["Nobody was near."]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", "empty", None),
        ("\0\0\0", "empty", None),  # as ROS ends texts at the first
        ("?!", "nothing_to_say", None),
        ("The press is clear. " * 5000, "too_long", 499),
        ("что случилось?", "script", 14),
    ],
    ids=["empty", "NUL", "no word", "100 kB", "another script"],
)
def test_odd_texts_are_told_and_what_can_be_said_is_said(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch, text: str, kind: str, said: int | None
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks(answer_s=0.1))
    scene.ask(text)
    scene.wait_told(f"input /answer {kind}")
    assert [len(text) for text in scene.engine.texts] == ([] if said is None else [said])
    scene.run(0.3)
    scene.ask("And then?")
    assert scene.engine.texts[-1] == "And then?"


def test_a_flood_of_answers_is_bounded_and_told(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks(), queue_size=3)
    for number in range(30):
        scene.ask(f"Answer {number}.")
    assert scene.health("speech") == (
        DiagnosticStatus.WARN,
        "26 texts were not said: there are too many",
    )
    scene.happen(fall())
    scene.run(0.2)
    assert scene.engine.texts == ["Answer 0.", "Person 7 has fallen, 2.1 metres away."]


def test_events_that_cannot_be_read_are_told_and_the_others_said(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, speaks())
    array = events_to_msg([fall()], START)
    array.status = [DiagnosticStatus(name="odd"), *array.status]
    scene.say(scene.events, array)
    scene.wait_told("input /safety/events safety_event")
    assert scene.engine.texts == ["Person 7 has fallen, 2.1 metres away."]


def test_a_program_that_fails_is_told_and_the_next_text_is_tried_again(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(lambda _: [EngineFailed("the program broke; install it anew")])
    scene = Scene(ros_graph, monkeypatch, engine)
    scene.ask("One.")
    scene.wait_told("input speech program failed", "the program broke; install it anew")
    assert scene.health("engine scripted")[0] == DiagnosticStatus.ERROR
    engine.script = lambda _: [tone(0.2, ANSWER)]
    scene.ask("Two.")
    scene.run(0.5)
    assert engine.texts == ["One.", "Two."]
    assert scene.health("engine scripted") == (DiagnosticStatus.OK, "ready")
    assert [message.data for message in scene.speaking] == [False, True, False]


def test_without_any_program_it_says_so_and_works_once_there_is_one(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = speaks(answer_s=0.1)
    engine.trouble = "espeak-ng is not installed; install it with: apt install espeak-ng"
    scene = Scene(ros_graph, monkeypatch, engine)
    scene.ask("One.")
    scene.wait_told("engine scripted", "apt install espeak-ng")
    scene.wait_told("input speech program failed", "not spoken: espeak-ng is not installed")
    engine.trouble = ""
    scene.ask("Two.")
    assert engine.texts == ["Two."]


def test_deactivation_ends_a_program_that_hangs_and_says_that_it_is_silent(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(lambda _: [tone(0.5), threading.Event()])
    scene = Scene(ros_graph, monkeypatch, engine)
    scene.answers.publish(String(data="One."))
    scene.graph.spin_until(lambda: len(scene.audio) > 0)
    begin_s = time.monotonic()
    assert scene.node.trigger_deactivate() == Result.SUCCESS
    assert time.monotonic() - begin_s < 5.0  # it does not wait for the program
    assert engine.renderings[0].stopped.is_set()
    assert engine.closed == 1
    scene.settle()
    assert [message.data for message in scene.speaking] == [False, True, False]


class Card:
    """The driver of a fake sound card, which asks for sound as time goes by."""

    def __init__(self, scene: Scene, cards: FakeSoundDevice) -> None:
        self.scene = scene
        self.cards = cards
        self.heard: list[np.ndarray] = []

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * S / STEP_NS)):
            self.scene.run(STEP_NS / S)
            for stream in self.cards.streams:
                if stream.active:
                    self.heard.append(stream.ask(RATE * STEP_NS // S))

    def samples(self) -> np.ndarray:
        return np.concatenate(self.heard)


def test_it_plays_on_the_sound_card_and_an_alarm_cuts_at_once(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = FakeSoundDevice(rates=(RATE,)).install(monkeypatch)
    scene = Scene(ros_graph, monkeypatch, speaks(), play=True, publish_audio=False)
    card = Card(scene, cards)
    scene.ask("A long answer.")
    card.run(1.0)
    assert (card.samples() == ANSWER).sum() >= 0.9 * RATE
    card.heard.clear()
    scene.happen(fall())
    card.run(1.0)
    assert (card.samples() == ANSWER).sum() == 0
    assert (card.samples() == ALARM).sum() >= 0.7 * RATE
    assert scene.health("loudspeaker") == (DiagnosticStatus.OK, "ready")
    assert scene.node.trigger_deactivate() == Result.SUCCESS
    assert all(stream.closed for stream in cards.streams)


def test_a_machine_without_a_loudspeaker_says_so_and_publishes_all_the_same(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeSoundDevice(devices=[], default_device=[-1, -1]).install(monkeypatch)
    scene = Scene(ros_graph, monkeypatch, speaks(answer_s=0.3), play=True)
    scene.ask("One.")
    scene.run(0.5)
    assert scene.health("loudspeaker")[0] == DiagnosticStatus.ERROR
    assert "this machine has no output device" in scene.health("loudspeaker")[1]
    assert sum(len(message.audio.data) for message in scene.audio) == 2 * round(0.3 * RATE)
    assert [message.data for message in scene.speaking] == [False, True, False]


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"play": False, "publish_audio": False}, "set play or publish_audio"),
        ({"engines": ["piper"]}, "needs piper_voice"),
        ({"voice": "-w/etc/passwd"}, "'voice'"),
        (
            {"espeak_program": "no-such-program", "require_engine": True},
            "apt install espeak-ng",
        ),
    ],
)
def test_configure_refuses_what_cannot_be(
    ros_graph: Any, overrides: dict[str, Any], named: str
) -> None:
    overrides = {"play": False, "publish_audio": True} | overrides
    node = SpeechSynthesizerNode(
        context=ros_graph.context,
        parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()],
    )
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert named in node.last_error


def needs_espeak() -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs the program espeak-ng")


def test_espeak_ng_speaks_an_answer_from_topic_to_topic(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_espeak()
    scene = Scene(ros_graph, monkeypatch)
    scene.ask("Person 7 has fallen; reboot $(reboot) `reboot` --version.")
    scene.graph.spin_until(lambda: len(scene.audio) > 0)
    scene.run(8.0)
    samples = np.concatenate([np.frombuffer(bytes(m.audio.data), "<i2") for m in scene.audio])
    rate_hz = scene.infos[0].sample_rate
    assert 2.0 < len(samples) / rate_hz < 8.0
    assert np.abs(samples).max() > 1000
    assert [message.data for message in scene.speaking] == [False, True, False]
    assert scene.node.trigger_shutdown() == Result.SUCCESS
    assert psutil.Process().children() == []


def test_a_program_that_hangs_is_ended_and_named(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "speak"
    path.write_text("#!/bin/sh\nsleep 60\n")
    path.chmod(0o755)
    scene = Scene(ros_graph, monkeypatch, espeak_program=str(path), engine_timeout_s=0.2)
    scene.ask("One.")
    scene.wait_told("input speech program failed", "gave nothing for 0.2 s and was ended")
    assert psutil.Process().children() == []


def test_shutdown_ends_a_program_in_the_middle_of_its_work(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "speak"
    path.write_text("#!/bin/sh\nsleep 60\n")
    path.chmod(0o755)
    scene = Scene(ros_graph, monkeypatch, espeak_program=str(path))
    scene.answers.publish(String(data="One."))
    child: Callable[[], list[psutil.Process]] = psutil.Process().children
    scene.graph.spin_until(lambda: len(child()) == 1)
    assert scene.node.trigger_shutdown() == Result.SUCCESS
    assert child() == []
