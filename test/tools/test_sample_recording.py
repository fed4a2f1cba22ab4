"""The committed sample recording: what it holds, and that its sources make it again."""

from __future__ import annotations

import json
import os
import sys
import wave
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import make_sample_recording as script
import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "test" / "data" / "plaza_sample"
SPEECH = ROOT / "test" / "data" / "stop_the_robot.wav"
START_NS = 1_700_000_000_000_000_000

EXPECTED = {
    "/audio": ("audio_common_msgs/msg/AudioDataStamped", 150),
    "/audio_info": ("audio_common_msgs/msg/AudioInfo", 1),
    "/camera/camera_info": ("sensor_msgs/msg/CameraInfo", 150),
    "/camera/image_raw/compressed": ("sensor_msgs/msg/CompressedImage", 150),
    "/ultrasonic/range": ("sensor_msgs/msg/Range", 150),
}


@pytest.fixture(scope="module")
def typestore() -> Any:
    store = get_typestore(Stores.ROS2_JAZZY)
    for path in (ROOT / "tools" / "interfaces" / "audio_common_msgs" / "msg").iterdir():
        name = f"audio_common_msgs/msg/{path.stem}"
        store.register(get_types_from_msg(path.read_text(encoding="utf-8"), name))
    return store


@pytest.fixture(scope="module")
def recorded(typestore: Any) -> dict[str, list[tuple[int, Any]]]:
    """By topic: when each message was recorded, and the message."""
    messages: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    with Reader(RECORDING) as reader:
        for connection, stamp_ns, cdr in reader.messages():
            message = typestore.deserialize_cdr(cdr, connection.msgtype)
            messages[connection.topic].append((stamp_ns, message))
    return messages


def stamps_ns(messages: list[tuple[int, Any]]) -> list[int]:
    return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for _, m in messages]


def test_it_is_small_enough() -> None:
    assert sum(file.stat().st_size for file in RECORDING.iterdir()) <= 8_000_000


def test_topics_types_and_counts() -> None:
    with Reader(RECORDING) as reader:
        found = {c.topic: (c.msgtype, c.msgcount) for c in reader.connections}
        assert reader.start_time == START_NS
        assert max(stamp_ns for _, stamp_ns, _ in reader.messages()) == START_NS + 15 * 10**9
    assert found == EXPECTED


def test_definitions_are_in_the_file() -> None:
    with (RECORDING / "plaza_sample.mcap").open("rb") as stream:
        reader = make_reader(stream)
        summary = reader.get_summary()
    assert summary is not None
    schemas = {s.name: (s.encoding, s.data.decode()) for s in summary.schemas.values()}
    assert set(schemas) == {msg_type for msg_type, _ in EXPECTED.values()}
    assert all(encoding == "ros2msg" for encoding, _ in schemas.values())
    assert "audio_common_msgs/AudioData audio" in schemas[EXPECTED["/audio"][0]][1]
    assert "uint8[] data" in schemas[EXPECTED["/audio"][0]][1]
    assert "builtin_interfaces/Time stamp" in schemas[EXPECTED["/ultrasonic/range"][0]][1]


def test_type_hashes_agree_with_the_installed_ros() -> None:
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    metadata = yaml.safe_load((RECORDING / "metadata.yaml").read_text(encoding="utf-8"))
    topics = metadata["rosbag2_bagfile_information"]["topics_with_message_count"]
    compared = 0
    for topic in (entry["topic_metadata"] for entry in topics):
        assert topic["type_description_hash"].startswith("RIHS01_")
        for prefix in filter(None, prefixes):
            path = Path(prefix) / "share" / f"{topic['type']}.json"
            if path.is_file():
                hashes = json.loads(path.read_text(encoding="utf-8"))["type_hashes"]
                of_type = {entry["type_name"]: entry["hash_string"] for entry in hashes}
                assert topic["type_description_hash"] == of_type[topic["type"]]
                compared += 1
                break
    if compared == 0:
        pytest.skip("needs an installed ROS 2 to compare type hashes with")


@pytest.mark.parametrize(
    ("topic", "offset_ns"),
    [
        ("/camera/image_raw/compressed", 0),
        ("/camera/camera_info", 0),
        ("/audio", 0),
        ("/ultrasonic/range", 30_000_000),
    ],
)
def test_stamps_run_at_10_hz(
    recorded: dict[str, list[tuple[int, Any]]], topic: str, offset_ns: int
) -> None:
    begin = START_NS + offset_ns
    assert stamps_ns(recorded[topic]) == [begin + step * 10**8 for step in range(150)]


def test_nothing_is_recorded_before_it_was_captured(
    recorded: dict[str, list[tuple[int, Any]]],
) -> None:
    for topic in ("/camera/image_raw/compressed", "/camera/camera_info", "/ultrasonic/range"):
        assert [when for when, _ in recorded[topic]] == stamps_ns(recorded[topic])
    chunk_ends = [stamp_ns + 10**8 for stamp_ns in stamps_ns(recorded["/audio"])]
    assert [when for when, _ in recorded["/audio"]] == chunk_ends


def test_pictures_decode_and_match_their_calibration(
    recorded: dict[str, list[tuple[int, Any]]],
) -> None:
    for (_, image), (_, info) in zip(
        recorded["/camera/image_raw/compressed"], recorded["/camera/camera_info"], strict=True
    ):
        assert image.header == info.header
        assert image.header.frame_id == "camera_optical_frame"
        assert "jpeg" in image.format
        pixels = cv2.imdecode(np.asarray(image.data), cv2.IMREAD_COLOR)
        assert pixels is not None
        assert pixels.shape == (info.height, info.width, 3)
    assert info.k.reshape(3, 3).tolist() == [[1185.0, 0, 324.2], [0, 1194.6, 282.6], [0, 0, 1]]
    assert info.p.reshape(3, 4)[:, :3].tolist() == info.k.reshape(3, 3).tolist()
    assert info.p.reshape(3, 4)[:, 3].tolist() == [0, 0, 0]


def test_sound_is_the_sentence_between_silence(
    recorded: dict[str, list[tuple[int, Any]]],
) -> None:
    info = recorded["/audio_info"][0][1]
    described = (info.channels, info.sample_rate, info.sample_format, info.coding_format)
    assert described == (1, 16_000, "S16LE", "wave")
    chunks = [np.asarray(m.audio.data).tobytes() for _, m in recorded["/audio"]]
    assert {len(chunk) for chunk in chunks} == {3200}
    samples = np.frombuffer(b"".join(chunks), dtype="<i2").astype(int)
    with wave.open(str(SPEECH), "rb") as file:
        speech = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(int)
    begin, end = 96_000, 96_000 + len(speech)
    assert np.abs(samples[begin:end] - speech).max() <= 8
    assert 0 < np.abs(samples[:begin]).max() <= 8
    assert 0 < np.abs(samples[end:]).max() <= 8
    assert end <= 9.0 * 16_000


def test_something_comes_near_the_ultrasonic_sensor(
    recorded: dict[str, list[tuple[int, Any]]],
) -> None:
    readings = [m for _, m in recorded["/ultrasonic/range"]]
    ranges_m = np.array([m.range for m in readings])
    assert all(m.min_range < m.range < m.max_range for m in readings)
    assert np.all(ranges_m[:108] > 3.3)
    assert 0.68 < ranges_m.min() < 0.72
    assert 12.0 < ranges_m.argmin() * 0.1 < 12.8
    assert np.all(ranges_m[143:] > 3.3)


def test_the_sources_make_it_again(
    recorded: dict[str, list[tuple[int, Any]]],
    typestore: Any,
    shared_data: Callable[[str], Path],
) -> None:
    made: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for message in script.sample_messages(shared_data("plaza/vtest.avi"), SPEECH):
        value = typestore.deserialize_cdr(message.cdr, EXPECTED[message.topic][0])
        made[message.topic].append((message.recorded_ns, value))
    pictures = "/camera/image_raw/compressed"
    for topic in EXPECTED:
        assert [when for when, _ in made[topic]] == [when for when, _ in recorded[topic]]
        if topic != pictures:
            for (_, a), (_, b) in zip(made[topic], recorded[topic], strict=True):
                assert typestore.serialize_cdr(a, EXPECTED[topic][0]) == typestore.serialize_cdr(
                    b, EXPECTED[topic][0]
                )
    # Another build of OpenCV may encode a picture otherwise, but not visibly so.
    for (_, a), (_, b) in zip(made[pictures], recorded[pictures], strict=True):
        assert (a.header, a.format) == (b.header, b.format)
        pixels = [cv2.imdecode(np.asarray(m.data), cv2.IMREAD_COLOR).astype(int) for m in (a, b)]
        assert np.abs(pixels[0] - pixels[1]).mean() < 1.0


def test_writing_replaces_the_older_recording(tmp_path: Path) -> None:
    messages = script.Messages()
    info = messages.make(
        "audio_common_msgs/msg/AudioInfo",
        channels=1,
        sample_rate=16_000,
        sample_format="S16LE",
        bitrate=256,
        coding_format="wave",
    )
    message = messages.record("/audio_info", START_NS, info)
    folder = tmp_path / "recording"
    for count in (3, 1):
        script.write_recording([message] * count, folder)
        with Reader(folder) as reader:
            assert reader.message_count == count
    assert [path.name for path in tmp_path.iterdir()] == ["recording"]


def test_a_missing_source_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    absent = tmp_path / "absent.avi"
    output = tmp_path / "recording"
    monkeypatch.setattr(
        sys, "argv", ["make_sample_recording", "--video", str(absent), "--output", str(output)]
    )
    assert script.main() == 1
    assert str(absent) in capsys.readouterr().err
    assert not output.exists()


def test_speech_of_another_rate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16))
    with pytest.raises(script.SourceError, match="8000"):
        script.read_speech(path)
