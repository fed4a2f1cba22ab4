"""Sound to a loudspeaker."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.sound_card import devices
from edge_mm_ros.pipelines.sound_card.devices import NoSoundCard, find_device

# A driver that asks for no sound for so long has lost its device.
_STALL_S = 1.0


class Loudspeaker:
    """Plays mono sound as it comes, and nothing where none has come.

    Args:
        device: name, part of a name, or number; empty: the default one.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._pieces: deque[NDArray[np.int16]] = deque()
        self._stream: Any = None
        self._sample_rate_hz = 0
        self._filled_s = 0.0
        self._lost = False

    def try_out(self) -> str:
        """The name of the device.

        Raises:
            NoSoundCard: it is not there.
        """
        return find_device(self._device, "output").name

    def play(self, samples: NDArray[np.int16], sample_rate_hz: int) -> None:
        """Play samples (n,) after those that wait.

        Raises:
            NoSoundCard: the device cannot be used, or is gone.
        """
        if self._stream is not None and not (
            self._alive() and sample_rate_hz == self._sample_rate_hz
        ):
            self.close()
        if self._stream is None:
            self._open(sample_rate_hz)
        with self._lock:
            self._pieces.append(samples)

    def hush(self) -> None:
        """Drop what waits."""
        with self._lock:
            self._pieces.clear()

    @property
    def waiting(self) -> bool:
        """Whether sound waits that will be played."""
        with self._lock:
            return bool(self._pieces) and self._alive()

    def finish(self) -> None:
        """Let the device play what it has, and give it back."""
        self._end("stop")

    def close(self) -> None:
        """Be silent at once, and give the device back."""
        self._end("abort")

    def _end(self, how: str) -> None:
        self.hush()
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            getattr(stream, how)()
            stream.close()
        except Exception:
            return  # it is gone already
        finally:
            devices.stream_closed()

    def _open(self, sample_rate_hz: int) -> None:
        if self._lost:
            devices.look_again()
        self._lost = True
        device = find_device(self._device, "output")
        sound = devices.library()
        try:
            stream = sound.RawOutputStream(
                device=device.index,
                channels=1,
                dtype="int16",
                samplerate=sample_rate_hz,
                latency="low",
                callback=self._fill,
            )
            stream.start()
        except Exception as error:  # PortAudioError, ValueError: the device refuses
            raise NoSoundCard(
                f"loudspeaker '{device.name}' does not play mono sound at {sample_rate_hz} Hz: "
                f"{error}; name another 'device', or see whether another program holds it"
            ) from error
        self._stream, self._sample_rate_hz = stream, sample_rate_hz
        self._lost = False
        self._filled_s = time.monotonic()
        devices.stream_opened()

    def _alive(self) -> bool:
        try:
            active = self._stream is not None and bool(self._stream.active)
        except Exception:  # a device that went away may answer anything
            return False
        return active and time.monotonic() - self._filled_s < _STALL_S

    def _fill(self, data: Any, frames: int, _time: Any, _status: Any) -> None:
        """Called by the driver for the next samples."""
        self._filled_s = time.monotonic()
        out = np.frombuffer(data, dtype=np.int16)
        filled = 0
        with self._lock:
            while self._pieces and filled < frames:
                piece = self._pieces.popleft()
                part = piece[: frames - filled]
                out[filled : filled + len(part)] = part
                if len(part) < len(piece):
                    self._pieces.appendleft(piece[len(part) :])
                filled += len(part)
        out[filled:] = 0
