"""Sound files: of any rate and any number of channels, damaged, or none at all."""

from __future__ import annotations

import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_mm_ros.datatypes import EdgeMmError, InvalidInput
from edge_mm_ros.pipelines.sound_file import SoundFile

STOP_WAV = Path(__file__).parents[1] / "data" / "stop_the_robot.wav"
NOISE = np.random.default_rng(5).integers(-20_000, 20_000, 40_000).astype(np.int16)


def write_wav(path: Path, samples: np.ndarray, rate_hz: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def played(file: SoundFile, length_s: float = 0.1) -> tuple[np.ndarray, list[InvalidInput]]:
    faults: list[InvalidInput] = []
    return np.concatenate(list(file.chunks(length_s, faults.append))), faults


@pytest.fixture(params=["soundfile", "no package"])
def packages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no package":
        monkeypatch.setitem(sys.modules, "soundfile", None)
    else:
        pytest.importorskip("soundfile")
    return str(request.param)


def test_the_shipped_recording_is_given_sample_by_sample(packages: str) -> None:
    with wave.open(str(STOP_WAV), "rb") as plain:
        expected = np.frombuffer(plain.readframes(10**7), "<i2").reshape(-1, 1)
        rate_hz = plain.getframerate()
    file = SoundFile(STOP_WAV)
    assert (file.sample_rate_hz, file.channels) == (rate_hz, 1)
    samples, faults = played(file)
    assert np.array_equal(samples, expected)
    assert faults == []


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_odd_rates_and_channels_are_played_as_they_are(
    tmp_path: Path, packages: str, rate_hz: int, channels: int
) -> None:
    samples = NOISE[: 4000 * channels].reshape(-1, channels)
    file = SoundFile(write_wav(tmp_path / "a.wav", samples, rate_hz))
    chunks = list(file.chunks(0.1))
    assert {len(chunk) for chunk in chunks[:-1]} <= {round(0.1 * rate_hz)}
    assert np.array_equal(np.concatenate(chunks), samples)


@pytest.mark.parametrize(("rate_hz", "given_hz"), [(96_000, 48_000), (4000, 8000)])
@pytest.mark.parametrize("channels", [1, 2])
def test_rates_that_no_topic_carries_are_converted(
    tmp_path: Path, rate_hz: int, given_hz: int, channels: int
) -> None:
    pytest.importorskip("soxr")
    time_s = np.arange(rate_hz) / rate_hz
    tone = np.rint(10_000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)
    path = write_wav(tmp_path / "a.wav", np.repeat(tone[:, None], channels, axis=1), rate_hz)
    file = SoundFile(path)
    assert file.sample_rate_hz == given_hz
    samples, faults = played(file)
    assert abs(len(samples) - given_hz) <= 2
    expected = 10_000 * np.sin(2 * np.pi * 440 * np.arange(len(samples)) / given_hz)
    middle = slice(given_hz // 10, -given_hz // 10)
    assert np.abs(samples[middle] - expected[middle, None]).max() < 200
    assert faults == []


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "WAV"])
def test_other_files_are_read_where_the_package_is_there(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"a.{kind.lower()}"
    tone = np.sin(np.arange(16_000) * 0.2).astype(np.float32)
    soundfile.write(path, tone, 16_000, format=kind, subtype="FLOAT" if kind == "WAV" else None)
    samples, faults = played(SoundFile(path))
    assert len(samples) == 16_000
    assert np.abs(samples[:, 0] / 32_768 - tone)[1000:-1000].mean() < 0.05
    assert faults == []
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(EdgeMmError, match=r"pip\s+install edge_mm_ros\[voice\]"):
        SoundFile(path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("a text, no sound\n" * 100),
        lambda path: path.write_bytes(bytes(1000)),
        lambda path: path.write_bytes(STOP_WAV.read_bytes()[:20]),
        lambda path: write_wav(path, np.zeros((0, 1)), 16_000),
    ],
    ids=["empty", "text", "zeros", "half a header", "no samples"],
)
def test_what_is_no_sound_is_refused_by_name(
    tmp_path: Path, packages: str, write: Callable[[Path], object]
) -> None:
    path = tmp_path / "odd.wav"
    write(path)
    with pytest.raises(EdgeMmError, match=r"odd\.wav (is no|holds no sound)"):
        SoundFile(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(EdgeMmError, match="is not there; correct 'sound_file'"):
            SoundFile(path)


def test_a_truncated_file_is_played_as_far_as_it_goes_and_told(
    tmp_path: Path, packages: str
) -> None:
    path = write_wav(tmp_path / "a.wav", NOISE.reshape(-1, 1), 16_000)
    path.write_bytes(path.read_bytes()[: 44 + 2 * 10_000 + 1])
    samples, faults = played(SoundFile(path))
    assert np.array_equal(samples[:, 0], NOISE[:10_000])
    assert [fault.kind for fault in faults] == ["truncated"]
    assert "a.wav is truncated" in str(faults[0])


def test_a_damaged_flac_is_played_as_far_as_it_goes_and_told(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    soundfile.write(path, NOISE, 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    samples, faults = played(SoundFile(path))
    assert 0 < len(samples) < 40_000
    assert np.array_equal(samples[:, 0], NOISE[: len(samples)])
    assert [fault.kind for fault in faults] == ["truncated"]


def test_samples_that_are_not_finite_are_silenced_and_told(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.wav"
    soundfile.write(path, np.array([0.5, np.nan, np.inf, -2.0], np.float32), 16_000, "FLOAT")
    samples, faults = played(SoundFile(path))
    assert samples[:, 0].tolist() == [16_384, 0, 0, -32_768]
    assert [fault.kind for fault in faults] == ["not_finite"]


def test_without_soxr_the_mend_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_wav(tmp_path / "a.wav", NOISE.reshape(-1, 1), 96_000)
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(EdgeMmError, match=r"96000 Hz; .*pip install edge_mm_ros\[speech\]"):
        SoundFile(path)
