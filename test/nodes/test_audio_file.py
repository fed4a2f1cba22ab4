"""A sound file on the topics of a microphone."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("audio_common_msgs")

from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter

from edge_mm_ros.nodes.audio_file import AudioFileNode
from edge_mm_ros.ros.conversions.audio import chunk_from_stamped, format_from_info
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.qos import AUDIO, LATCHED, RELIABLE

S = 1_000_000_000
START = 1_700_000_000 * S
STOP_WAV = Path(__file__).parents[1] / "data" / "stop_the_robot.wav"


class Scene:
    """The node, its clock, and perhaps somebody who listens."""

    def __init__(
        self, graph: Any, monkeypatch: pytest.MonkeyPatch, listen: bool = True, **overrides: Any
    ) -> None:
        self.graph = graph
        self.now_ns = START
        self.diagnostics = graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
        self.heard: list[AudioDataStamped] = []
        if listen:
            self.listen()
        overrides = {"sound_file": str(STOP_WAV), "chunk_s": 0.02} | overrides
        self.node = AudioFileNode(
            context=graph.context,
            parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()],
        )
        monkeypatch.setattr(self.node, "now_ns", lambda: self.now_ns)
        graph.bring_up(self.node)

    def listen(self) -> None:
        self.heard = self.graph.collect(AudioDataStamped, "audio", AUDIO)

    def play(self, seconds: float) -> None:
        """Let time go by in steps of 0.1 s, and wait for what was sent."""
        sender = self.node.publishers_in_use[0]
        if not sender.sent:  # it begins at the next tick
            self.graph.spin_until(lambda: self.node._next_ns is not None)
        for _ in range(round(seconds * 10)):
            self.now_ns += S // 10
            self.tick()
        self.graph.spin_until(lambda: len(self.heard) == sender.sent)

    def tick(self) -> None:
        inbox = self.node._workers["main"]._queues[-1]
        received = inbox.received
        self.graph.spin_until(lambda: inbox.received >= received + 2 and self.node.idle)

    def samples(self) -> np.ndarray:
        return np.concatenate([np.frombuffer(bytes(m.audio.data), "<i2") for m in self.heard])

    def health(self) -> list[str]:
        return [entry.message for entry in self.node.health()]


def recording() -> np.ndarray:
    with wave.open(str(STOP_WAV), "rb") as file:
        return np.frombuffer(file.readframes(10**7), "<i2")


def test_the_recording_arrives_sample_by_sample_at_its_own_speed(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch)
    scene.play(1.0)
    assert sum(len(message.audio.data) for message in scene.heard) == 2 * 16_000
    assert scene.health() == ["plays"]
    scene.play(4.0)
    assert np.array_equal(scene.samples(), recording())
    assert scene.health() == ["played to its end"]
    stamps = [to_ns(message.header.stamp) for message in scene.heard]
    assert stamps == [START + n * S // 50 for n in range(len(stamps))]
    assert {message.header.frame_id for message in scene.heard} == {"microphone"}


def test_who_comes_late_gets_the_format_that_reads_the_sound(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch)
    scene.play(0.2)
    infos = ros_graph.collect(AudioInfo, "audio_info", LATCHED)
    ros_graph.spin_until(lambda: bool(infos))
    form = format_from_info(infos[0])
    chunk = chunk_from_stamped(scene.heard[0], form)
    assert (chunk.sample_rate_hz, chunk.samples.shape) == (16_000, (320, 1))
    assert np.array_equal(np.rint(chunk.samples[:, 0] * 32_768), recording()[:320])


def test_it_waits_for_somebody_who_listens(ros_graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(ros_graph, monkeypatch, listen=False)
    scene.now_ns += 10 * S
    scene.tick()
    assert scene.health() == ["waits for somebody to hear 'audio'"]
    begin_ns = scene.now_ns
    scene.listen()
    scene.play(5.0)
    assert np.array_equal(scene.samples(), recording())
    assert to_ns(scene.heard[0].header.stamp) == begin_ns


def test_without_waiting_it_plays_for_nobody(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, listen=False, wait_for_listener=False)
    ros_graph.spin_until(lambda: scene.node._next_ns is not None)
    scene.now_ns += S
    scene.tick()
    assert scene.node.publishers_in_use[0].sent > 0


def test_a_loop_goes_on_without_a_gap(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "short.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.arange(2 * 840, dtype="<i2").tobytes())  # 0.105 s
    scene = Scene(ros_graph, monkeypatch, sound_file=str(path), loop=True)
    scene.play(1.2)
    samples = scene.samples()
    assert len(samples) > 2 * 8000
    assert np.array_equal(samples, np.resize(np.arange(2 * 840), len(samples)))
    for one, following in zip(scene.heard, scene.heard[1:], strict=False):
        length_ns = len(one.audio.data) // 4 * S // 8000
        assert to_ns(following.header.stamp) == to_ns(one.header.stamp) + length_ns
    assert scene.node.trigger_deactivate() == Result.SUCCESS


def test_a_clock_that_jumps_neither_floods_nor_stops_it(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, loop=True)
    scene.play(0.5)
    for jump_s in (3600, -7200):
        heard = len(scene.heard)
        scene.now_ns += jump_s * S
        now_ns = scene.now_ns
        scene.play(0.5)
        assert heard < len(scene.heard) <= heard + 25
        assert to_ns(scene.heard[-1].header.stamp) >= now_ns


def test_a_second_activation_begins_at_the_beginning(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch)
    scene.play(0.5)
    assert scene.node.trigger_deactivate() == Result.SUCCESS
    heard = len(scene.heard)
    assert scene.node.trigger_activate() == Result.SUCCESS
    ros_graph.spin_until(lambda: scene.node._next_ns is not None)
    scene.play(0.2)
    again = np.frombuffer(bytes(scene.heard[heard].audio.data), "<i2")
    assert np.array_equal(again, recording()[:320])


def test_a_truncated_file_is_told_on_diagnostics(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(STOP_WAV.read_bytes()[:10_000])
    scene = Scene(ros_graph, monkeypatch, sound_file=str(path))
    scene.play(0.5)
    ros_graph.spin_until(
        lambda: any(
            status.name == "audio_file: input file truncated" and "is truncated" in status.message
            for array in scene.diagnostics
            for status in array.status
        )
    )
    assert len(scene.samples()) == (10_000 - 44) // 2


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("", "parameter 'sound_file' is needed"),
        ("none.wav", "none.wav is not there"),
        ("text.wav", "text.wav is no"),
    ],
)
def test_configure_refuses_what_cannot_be_played(
    ros_graph: Any, tmp_path: Path, name: str, named: str
) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    node = AudioFileNode(
        context=ros_graph.context,
        parameter_overrides=[Parameter("sound_file", value=name and str(tmp_path / name))],
    )
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert named in node.last_error
