"""A WAV file that comes through a pipe."""

from __future__ import annotations

import contextlib
import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.synthesis.wav_stream import WavStream


def wav(samples: np.ndarray, rate_hz: int = 22_050, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(samples.shape[1])
        out.setsampwidth(width)
        out.setframerate(rate_hz)
        out.writeframes(samples.tobytes())
    return file.getvalue()


RAMP = np.arange(-500, 500, dtype="<i2").reshape(-1, 1)


@given(st.integers(1, 700))
def test_pieces_of_any_size_give_the_sound(size: int) -> None:
    stream = WavStream()
    data = wav(RAMP)
    parts = [stream.push(data[place : place + size]) for place in range(0, len(data), size)]
    assert np.array_equal(np.concatenate(parts), RAMP[:, 0])
    assert stream.sample_rate_hz == 22_050


def test_lengths_in_the_header_are_not_believed_and_odd_parts_are_skipped() -> None:
    data = bytearray(wav(RAMP))
    struct.pack_into("<I", data, 40, 0x7FFFF000)  # as espeak-ng writes through a pipe
    data[12:12] = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    assert np.array_equal(WavStream().push(bytes(data)), RAMP[:, 0])


def test_channels_are_averaged() -> None:
    both = np.stack([np.full(10, 100), np.full(10, 300)], axis=1).astype("<i2")
    assert set(WavStream().push(wav(both))) == {200}


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"Error: no such voice", "no WAV file"),
        (wav(RAMP, width=1), "8-bit samples"),
        (wav(RAMP, rate_hz=200), "at 200 Hz"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "does not tell its format"),
        (b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff", "no sound in its first"),
    ],
    ids=["text", "8 bit", "rate", "no format", "endless header"],
)
def test_what_is_no_such_file_is_refused(data: bytes, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        WavStream().push(data)


@given(st.binary(max_size=300))
def test_nothing_else_ever_goes_wrong(data: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        WavStream().push(b"RIFF\0\0\0\0WAVE" + data)
