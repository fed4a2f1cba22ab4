"""A microphone on its topics; the sound card is a fake, as machines without one run this, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("audio_common_msgs")

from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fakes.fake_sounddevice import FakeSoundDevice
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter

from edge_mm_ros.nodes.microphone import MicrophoneNode
from edge_mm_ros.ros.conversions.audio import format_from_info
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.qos import AUDIO, LATCHED, RELIABLE

S = 1_000_000_000
START = 1_700_000_000 * S
CHUNK = np.arange(1600, dtype="<i2").reshape(-1, 1)


class Scene:
    """The node, its clock, its sound card, and somebody who listens."""

    def __init__(self, graph: Any, monkeypatch: pytest.MonkeyPatch, **overrides: Any) -> None:
        self.graph = graph
        self.now_ns = START
        self.cards = FakeSoundDevice().install(monkeypatch)
        self.heard: list[AudioDataStamped] = graph.collect(AudioDataStamped, "audio", AUDIO)
        self.infos: list[AudioInfo] = graph.collect(AudioInfo, "audio_info", LATCHED)
        self.diagnostics = graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
        self.node = MicrophoneNode(
            context=graph.context,
            parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()],
        )
        monkeypatch.setattr(self.node, "now_ns", lambda: self.now_ns)
        graph.bring_up(self.node)
        sender = self.node.publishers_in_use[0]
        graph.spin_until(lambda: sender.subscribers > 0)

    def hear(self, age_s: float = 0.1, **given: Any) -> None:
        heard = len(self.heard)
        self.now_ns += S // 10
        self.cards.streams[-1].hear(CHUNK, 50.0, 50.0 + age_s, **given)
        self.graph.spin_until(lambda: len(self.heard) > heard)

    def health(self) -> tuple[bytes, str]:
        (entry,) = self.node.health()
        return bytes([entry.level]), entry.message

    def wait_for(self, condition: Callable[[], bool]) -> None:
        self.graph.spin_until(condition)


def test_it_publishes_what_is_heard_with_capture_stamps(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch)
    for _ in range(3):
        scene.hear(age_s=0.13)
    assert all(bytes(message.audio.data) == CHUNK.tobytes() for message in scene.heard)
    expected = [START + S // 10 * (n + 1) - round(0.13 * S) for n in range(3)]
    assert [to_ns(m.header.stamp) for m in scene.heard] == pytest.approx(expected, abs=1000)
    assert scene.heard[0].header.frame_id == "microphone"
    scene.wait_for(lambda: bool(scene.infos))
    form = format_from_info(scene.infos[0])
    assert (form.sample_rate_hz, form.channels, form.sample_format) == (16_000, 1, "S16LE")
    assert scene.health() == (DiagnosticStatus.OK, "hears")


def test_lost_sound_is_counted_and_told(ros_graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(ros_graph, monkeypatch)
    scene.hear()
    scene.now_ns += S // 2
    scene.hear(overflow=True)
    assert scene.health() == (
        DiagnosticStatus.WARN,
        "sound was lost 1 times: the machine is too busy",
    )
    scene.wait_for(
        lambda: any(
            status.name == "microphone: input microphone overflow"
            for array in scene.diagnostics
            for status in array.status
        )
    )
    gap_ns = to_ns(scene.heard[1].header.stamp) - to_ns(scene.heard[0].header.stamp)
    assert gap_ns == round(0.6 * S)


def test_a_device_that_goes_away_is_told_and_used_again_once_it_is_back(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch, device="USB")
    scene.hear()
    gone = scene.cards.devices.pop()
    scene.cards.streams[-1].active = False
    scene.wait_for(lambda: "is not there; set the parameter 'device'" in scene.health()[1])
    assert scene.health()[0] == DiagnosticStatus.ERROR
    scene.wait_for(
        lambda: any(
            "gives nothing any more; is it unplugged?" in status.message
            for array in scene.diagnostics
            for status in array.status
        )
    )
    scene.cards.devices.append(gone)
    streams = len(scene.cards.streams)
    scene.now_ns += 3 * S
    scene.wait_for(lambda: len(scene.cards.streams) > streams)
    scene.hear()
    assert scene.health() == (DiagnosticStatus.OK, "hears")
    assert to_ns(scene.heard[-1].header.stamp) == pytest.approx(scene.now_ns - S // 10, abs=1000)


def test_a_driver_that_falls_silent_counts_as_a_lost_device(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, monkeypatch)
    scene.hear()
    silent = scene.cards.streams[-1]
    scene.now_ns += 2 * S
    scene.wait_for(lambda: bool(silent.closed) and scene.cards.streams[-1] is not silent)
    scene.hear()
    assert scene.health() == (DiagnosticStatus.OK, "hears")


def test_the_microphone_is_given_back(ros_graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(ros_graph, monkeypatch)
    for _ in range(10):
        scene.hear()
        assert scene.node.trigger_deactivate() == Result.SUCCESS
        scene.cards.streams[-1].hear(CHUNK)  # a driver's last call may come late
        assert scene.node.trigger_activate() == Result.SUCCESS
    scene.node.trigger_shutdown()
    assert all(stream.closed for stream in scene.cards.streams)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"device": "headset"}, "one of: 0: 'HDA Intel: ALC257', 1: 'USB microphone'"),
        ({"channels": 8}, "does not give 8 channel(s) of S16LE at 16000 Hz"),
        ({"sample_rate_hz": 96_000}, "'sample_rate_hz'"),
    ],
)
def test_configure_refuses_what_the_machine_cannot_do(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, Any], named: str
) -> None:
    FakeSoundDevice().install(monkeypatch)
    node = MicrophoneNode(
        context=ros_graph.context,
        parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()],
    )
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert named in node.last_error
