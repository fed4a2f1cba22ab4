"""A WAV file that comes through a pipe, as its sound.

Its header is written before its length is known, so the lengths in it are not believed.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import InvalidInput

_PCM, _EXTENSIBLE = 1, 0xFFFE
_MAX_HEADER_BYTES = 65_536
_MAX_CHANNELS = 32


class WavStream:
    """Takes the bytes as they come.

    Attributes:
        sample_rate_hz: samples per second; 0 until the header has told it.
    """

    def __init__(self) -> None:
        self.sample_rate_hz = 0
        self._channels = 0
        self._in_sound = False
        self._rest = b""

    def push(self, data: bytes) -> NDArray[np.int16]:
        """The mono samples (n,) that are complete; channels are averaged.

        Raises:
            InvalidInput: of the kind ``no_wav``: it is no WAV file with 16-bit samples.
        """
        self._rest += data
        if not self._in_sound and not self._read_header():
            return np.zeros(0, np.int16)
        width = 2 * self._channels
        whole = len(self._rest) - len(self._rest) % width
        frames = np.frombuffer(self._rest[:whole], dtype="<i2").reshape(-1, self._channels)
        self._rest = self._rest[whole:]
        if self._channels == 1:
            return np.asarray(frames[:, 0], dtype=np.int16)
        return np.asarray(np.rint(frames.mean(axis=1, dtype=np.float32)), dtype=np.int16)

    def _read_header(self) -> bool:
        """Whether the sound has begun; what comes before it is gone then."""
        if len(self._rest) >= 12 and (self._rest[:4], self._rest[8:12]) != (b"RIFF", b"WAVE"):
            raise InvalidInput("no_wav", f"it is no WAV file: it begins with {self._rest[:12]!r}")
        place = 12
        while len(self._rest) >= place + 8:
            name, size = struct.unpack_from("<4sI", self._rest, place)
            if name == b"data":
                if not self._channels:
                    raise InvalidInput("no_wav", "its WAV file does not tell its format")
                self._rest = self._rest[place + 8 :]
                self._in_sound = True
                return True
            if name == b"fmt " and len(self._rest) >= place + 8 + max(size, 16):
                self._read_format(place + 8)
            place += 8 + size + size % 2
            if place > _MAX_HEADER_BYTES:
                raise InvalidInput("no_wav", "its WAV file has no sound in its first 64 kB")
        return False

    def _read_format(self, place: int) -> None:
        coding, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", self._rest, place)
        if coding not in {_PCM, _EXTENSIBLE} or bits != 16:
            raise InvalidInput(
                "no_wav", f"its WAV file has {bits}-bit samples of coding {coding}, not 16-bit PCM"
            )
        if not 1 <= channels <= _MAX_CHANNELS or not 8_000 <= rate_hz <= 48_000:
            raise InvalidInput(
                "no_wav", f"its WAV file has {channels} channel(s) at {rate_hz} Hz, which is odd"
            )
        self._channels, self.sample_rate_hz = channels, rate_hz
