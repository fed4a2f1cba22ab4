"""The package ``sounddevice`` on a machine whose sound cards a test plugs in and out.

It has the calls, the names and the behaviour (also the odd one) of sounddevice 0.5 on PortAudio.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


class PortAudioError(Exception):
    """As PortAudio raises it."""


@dataclass
class FakeSoundDevice:
    """Put it in place with `install`.

    Attributes:
        devices: name, input and output channels of each device that is plugged in.
        streams: all streams that were opened, in order.
    """

    devices: list[tuple[str, int, int]] = field(
        default_factory=lambda: [("HDA Intel: ALC257", 2, 2), ("USB microphone", 1, 0)]
    )
    rates: tuple[int, ...] = (16_000, 22_050, 44_100, 48_000)
    default_device: list[int] = field(default_factory=lambda: [0, 0])
    streams: list[FakeStream] = field(default_factory=list)
    restarts: int = 0
    listed: list[tuple[str, int, int]] = field(default_factory=list)
    PortAudioError: type[Exception] = PortAudioError

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
        self.listed = list(self.devices)
        monkeypatch.setitem(sys.modules, "sounddevice", self)
        return self

    @property
    def default(self) -> Any:
        return SimpleNamespace(device=self.default_device)

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "max_input_channels": inputs, "max_output_channels": outputs}
            for name, inputs, outputs in self.listed
        ]

    def check_input_settings(self, device: int, channels: int, dtype: str, samplerate: int) -> None:
        self._check(device, channels, samplerate, 1)

    def RawInputStream(self, *, callback: Any, **settings: Any) -> FakeStream:  # noqa: N802
        return self._stream(callback, settings, 1)

    def RawOutputStream(self, *, callback: Any, **settings: Any) -> FakeStream:  # noqa: N802
        return self._stream(callback, settings, 2)

    def _terminate(self) -> None:
        self.listed = []

    def _initialize(self) -> None:
        self.restarts += 1
        self.listed = list(self.devices)

    def _stream(self, callback: Any, settings: dict[str, Any], direction: int) -> FakeStream:
        self._check(settings["device"], settings["channels"], settings["samplerate"], direction)
        self.streams.append(FakeStream(callback, settings))
        return self.streams[-1]

    def _check(self, device: int, channels: int, rate_hz: int, direction: int) -> None:
        known = self.listed[device]
        if known not in self.devices:
            raise PortAudioError("Error opening stream: Device unavailable [PaErrorCode -9985]")
        if channels > known[direction]:
            raise PortAudioError("Invalid number of channels [PaErrorCode -9998]")
        if rate_hz not in self.rates:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")


@dataclass
class FakeStream:
    """One stream; a test plays the driver."""

    callback: Any
    settings: dict[str, Any]
    active: bool = False
    closed: str = ""

    def start(self) -> None:
        self.active = True

    def stop(self) -> None:
        self.active, self.closed = False, "stopped"

    def abort(self) -> None:
        self.active, self.closed = False, "aborted"

    def close(self) -> None:
        self.active = False
        self.closed = self.closed or "closed"

    def hear(
        self, samples: np.ndarray, adc_s: float = 0.0, now_s: float = 0.0, overflow: bool = False
    ) -> None:
        """Let the driver bring samples (n, channels)."""
        time = SimpleNamespace(inputBufferAdcTime=adc_s, currentTime=now_s)
        status = SimpleNamespace(input_overflow=overflow)
        self.callback(samples.tobytes(), len(samples), time, status)

    def ask(self, frames: int) -> np.ndarray:
        """Let the driver ask for so many mono samples."""
        data = bytearray(b"\x55" * (2 * frames))
        self.callback(data, frames, None, None)
        return np.frombuffer(bytes(data), dtype=np.int16)
