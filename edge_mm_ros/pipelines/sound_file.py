"""Sound files as a stream of chunks."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import EdgeMmError, InvalidInput

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 48_000
MAX_CHANNELS = 32


class SoundFile:
    """A file whose format is known and fits; its sound is read piece by piece.

    WAV files with 16-bit samples need no package; all others (FLAC, OGG, MP3, other WAV) need
    ``soundfile``. A rate outside 8 to 48 kHz is converted (package ``soxr``).

    Args:
        path: the file.

    Attributes:
        path: the file.
        sample_rate_hz: of the sound that it gives.
        channels: interleaved channels.

    Raises:
        EdgeMmError: it is not there, is no sound, or needs a package that is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        with self._open() as file:
            self._rate_hz = int(file.samplerate)
            self.channels = int(file.channels)
            if not file.frames:
                raise EdgeMmError(f"{self.path} holds no sound; was it copied to its end?")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise EdgeMmError(
                f"{self.path} has {self.channels} channels; supported: 1 to {MAX_CHANNELS}"
            )
        if self._rate_hz <= 0:
            raise EdgeMmError(f"{self.path} tells a sample rate of {self._rate_hz} Hz")
        self.sample_rate_hz = min(max(self._rate_hz, MIN_RATE_HZ), MAX_RATE_HZ)
        self._resampler()  # whether it can be made shows now

    def chunks(
        self, length_s: float, on_notice: Callable[[InvalidInput], None] = lambda fault: None
    ) -> Iterator[NDArray[np.int16]]:
        """The sound in chunks (n, channels) of equal length; the last may be shorter.

        Args:
            length_s: of a chunk.
            on_notice: told of what is wrong in the file; what can be read of it is given.
        """
        length = max(1, round(length_s * self.sample_rate_hz))
        rest = np.zeros((0, self.channels), np.float32)
        for piece in self._pieces(on_notice):
            rest = np.concatenate([rest, piece])
            while len(rest) >= length:
                yield _as_int16(rest[:length], on_notice)
                rest = rest[length:]
        if len(rest):
            yield _as_int16(rest, on_notice)

    def _pieces(self, on_notice: Callable[[InvalidInput], None]) -> Iterator[NDArray[np.float32]]:
        convert = self._resampler()
        count = self._rate_hz  # a second at a time
        with self._open() as file:
            announced, read = int(file.frames), 0
            while True:
                try:
                    piece = file.read(count)
                except Exception as error:  # whatever a damaged file makes a decoder say
                    on_notice(self._broken(f"cannot be decoded any further: {error}"))
                    break
                read += len(piece)
                if not len(piece):
                    if read < announced or file.cut_short:
                        on_notice(self._broken("is truncated"))
                    break
                yield convert(piece, False)
        yield convert(np.zeros((0, self.channels), np.float32), True)

    def _broken(self, what: str) -> InvalidInput:
        return InvalidInput(
            "truncated", f"{self.path} {what}; what could be read of it was played; copy it anew"
        )

    def _resampler(self) -> Callable[[NDArray[np.float32], bool], NDArray[np.float32]]:
        if self.sample_rate_hz == self._rate_hz:
            return lambda samples, last: samples
        try:
            import soxr
        except ImportError as error:
            raise EdgeMmError(
                f"{self.path} has {self._rate_hz} Hz; to convert it, install the package soxr "
                "with: pip install edge_mm_ros[speech]"
            ) from error
        stream: Any = soxr.ResampleStream(
            self._rate_hz, self.sample_rate_hz, self.channels, dtype="float32"
        )

        def convert(samples: NDArray[np.float32], last: bool) -> NDArray[np.float32]:
            flat = samples[:, 0] if self.channels == 1 else samples
            out = stream.resample_chunk(np.ascontiguousarray(flat), last=last)
            return np.asarray(out, dtype=np.float32).reshape(-1, self.channels)

        return convert

    def _open(self) -> _PlainWav | _AnyFile:
        if not self.path.is_file():
            raise EdgeMmError(f"sound file {self.path} is not there; correct 'sound_file'")
        try:
            return _AnyFile(self.path)
        except ModuleNotFoundError:
            return _PlainWav(self.path)


class _AnyFile:
    """A file as ``soundfile`` reads it."""

    def __init__(self, path: Path) -> None:
        import soundfile

        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.SoundFileError, RuntimeError, OSError) as error:
            raise EdgeMmError(
                f"{path} is no sound file that can be read: {error}; convert it to WAV or FLAC"
            ) from error
        self.samplerate = self._file.samplerate
        self.channels = self._file.channels
        self.frames = self._file.frames
        # libsndfile corrects a header that promises more than there is, and only mentions it.
        self.cut_short = "(should be" in self._file.extra_info

    def __enter__(self) -> _AnyFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, count: int) -> NDArray[np.float32]:
        """The next samples (n, channels)."""
        samples: NDArray[np.float32] = self._file.read(count, dtype="float32", always_2d=True)
        return samples


class _PlainWav:
    """A 16-bit WAV file without any package."""

    cut_short = False  # its length shows it

    def __init__(self, path: Path) -> None:
        try:
            self._file = wave.open(str(path), "rb")  # noqa: SIM115
        except (wave.Error, EOFError, OSError) as error:
            raise EdgeMmError(
                f"{path} is no WAV file that can be read ({error or 'it is empty'}); other files "
                "need the package soundfile: pip install edge_mm_ros[voice]"
            ) from error
        if self._file.getsampwidth() != 2:
            self._file.close()
            raise EdgeMmError(
                f"{path} has no 16-bit samples; install the package soundfile to read it: pip "
                "install edge_mm_ros[voice]"
            )
        self.samplerate = self._file.getframerate()
        self.channels = self._file.getnchannels()
        self.frames = self._file.getnframes()

    def __enter__(self) -> _PlainWav:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, count: int) -> NDArray[np.float32]:
        """The next samples (n, channels)."""
        data = self._file.readframes(count)
        data = data[: len(data) - len(data) % (2 * self.channels)]
        samples = np.frombuffer(data, dtype="<i2").reshape(-1, self.channels)
        return samples.astype(np.float32) / np.float32(32_768)


def _as_int16(
    samples: NDArray[np.float32], on_notice: Callable[[InvalidInput], None]
) -> NDArray[np.int16]:
    if not np.isfinite(samples).all():
        on_notice(InvalidInput("not_finite", "samples of the sound file are not finite: silenced"))
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    scaled = np.rint(samples * np.float32(32_768)).clip(-32_768, 32_767)
    return np.asarray(scaled, dtype=np.int16)
