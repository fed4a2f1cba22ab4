"""Audio messages as sound, and everything that is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("audio_common_msgs")

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo

from edge_mm_ros.datatypes import AudioChunk, InvalidInput
from edge_mm_ros.ros.conversions.audio import (
    AudioFormat,
    chunk_from_data,
    chunk_from_stamped,
    format_from_info,
    info_to_msg,
    stamped_from_bytes,
)

PLAIN = AudioFormat(16_000, 1, "S16LE")


def info(**fields: Any) -> AudioInfo:
    given: dict[str, Any] = {
        "channels": 2,
        "sample_rate": 44_100,
        "sample_format": "S16LE",
        "coding_format": "wave",
    }
    return AudioInfo(**(given | fields))


def chunk_of(data: bytes, form: AudioFormat = PLAIN) -> AudioChunk:
    return chunk_from_data(AudioData(data=data), form, 5, "mic")


def test_a_stamped_message_keeps_its_stamp_and_frame() -> None:
    message = AudioDataStamped(audio=AudioData(data=b"\x00\x40\x00\xc0"))
    message.header.frame_id = "ear"
    message.header.stamp.sec = 3
    message.header.stamp.nanosec = 7
    chunk = chunk_from_stamped(message, PLAIN)
    assert (chunk.stamp_ns, chunk.frame_id, chunk.sample_rate_hz) == (3_000_000_007, "ear", 16_000)
    assert chunk.samples.tolist() == [[0.5], [-0.5]]


@pytest.mark.parametrize(
    ("sample_format", "dtype", "values"),
    [
        ("S16LE", "<i2", [0, 16_384, -32_768]),
        ("S32LE", "<i4", [0, 1 << 30, -(1 << 31)]),
        ("F32LE", "<f4", [0.0, 0.5, -1.0]),
    ],
)
def test_each_format_is_scaled_to_one(sample_format: str, dtype: str, values: list[Any]) -> None:
    chunk = chunk_of(np.array(values, dtype).tobytes(), AudioFormat(8_000, 1, sample_format))
    assert chunk.samples.dtype == np.float32
    assert chunk.samples[:, 0].tolist() == [0.0, 0.5, -1.0]


def test_channels_are_interleaved() -> None:
    data = np.array([1, 2, 3, 4, 5, 6], "<i2").tobytes()
    samples = chunk_of(data, AudioFormat(48_000, 3, "S16LE")).samples
    assert (samples * 32_768).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_floats_a_little_over_one_are_clipped() -> None:
    data = np.array([1.5, -1.5], "<f4").tobytes()
    assert chunk_of(data, AudioFormat(16_000, 1, "F32LE")).samples[:, 0].tolist() == [1.0, -1.0]


@pytest.mark.parametrize(
    ("data", "form", "kind"),
    [
        (b"", PLAIN, "empty"),
        (b"\x00", PLAIN, "truncated"),
        (bytes(1601), PLAIN, "truncated"),
        (bytes(6), AudioFormat(16_000, 2, "S16LE"), "truncated"),
        (bytes(6), AudioFormat(16_000, 1, "S32LE"), "truncated"),
        (bytes(16_000 * 61), AudioFormat(8_000, 1, "S16LE"), "too_long"),
        (np.array([np.nan], "<f4").tobytes(), AudioFormat(16_000, 1, "F32LE"), "not_finite"),
        (np.array([np.inf], "<f4").tobytes(), AudioFormat(16_000, 1, "F32LE"), "not_finite"),
        (np.array([900.0], "<f4").tobytes(), AudioFormat(16_000, 1, "F32LE"), "sample_format"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(data: bytes, form: AudioFormat, kind: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        chunk_of(data, form)
    assert caught.value.kind == kind


def test_a_format_is_read_from_its_message() -> None:
    assert format_from_info(info()) == AudioFormat(44_100, 2, "S16LE")
    assert (
        format_from_info(info(coding_format="", sample_format=" f32le ")).sample_format == "F32LE"
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": 4_000}, "sample_rate"),
        ({"sample_rate": 96_000}, "sample_rate"),
        ({"channels": 0}, "channels"),
        ({"channels": 200}, "channels"),
        ({"sample_format": "S24LE"}, "sample_format"),
        ({"sample_format": "S16BE"}, "sample_format"),
        ({"sample_format": ""}, "sample_format"),
        ({"coding_format": "mp3"}, "coding_format"),
        ({"coding_format": "opus"}, "coding_format"),
    ],
)
def test_a_format_that_is_not_supported_is_refused(fields: dict[str, Any], kind: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        format_from_info(info(**fields))
    assert caught.value.kind == kind


forms = st.builds(
    AudioFormat,
    st.integers(8_000, 48_000),
    st.integers(1, 32),
    st.sampled_from(["S16LE", "S32LE", "F32LE"]),
)


@given(st.binary(max_size=400), forms)
def test_any_bytes_are_sound_or_invalid_input(data: bytes, form: AudioFormat) -> None:
    try:
        chunk = chunk_of(data, form)
    except InvalidInput:
        return
    assert chunk.samples.shape[1] == form.channels
    assert np.abs(chunk.samples).max() <= 1.0


@given(st.integers(0, 255), st.integers(0, 2**32 - 1), st.text(max_size=8), st.text(max_size=8))
def test_any_format_message_is_read_or_invalid_input(
    channels: int, rate: int, sample_format: str, coding: str
) -> None:
    fields = {"sample_format": sample_format, "coding_format": coding}
    try:
        form = format_from_info(info(channels=channels, sample_rate=rate, **fields))
    except InvalidInput:
        return
    assert 8_000 <= form.sample_rate_hz <= 48_000


@pytest.mark.parametrize(
    ("sample_format", "bits"), [("S16LE", 512_000), ("S32LE", 1_024_000), ("F32LE", 1_024_000)]
)
def test_what_we_publish_is_what_we_read(sample_format: str, bits: int) -> None:
    form = AudioFormat(16_000, 2, sample_format)
    message = info_to_msg(form)
    assert format_from_info(message) == form
    assert (message.coding_format, message.bitrate) == ("wave", bits)
    data = bytes(range(64))
    stamped = stamped_from_bytes(data, 1_700_000_000_123_456_789, "ear")
    assert bytes(stamped.audio.data) == data
    assert (stamped.header.stamp.sec, stamped.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert stamped.header.frame_id == "ear"
