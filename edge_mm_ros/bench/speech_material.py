"""Recordings whose text is known, and sound in which nobody speaks."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.bench.material import speech
from edge_mm_ros.datatypes import EdgeMmError

RATE_HZ = 16_000
LOUDNESSES = (0.01, 0.1, 0.5)
_SEED = 5
_LOUD = 0.05
_MARGIN_S = 0.3
_MOONSHINE: Mapping[str, str] = {
    # Dickens 1859 and Beckett 1983; as the recordings read them.
    "two_cities.wav": "It was the best of times, it was the worst of times, it was the age of "
    "wisdom, it was the age of foolishness, it was the epoch of belief, it was the epoch of "
    "incredulity, it was the season of light, it was the season of darkness, it was the spring of "
    "hope, it was the winter of despair, we had everything before us, we had nothing before us, "
    "we were all going direct to heaven, we were all going direct the other way. In short, the "
    "period was so far like the present period, that some of its noisiest authorities insisted on "
    "its being received, for good or for evil, in the superlative degree of comparison only.",
    "beckett.wav": "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
}
SAMPLE_TEXT = "Stop the robot, somebody fell down."

Sound = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Recording:
    """Speech: float32 (n,), mono, 16 kHz, and what is said."""

    name: str
    samples: Sound
    text: str


def recordings() -> list[Recording]:
    """The readings of the package ``moonshine-voice`` where it is installed, and the sample's."""
    found = [Recording("sample", _trimmed(speech()), SAMPLE_TEXT)]
    spec = importlib.util.find_spec("moonshine_voice")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        found += [
            Recording(name, read(Path(folder, "assets", name)), text)
            for name, text in _MOONSHINE.items()
        ]
    return found


def read(path: Path) -> Sound:
    """A sound file as float32 (n,), mono, 16 kHz.

    Raises:
        EdgeMmError: a package that reads and resamples is missing.
    """
    try:
        import soundfile
        import soxr
    except ImportError as error:
        raise EdgeMmError(
            f"recordings need the package {error.name}; install it with: "
            "pip install edge_mm_ros[speech,test]"
        ) from error
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate_hz, RATE_HZ), np.float32)


def _trimmed(sound: Sound) -> Sound:
    """From just before the first loud sample to just after the last."""
    loud = np.flatnonzero(np.abs(sound) > _LOUD)
    margin = round(_MARGIN_S * RATE_HZ)
    return sound[max(0, loud[0] - margin) : loud[-1] + margin]


def with_noise(sound: Sound, snr_db: float) -> Sound:
    """Speech in pink noise, at a ratio of their mean powers."""
    noise = _pink(len(sound), np.random.default_rng(_SEED))
    power = float(np.mean(sound**2))
    noise *= np.sqrt(power / 10 ** (snr_db / 10) / np.mean(noise**2))
    return np.clip(sound + noise, -1.0, 1.0).astype(np.float32)


def non_speech(
    total_s: float, voices: Sequence[Sound], seed: int = _SEED
) -> Iterator[tuple[str, Sound]]:
    """Every kind of noise at every loudness, named, together `total_s` long.

    Args:
        total_s: length of all, seconds.
        voices: speech of which babble is made: many voices at once, backwards, so that no word
            of them can be understood.
        seed: of all that is random.
    """
    kinds = (len(_NOISES) + 1) * len(LOUDNESSES) + 2
    count = round(total_s / kinds * RATE_HZ)
    random = np.random.default_rng(seed)
    yield "silence", np.zeros(count, np.float32)
    for loudness in LOUDNESSES:
        for name, make in _NOISES.items():
            yield f"{name} {loudness:g}", _scaled(make(count, random), loudness)
        yield f"babble {loudness:g}", _scaled(_babble(count, voices, random), loudness)
    yield "clipped white", np.clip(random.normal(0, 3, count), -1, 1).astype(np.float32)


def _scaled(noise: NDArray[np.float64], rms: float) -> Sound:
    scaled = noise * (rms / np.sqrt(np.mean(noise**2)))
    return np.clip(scaled, -1.0, 1.0).astype(np.float32)


def _white(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    return random.normal(0.0, 1.0, count)


def _pink(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(random.normal(0.0, 1.0, count))
    spectrum /= np.sqrt(np.maximum(1.0, np.arange(len(spectrum))))
    return np.asarray(np.fft.irfft(spectrum, count))


def _time_s(count: int) -> NDArray[np.float64]:
    return np.arange(count) / RATE_HZ


def _hum(count: int, _random: np.random.Generator) -> NDArray[np.float64]:
    parts = [np.sin(2 * np.pi * 50 * k * _time_s(count)) / k for k in (1, 2, 3, 5)]
    return np.asarray(np.sum(parts, axis=0))


def _engine(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Firing at 25 to 60 Hz as the speed changes, with overtones and noise at every stroke."""
    time_s = _time_s(count)
    phase = np.cumsum(42 + 17 * np.sin(2 * np.pi * 0.07 * time_s)) / RATE_HZ
    tones = [np.sin(2 * np.pi * k * phase) / k**0.7 for k in range(1, 24)]
    strokes = np.maximum(0.0, np.cos(2 * np.pi * phase)) ** 4
    return np.asarray(np.sum(tones, axis=0) + 2 * strokes * random.normal(0, 1, count))


def _music(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Chords of plucked notes, two a second."""
    sound = np.zeros(count)
    length = RATE_HZ
    decay = np.exp(-3 * _time_s(length))
    for begin in range(0, count - length, RATE_HZ // 2):
        root = 110 * 2 ** (random.integers(0, 24) / 12)
        for step in (0, 4, 7):
            pitch = root * 2 ** (step / 12)
            for k in range(1, 6):
                tone = np.sin(2 * np.pi * k * pitch * _time_s(length)) / k**1.5
                sound[begin : begin + length] += tone * decay
    return sound + 1e-6


def _babble(
    count: int, voices: Sequence[Sound], random: np.random.Generator
) -> NDArray[np.float64]:
    sound = np.zeros(count)
    for _ in range(12):
        voice = voices[int(random.integers(len(voices)))][::-1]
        sound += np.roll(np.resize(voice, count), int(random.integers(len(voice))))
    return sound


_NOISES: Mapping[str, Callable[[int, np.random.Generator], NDArray[np.float64]]] = {
    "white": _white,
    "pink": _pink,
    "hum": _hum,
    "engine": _engine,
    "music": _music,
}
