#!/usr/bin/env python3
"""Makes the sample recording under ``test/data`` from its sources; needs no ROS.

The sources are OpenCV's sample video ``vtest.avi`` and the synthesised sentence
``stop_the_robot.wav``, which ``--synthesise`` makes again with the speech synthesiser flite.
``test/data/README.md`` says where everything comes from and what is approximate.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

ROOT = Path(__file__).resolve().parents[1]
VIDEO = ROOT.parent / "shared" / "data" / "plaza" / "vtest.avi"
SPEECH = ROOT / "test" / "data" / "stop_the_robot.wav"
RECORDING = ROOT / "test" / "data" / "plaza_sample"

START_NS = 1_700_000_000 * 10**9
STEP_NS = 100_000_000
STEPS = 150

# In these pictures four to nine people are found, one of whom walks into the work area and out.
FIRST_FRAME = 560
WIDTH, HEIGHT = 768, 576
FX, FY, CX, CY = 1185.0, 1194.6, 324.2, 282.6
JPEG_OPTIONS = [cv2.IMWRITE_JPEG_QUALITY, 55, cv2.IMWRITE_JPEG_OPTIMIZE, 1]

SENTENCE = "Stop the robot, somebody fell down."
SPEECH_AT_S = 6.0
SAMPLE_RATE_HZ = 16_000
SPEECH_PEAK = 0.5
NOISE_PEAK = 8  # of 32768: a quiet room, not a dead microphone

# Seconds and metres: something comes near the robot and goes away again.
RANGE_PROFILE = ((0.0, 3.4), (10.8, 3.4), (12.2, 0.7), (12.7, 0.7), (14.2, 3.4), (15.0, 3.4))
RANGE_PHASE_NS = 30_000_000
RANGE_NOISE_M = 0.01


def _reliable(depth: int, durability: QosDurability) -> Qos:
    unset = QosTime(0, 0)
    return Qos(
        QosHistory.KEEP_LAST,
        depth,
        QosReliability.RELIABLE,
        durability,
        unset,
        unset,
        QosLiveliness.AUTOMATIC,
        unset,
        avoid_ros_namespace_conventions=False,
    )


QUEUED = _reliable(10, QosDurability.VOLATILE)
LATCHED = _reliable(1, QosDurability.TRANSIENT_LOCAL)
TOPICS = {
    "/audio_info": ("audio_common_msgs/msg/AudioInfo", LATCHED),
    "/camera/camera_info": ("sensor_msgs/msg/CameraInfo", QUEUED),
    "/camera/image_raw/compressed": ("sensor_msgs/msg/CompressedImage", QUEUED),
    "/ultrasonic/range": ("sensor_msgs/msg/Range", QUEUED),
    "/audio": ("audio_common_msgs/msg/AudioDataStamped", QUEUED),
}


class SourceError(Exception):
    """A source that is missing or is not the expected one."""


@dataclass(frozen=True)
class SampleMessage:
    """One message of the recording.

    Attributes:
        topic: its topic, a key of `TOPICS`.
        recorded_ns: when it is recorded, nanoseconds.
        cdr: the serialised message.
    """

    topic: str
    recorded_ns: int
    cdr: bytes


class Messages:
    """Builds messages of ROS 2 Jazzy and of `tools/interfaces`."""

    def __init__(self) -> None:
        self.typestore: Typestore = get_typestore(Stores.ROS2_JAZZY)
        for path in sorted((ROOT / "tools" / "interfaces" / "audio_common_msgs" / "msg").iterdir()):
            name = f"audio_common_msgs/msg/{path.stem}"
            self.typestore.register(get_types_from_msg(path.read_text(encoding="utf-8"), name))

    def make(self, msg_type: str, **fields: Any) -> Any:
        """A message of a type such as ``std_msgs/msg/Header``."""
        return self.typestore.types[msg_type](**fields)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """A header with a stamp in nanoseconds."""
        sec, nanosec = divmod(stamp_ns, 10**9)
        stamp = self.make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
        return self.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def record(self, topic: str, recorded_ns: int, message: Any) -> SampleMessage:
        """Serialise a message for its topic."""
        cdr = bytes(self.typestore.serialize_cdr(message, TOPICS[topic][0]))
        return SampleMessage(topic, recorded_ns, cdr)


def sample_messages(video: Path, speech: Path) -> list[SampleMessage]:
    """Every message of the recording, in order of time.

    Raises:
        SourceError: a source is missing or is not the expected one.
    """
    messages = Messages()
    recorded = [
        *_audio(messages, microphone_samples(read_speech(speech))),
        *_camera(messages, video),
        *_ultrasonic(messages),
    ]
    order = list(TOPICS)
    return sorted(recorded, key=lambda m: (m.recorded_ns, order.index(m.topic)))


def _camera(messages: Messages, video: Path) -> Iterator[SampleMessage]:
    for step, picture in enumerate(read_pictures(video)):
        stamp_ns = START_NS + step * STEP_NS
        header = messages.header(stamp_ns, "camera_optical_frame")
        yield messages.record("/camera/camera_info", stamp_ns, _camera_info(messages, header))
        _, jpeg = cv2.imencode(".jpg", picture, JPEG_OPTIONS)
        image = messages.make(
            "sensor_msgs/msg/CompressedImage",
            header=header,
            format="bgr8; jpeg compressed bgr8",
            data=jpeg.reshape(-1),
        )
        yield messages.record("/camera/image_raw/compressed", stamp_ns, image)


def _camera_info(messages: Messages, header: Any) -> Any:
    k = np.array([FX, 0, CX, 0, FY, CY, 0, 0, 1], dtype=np.float64)
    return messages.make(
        "sensor_msgs/msg/CameraInfo",
        header=header,
        height=HEIGHT,
        width=WIDTH,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k,
        r=np.eye(3).reshape(-1),
        p=np.insert(k, (3, 6, 9), 0.0),
        binning_x=0,
        binning_y=0,
        roi=messages.make(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def _audio(messages: Messages, samples: NDArray[np.int16]) -> Iterator[SampleMessage]:
    info = messages.make(
        "audio_common_msgs/msg/AudioInfo",
        channels=1,
        sample_rate=SAMPLE_RATE_HZ,
        sample_format="S16LE",
        bitrate=SAMPLE_RATE_HZ * 16 // 1000,
        coding_format="wave",
    )
    yield messages.record("/audio_info", START_NS, info)
    for step, chunk in enumerate(np.split(samples, STEPS)):
        stamp_ns = START_NS + step * STEP_NS
        data = np.frombuffer(chunk.astype("<i2").tobytes(), dtype=np.uint8)
        audio = messages.make(
            "audio_common_msgs/msg/AudioDataStamped",
            header=messages.header(stamp_ns, "microphone"),
            audio=messages.make("audio_common_msgs/msg/AudioData", data=data),
        )
        # A chunk can be recorded only after its last sample.
        yield messages.record("/audio", stamp_ns + STEP_NS, audio)


def _ultrasonic(messages: Messages) -> Iterator[SampleMessage]:
    # RandomState's stream is frozen by numpy's compatibility policy; Generator's is not.
    noise = np.random.RandomState(2).uniform(-RANGE_NOISE_M, RANGE_NOISE_M, STEPS)
    times_s, ranges_m = zip(*RANGE_PROFILE, strict=True)
    for step in range(STEPS):
        offset_ns = step * STEP_NS + RANGE_PHASE_NS
        range_m = round(float(np.interp(offset_ns / 1e9, times_s, ranges_m) + noise[step]), 3)
        reading = messages.make(
            "sensor_msgs/msg/Range",
            header=messages.header(START_NS + offset_ns, "ultrasonic"),
            radiation_type=0,
            field_of_view=0.26,
            min_range=0.02,
            max_range=4.0,
            range=range_m,
            variance=0.0,
        )
        yield messages.record("/ultrasonic/range", START_NS + offset_ns, reading)


def read_pictures(video: Path) -> Iterator[NDArray[np.uint8]]:
    """The excerpt's pictures, uint8 (576, 768, 3), BGR.

    Raises:
        SourceError: the video is missing, of another size or too short.
    """
    capture = cv2.VideoCapture(str(video))
    try:
        for index in range(FIRST_FRAME + STEPS):
            found, picture = capture.read()
            if not found:
                raise SourceError(
                    f"{video}: it has no picture {index}; it must be OpenCV's sample video "
                    "samples/data/vtest.avi (Debian package opencv-doc)"
                )
            if picture.shape != (HEIGHT, WIDTH, 3):
                raise SourceError(f"{video}: expected {WIDTH} x {HEIGHT} pictures")
            if index >= FIRST_FRAME:
                yield picture.astype(np.uint8, copy=False)
    finally:
        capture.release()


def microphone_samples(speech: NDArray[np.int16]) -> NDArray[np.int16]:
    """The whole recording's sound, int16 (n,): the speech in a quiet room."""
    count = STEPS * STEP_NS * SAMPLE_RATE_HZ // 10**9
    noise = np.random.RandomState(1).randint(-NOISE_PEAK, NOISE_PEAK + 1, count)
    begin = round(SPEECH_AT_S * SAMPLE_RATE_HZ)
    if begin + len(speech) > count:
        raise SourceError(f"the speech of {len(speech) / SAMPLE_RATE_HZ:.1f} s is too long")
    samples = noise.astype(np.int32)
    samples[begin : begin + len(speech)] += speech
    return np.clip(samples, -32768, 32767).astype(np.int16)


def read_speech(path: Path) -> NDArray[np.int16]:
    """The spoken sentence, int16 (n,) at 16 kHz.

    Raises:
        SourceError: the file is missing or has another format.
    """
    try:
        with wave.open(str(path), "rb") as file:
            layout = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            data = file.readframes(file.getnframes())
    except (OSError, wave.Error, EOFError) as error:
        raise SourceError(f"{path}: cannot be read ({error}); make it by --synthesise") from error
    if layout != (1, 2, SAMPLE_RATE_HZ):
        raise SourceError(f"{path}: expected mono, 16 bit, {SAMPLE_RATE_HZ} Hz, got {layout}")
    return np.frombuffer(data, dtype="<i2").astype(np.int16)


def synthesise_speech(path: Path) -> None:
    """Make the spoken sentence with flite's voice slt.

    Raises:
        SourceError: flite is not installed or fails.
    """
    program = shutil.which("flite")
    if program is None:
        raise SourceError("flite is not installed; apt-get install flite")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "speech.wav"
        command = [program, "-voice", "slt", "-t", SENTENCE, "-o", str(raw)]
        try:
            subprocess.run(command, check=True, timeout=60)
        except (subprocess.SubprocessError, OSError) as error:
            raise SourceError(f"flite failed: {error}") from error
        samples = read_speech(raw).astype(np.float64)
    samples *= SPEECH_PEAK * 32767 / np.abs(samples).max()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.rint(samples).astype("<i2").tobytes())


def write_recording(messages: list[SampleMessage], folder: Path) -> None:
    """Write a rosbag2 folder, in the place of an older one."""
    typestore = Messages().typestore
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        made = Path(work) / folder.name
        with Writer(made, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            connections = {
                topic: writer.add_connection(
                    topic, msg_type, typestore=typestore, offered_qos_profiles=[qos]
                )
                for topic, (msg_type, qos) in TOPICS.items()
            }
            for message in messages:
                writer.write(connections[message.topic], message.recorded_ns, message.cdr)
        if folder.exists():
            folder.rename(Path(work) / "older")
        made.rename(folder)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, default=VIDEO, help="OpenCV's vtest.avi")
    parser.add_argument("--speech", type=Path, default=SPEECH, help="the spoken sentence, WAV")
    parser.add_argument("--output", type=Path, default=RECORDING, help="folder to write")
    parser.add_argument(
        "--synthesise", action="store_true", help="make the spoken sentence anew with flite first"
    )
    options = parser.parse_args()
    try:
        if options.synthesise:
            synthesise_speech(options.speech)
        messages = sample_messages(options.video, options.speech)
        write_recording(messages, options.output)
    except SourceError as error:
        print(f"make_sample_recording: {error}", file=sys.stderr)
        return 1
    size_mb = sum(file.stat().st_size for file in options.output.iterdir()) / 1e6
    duration_s = math.ceil((messages[-1].recorded_ns - START_NS) / 1e9)
    print(f"{options.output}: {len(messages)} messages, {duration_s} s, {size_mb:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
