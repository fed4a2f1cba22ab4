"""What the scenarios feed to the shipped models: real pictures, real speech, one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.params.share import sample_recording
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.conversions.audio import chunk_from_stamped, format_from_info
from edge_mm_ros.ros.messages import deserialize

DETECTOR = "person_fall_detector"
TRANSCRIBER = "whisper_tiny_en"
WRITER = "smollm2_135m_instruct"
VOICE_DETECTOR = "silero_vad"
LANGUAGE = "en"
INPUT_SIZE = (640, 640)
"""Width and height of the detector's input."""

CHAT: Sequence[Mapping[str, str]] = (
    {
        "role": "user",
        "content": "Rewrite as a short report: At 10:02:07 a person was 1.4 m before the robot, "
        "and it stopped. At 10:02:11 the way was free again, and it went on.",
    },
)


def compressed_pictures() -> Iterator[Any]:
    """The sample recording's pictures, as ``sensor_msgs/CompressedImage``."""
    for message in BagReader(sample_recording()):
        if message.msg_type == "sensor_msgs/msg/CompressedImage":
            yield deserialize(message.cdr, message.msg_type)


def tensor(picture: Any, size: tuple[int, int] = INPUT_SIZE) -> NDArray[np.float32]:
    """A picture as the detector takes it.

    Args:
        picture: ``sensor_msgs/CompressedImage``.
        size: width and height to scale it to.

    Returns:
        float32 (1, 3, height, width), RGB, 0 to 1.

    Raises:
        EdgeMmError: it cannot be decoded.
    """
    pixels = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise EdgeMmError("benchmark: a picture of the sample recording cannot be decoded")
    return np.asarray(cv2.dnn.blobFromImage(pixels, 1 / 255, size, swapRB=True), np.float32)


def first_tensor() -> NDArray[np.float32]:
    """The sample recording's first picture, float32 (1, 3, 640, 640)."""
    return tensor(next(compressed_pictures()))


def speech() -> NDArray[np.float32]:
    """All sound of the sample recording: float32 (n,), mono, 16 kHz, -1 to 1.

    Raises:
        EdgeMmError: the recording has no sound at 16 kHz.
    """
    form = None
    chunks = []
    for message in BagReader(sample_recording()):
        if message.msg_type == "audio_common_msgs/msg/AudioInfo":
            form = format_from_info(deserialize(message.cdr, message.msg_type))
        elif message.msg_type == "audio_common_msgs/msg/AudioDataStamped" and form is not None:
            chunk = chunk_from_stamped(deserialize(message.cdr, message.msg_type), form)
            chunks.append(chunk.samples[:, 0])
    if form is None or form.sample_rate_hz != 16_000 or not chunks:
        raise EdgeMmError("benchmark: the sample recording has no sound at 16 kHz")
    return np.concatenate(chunks)
