"""``audio_common_msgs`` as sound."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from numpy.typing import NDArray

from edge_mm_ros.datatypes import AudioChunk, InvalidInput
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp

MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 48_000
MAX_CHANNELS = 32
_MAX_CHUNK_S = 60.0
# Some devices overshoot; more than this is no sound between -1 and 1 at all.
_MAX_FLOAT = 8.0

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "S16LE": np.dtype("<i2"),
    "S32LE": np.dtype("<i4"),
    "F32LE": np.dtype("<f4"),
}
_PLAIN_CODINGS = frozenset({"", "raw", "wave", "wav", "pcm"})


@dataclass(frozen=True)
class AudioFormat:
    """How to read the bytes of a message.

    Attributes:
        sample_rate_hz: 8000 to 48000.
        channels: interleaved channels, 1 to 32.
        sample_format: ``S16LE``, ``S32LE`` or ``F32LE`` (GStreamer's names).
    """

    sample_rate_hz: int
    channels: int
    sample_format: str

    def __post_init__(self) -> None:
        if not MIN_SAMPLE_RATE_HZ <= self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
            raise InvalidInput(
                "sample_rate",
                f"sample rate {self.sample_rate_hz} Hz; supported: {MIN_SAMPLE_RATE_HZ} to "
                f"{MAX_SAMPLE_RATE_HZ} Hz",
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise InvalidInput(
                "channels", f"{self.channels} audio channels; supported: 1 to {MAX_CHANNELS}"
            )
        if self.sample_format not in _DTYPES:
            raise InvalidInput(
                "sample_format",
                f"audio sample format '{self.sample_format}'; supported: {', '.join(_DTYPES)}",
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return _DTYPES[self.sample_format].itemsize * self.channels


def format_from_info(info: AudioInfo) -> AudioFormat:
    """The format that an ``audio_info`` message tells.

    Raises:
        InvalidInput: the sound is compressed, or its rate, channels or sample format are not
            supported.
    """
    if info.coding_format.strip().lower() not in _PLAIN_CODINGS:
        raise InvalidInput(
            "coding_format",
            f"audio coding format '{info.coding_format}'; only plain samples are supported: let "
            "the audio driver publish 'wave'",
        )
    return AudioFormat(
        int(info.sample_rate), int(info.channels), info.sample_format.strip().upper()
    )


def chunk_from_stamped(message: AudioDataStamped, form: AudioFormat) -> AudioChunk:
    """A stamped message as sound.

    Raises:
        InvalidInput: the bytes do not fit the format.
    """
    header = message.header
    return chunk_from_data(message.audio, form, to_ns(header.stamp), header.frame_id)


def chunk_from_data(
    message: AudioData, form: AudioFormat, stamp_ns: int, frame_id: str
) -> AudioChunk:
    """A message without header as sound.

    Raises:
        InvalidInput: the bytes do not fit the format.
    """
    samples = samples_from_bytes(bytes(message.data), form)
    return AudioChunk(samples, form.sample_rate_hz, stamp_ns, frame_id)


def samples_from_bytes(data: bytes, form: AudioFormat) -> NDArray[np.float32]:
    """Interleaved samples as float32 (n, channels), -1 to 1.

    Raises:
        InvalidInput: there are none, their number of bytes is not that of whole samples in all
            channels, they last over a minute, or floats are not finite or far above 1.
    """
    dtype = _DTYPES[form.sample_format]
    frame_bytes = form.frame_bytes
    if not data:
        raise InvalidInput("empty", "the audio message holds no bytes")
    if len(data) % frame_bytes:
        raise InvalidInput(
            "truncated",
            f"{len(data)} bytes of audio are not whole samples: {form.sample_format} with "
            f"{form.channels} channel(s) takes {frame_bytes} bytes each; correct the format, or "
            "the driver cuts its data",
        )
    if len(data) > _MAX_CHUNK_S * form.sample_rate_hz * frame_bytes:
        raise InvalidInput(
            "too_long", f"an audio message of {len(data)} bytes lasts over {_MAX_CHUNK_S:g} s"
        )
    samples = np.frombuffer(data, dtype=dtype).reshape(-1, form.channels)
    if dtype.kind == "i":
        scale = np.float32(1.0 / (1 << (8 * dtype.itemsize - 1)))
        return samples.astype(np.float32) * scale
    if not np.all(np.isfinite(samples)):
        raise InvalidInput("not_finite", "float audio samples are not finite; are they integers?")
    if np.abs(samples).max() > _MAX_FLOAT:
        raise InvalidInput(
            "sample_format",
            f"float audio samples reach {np.abs(samples).max():.3g}, they should lie between -1 "
            "and 1; are they integers?",
        )
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def info_to_msg(form: AudioFormat) -> AudioInfo:
    """The format of plain samples as ``audio_info`` tells it."""
    return AudioInfo(
        channels=form.channels,
        sample_rate=form.sample_rate_hz,
        sample_format=form.sample_format,
        bitrate=form.sample_rate_hz * form.frame_bytes * 8,
        coding_format="wave",
    )


def stamped_from_bytes(data: bytes, stamp_ns: int, frame_id: str) -> AudioDataStamped:
    """Interleaved samples as a message.

    Args:
        data: in the format that ``audio_info`` tells.
        stamp_ns: capture time of the first sample, nanoseconds.
        frame_id: the microphone's frame.
    """
    message = AudioDataStamped()
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = frame_id
    # An array is taken as it is; other sequences are checked byte by byte.
    message.audio.data = array("B", data)
    return message
