"""Sound from a microphone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_mm_ros.pipelines.sound_card import devices
from edge_mm_ros.pipelines.sound_card.devices import NoSoundCard, SoundDevice, find_device
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_DTYPES = {"S16LE": "int16", "S32LE": "int32", "F32LE": "float32"}
# Some drivers leave the times of PortAudio at 0 or far off.
_MAX_AGE_S = 2.0
_CORRECTION = 0.02
_MAX_DRIFT_NS = NS_PER_S // 5  # more is no jitter: sound was lost, or the clock was set


@dataclass(frozen=True)
class CapturedSound:
    """What one call of the driver brought.

    Attributes:
        data: interleaved samples in the format that was asked for.
        begin_ns: when the first sample was at the microphone, nanoseconds.
        overflow: whether sound before it was lost.
    """

    data: bytes
    begin_ns: int
    overflow: bool


class CaptureStamps:
    """Stamps that run on with the sound and follow the driver's times slowly, as those jitter."""

    def __init__(self) -> None:
        self._next_ns: int | None = None

    def reset(self) -> None:
        """What comes next does not join what came before."""
        self._next_ns = None

    def stamp(self, begin_ns: int, length_ns: int) -> int:
        """The stamp of the next sound.

        Args:
            begin_ns: when its first sample was captured, as the driver says, nanoseconds.
            length_ns: how long it lasts, nanoseconds.
        """
        if self._next_ns is None or abs(begin_ns - self._next_ns) > _MAX_DRIFT_NS:
            stamp_ns = begin_ns
        else:
            stamp_ns = self._next_ns + round((begin_ns - self._next_ns) * _CORRECTION)
        self._next_ns = stamp_ns + length_ns
        return stamp_ns


class Capture:
    """An open microphone.

    Args:
        device: name, part of a name, or number; empty: the default one.
        sample_rate_hz: samples per second and channel.
        channels: interleaved channels.
        sample_format: ``S16LE``, ``S32LE`` or ``F32LE``.
        chunk_s: sound of one call.
        now_ns: the clock of the stamps.
        on_sound: gets the sound, on a thread of the driver; must be quick.

    Raises:
        NoSoundCard: the device is not there, or cannot do this.
    """

    def __init__(
        self,
        device: str,
        *,
        sample_rate_hz: int,
        channels: int,
        sample_format: str,
        chunk_s: float,
        now_ns: Callable[[], int],
        on_sound: Callable[[CapturedSound], None],
    ) -> None:
        self.device: SoundDevice = find_device(device, "input")
        self._now_ns = now_ns
        self._on_sound = on_sound
        self._sample_rate_hz = sample_rate_hz
        settings: dict[str, Any] = {
            "device": self.device.index,
            "channels": channels,
            "dtype": _DTYPES[sample_format],
            "samplerate": sample_rate_hz,
        }
        sound = devices.library()
        try:
            sound.check_input_settings(**settings)
            self._stream = sound.RawInputStream(
                **settings, blocksize=max(1, round(chunk_s * sample_rate_hz)), callback=self._take
            )
            self._stream.start()
        except Exception as error:  # PortAudioError, ValueError: the device refuses
            raise NoSoundCard(
                f"microphone '{self.device.name}' does not give {channels} channel(s) of "
                f"{sample_format} at {sample_rate_hz} Hz: {error}; correct the parameters, or see "
                "whether another program holds it"
            ) from error
        devices.stream_opened()

    @property
    def running(self) -> bool:
        """Whether the driver still runs it."""
        try:
            return bool(self._stream.active)
        except Exception:  # a device that went away may answer anything
            return False

    def close(self) -> None:
        """Give the microphone back."""
        try:
            self._stream.close()
        except Exception:
            return  # it is gone already
        finally:
            devices.stream_closed()

    def _take(self, data: Any, frames: int, time: Any, status: Any) -> None:
        now_ns = self._now_ns()
        length_s = frames / self._sample_rate_hz
        age_s = time.currentTime - time.inputBufferAdcTime
        if not (time.inputBufferAdcTime > 0 and length_s <= age_s <= length_s + _MAX_AGE_S):
            age_s = length_s  # it has just become complete
        overflow = bool(getattr(status, "input_overflow", False))
        self._on_sound(CapturedSound(bytes(data), now_ns - to_ns(age_s), overflow))
