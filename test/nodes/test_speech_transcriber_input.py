"""The transcriber where sound or recogniser misbehave; whose words are known."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("audio_common_msgs")
pytest.importorskip("hri_msgs")
pytest.importorskip("soxr")

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticArray
from fakes.scripted_speech import RATE, Answer, Ears, Said, Scribe, segment, sound_of, speech_host
from hri_msgs.msg import LiveSpeech
from numpy.typing import NDArray
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter

from edge_mm_ros.backends import TranscriptionResult
from edge_mm_ros.nodes.speech_transcriber import SpeechTranscriberNode
from edge_mm_ros.ros.conversions.stamps import to_stamp
from edge_mm_ros.ros.qos import AUDIO, LATCHED, RELIABLE

S = 1_000_000_000
START = 1_700_000_000 * S
CHUNK = RATE // 10
UNSENT = 50  # the middleware keeps 100 chunks
# Of letters at random, as words that are alike would count as a loop.
LETTERS = np.random.default_rng(12).integers(ord("a"), ord("z") + 1, (2000, 6), np.uint8)
WORDS = [row.tobytes().decode() for row in LETTERS]
WAITING = 500  # the node keeps 600
PATIENCE_S = 240.0


class Scene:
    """A transcriber with scripted models, and who speaks and listens."""

    def __init__(self, graph: Any, folder: Path, said: Said, **changes: Any) -> None:
        self.graph = graph
        self.ears, self.scribe = Ears(), Scribe(said)
        self.host = speech_host(folder, self.ears, self.scribe)
        self.audio = graph.publisher(AudioDataStamped, "audio", AUDIO)
        info = graph.publisher(AudioInfo, "audio_info", LATCHED)
        self.speech: list[LiveSpeech] = graph.collect(LiveSpeech, "speech", RELIABLE)
        self.diagnostics = graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
        names = {"voice_activity_model": "ear", "transcription_model": "scribe", "stall_s": 60.0}
        names |= changes
        self.node = SpeechTranscriberNode(
            self.host,
            context=graph.context,
            parameter_overrides=[Parameter(n, value=v) for n, v in names.items()],
        )
        graph.bring_up(self.node)
        for publisher in (self.audio, info):
            graph.spin_until_connected(publisher)
        # A subscription is made anew once a publisher is there; wait for that one.
        listeners = self.node.listeners[:2]
        graph.spin_until(lambda: all(listener.publishers == 1 for listener in listeners))
        form = AudioInfo(channels=1, sample_rate=RATE, sample_format="F32LE", coding_format="wave")
        info.publish(form)
        graph.spin_until(lambda: self.node.listeners[1].inbox.received > 0 and self.node.idle)

    def send(self, *chunks: tuple[int, NDArray[np.float32]]) -> None:
        """Publish chunks at their places as fast as they are taken, and wait until all is heard."""
        inbox = self.node.listeners[0].inbox
        expected = inbox.received
        for each in chunks:
            self.publish(each)
            expected += 1
            self.graph.spin_until(
                lambda wanted=expected - UNSENT: (
                    inbox.received >= wanted and inbox.waiting <= WAITING
                ),
                PATIENCE_S,
            )
        self.graph.spin_until(
            lambda: inbox.received >= expected and self.node.idle, PATIENCE_S, "all is heard"
        )

    def publish(self, *chunks: tuple[int, NDArray[np.float32]]) -> None:
        """Publish chunks at their places."""
        for begin, samples in chunks:
            message = AudioDataStamped(audio=AudioData(data=samples.astype("<f4").tobytes()))
            message.header.stamp = to_stamp(START + begin * S // RATE)
            self.audio.publish(message)

    def words(self) -> str:
        """All that was told at last."""
        assert self.node.trigger_deactivate() == Result.SUCCESS
        sender = self.node.publishers_in_use[0]
        self.graph.spin_until(lambda: len(self.speech) == sender.sent)
        return " ".join(message.final for message in self.speech if message.final)

    def told(self, name: str) -> list[str]:
        return [
            status.message
            for array in self.diagnostics
            for status in array.status
            if status.name == f"speech_transcriber: {name}"
        ]

    def refusals(self) -> set[str]:
        """Why text was left out, as the diagnosis tells it."""
        return {
            value.value
            for array in self.diagnostics
            for status in array.status
            for value in status.values
            if value.key == "last_refusal"
        }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "models"
    made.mkdir()
    return made


def chunks(sound: NDArray[np.float32]) -> list[tuple[int, NDArray[np.float32]]]:
    return [(begin, sound[begin : begin + CHUNK]) for begin in range(0, len(sound), CHUNK)]


def sentence(first: int, count: int, begin_s: float) -> Said:
    """Words of 0.3 s, one after the other; always the same from a number on."""
    return [(WORDS[first + i], begin_s + 0.3 * i, begin_s + 0.3 * (i + 1)) for i in range(count)]


def text_of(said: Said) -> str:
    return " ".join(word for word, *_ in said)


@pytest.mark.timeout(300)
def test_ten_minutes_of_speech_in_a_burst_lose_and_double_no_word(
    ros_graph: Any, folder: Path
) -> None:
    said = sentence(0, 2000, 1.0)
    scene = Scene(ros_graph, folder, said)
    sound = sound_of(said, 602.0)
    scene.send(*chunks(sound))
    assert scene.node.listeners[0].inbox.dropped == 0
    assert scene.words() == text_of(said)


def test_doubled_chunks_are_told_and_with_lost_ones_change_no_other_word(
    ros_graph: Any, folder: Path
) -> None:
    said = [*sentence(0, 5, 0.5), *sentence(5, 5, 3.5)]
    scene = Scene(ros_graph, folder, said)
    sound = chunks(sound_of(said, 6.0))
    without = sound[:23] + sound[26:]  # 0.3 s of the silence between the sentences
    scene.send(*(chunk for chunk in without for _ in range(2)))
    ros_graph.spin_until(lambda: bool(scene.told("input /audio stamp_repeated")))
    assert scene.words() == text_of(said)


def test_sound_that_comes_faster_than_it_is_heard_is_told_as_that(
    ros_graph: Any, folder: Path
) -> None:
    said = sentence(0, 150, 1.0)
    scene = Scene(ros_graph, folder, said, audio_queue=5)
    heard = threading.Event()
    scene.ears.waits_for = heard
    inbox = scene.node.listeners[0].inbox
    sound = chunks(sound_of(said, 47.0))
    # While the detector is busy, three of four chunks are dropped.
    for begin in range(0, 400, 20):
        heard.clear()
        scene.publish(*sound[begin : begin + 20])
        ros_graph.spin_until(lambda wanted=begin + 20: inbox.received >= wanted)
        heard.set()
        ros_graph.spin_until(lambda: scene.node.idle)
    ros_graph.spin_until(lambda: bool(scene.told("input /audio overflow")))
    assert not scene.told("input /audio sample_rate")
    assert scene.node.publishers_in_use[0].sent > 0


def endless(_: NDArray[np.float32]) -> TranscriptionResult:
    return TranscriptionResult((segment(sentence(0, 2_000, 0.0)),), "en", 1.0)


def of(words: Said, **measures: float) -> Answer:
    return lambda _: TranscriptionResult((segment(words, **measures),), "en", 1.0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: TranscriptionResult((), "en", 1.0), ""),
        (of([(" \u266a [music]", 0.0, 1.0)]), "no words"),
        (endless, "2000 words in"),
        (of([("help", 0.0, 0.3)], average_log_probability=math.nan), "too uncertain"),
        (of([("help", 0.0, 0.3)] * 9), "a loop"),
        (of([("help", 0.0, 0.3)], no_speech_probability=0.99), "no speech"),
    ],
    ids=["empty", "no words", "endless", "not a number", "a loop", "no speech"],
)
def test_an_answer_that_cannot_be_used_is_not_told_and_the_next_one_is(
    ros_graph: Any, folder: Path, answer: Answer, reason: str
) -> None:
    said = [*sentence(0, 5, 0.5), *sentence(5, 5, 3.5)]
    scene = Scene(ros_graph, folder, said)
    sound = chunks(sound_of(said, 6.0))
    scene.scribe.answer = answer
    scene.send(*sound[:32])
    assert scene.node.publishers_in_use[0].sent == 0
    ros_graph.spin_until(lambda: any(reason in told for told in scene.refusals()), what=reason)
    scene.scribe.answer = scene.scribe.heard
    scene.send(*sound[32:])
    assert scene.words() == text_of(said[5:])
