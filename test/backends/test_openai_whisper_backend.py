"""Whisper on PyTorch: tensors only. The engine is faked, but for the tests that need it."""

from __future__ import annotations

import importlib.util
import os
import pickle
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.fake_whisper import DIMS, SEGMENT, FakeWhisper, checkpoint
from fakes.real_models import needs
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendError, InputRefused, ModelArtifact, TranscriptionModel
from edge_mm_ros.backends import engines as engines_module
from edge_mm_ros.backends.openai_whisper_backend import (
    OpenAIWhisperBackend,
    OpenAIWhisperModel,
    UnsafeModelFile,
)

SOUND = np.full(8000, 0.25, np.float32)


class RunsCode:
    """Pickled, it creates a folder when it is read."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._trace),)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pt"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    return path


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeWhisper:
    fake = FakeWhisper([], [], checkpoint(), [SEGMENT])
    fake.install(monkeypatch)
    return fake


def load(file: Path, device: str = "cpu", **options: Any) -> OpenAIWhisperModel:
    artifact = ModelArtifact("tiny", file, "transcription")
    return OpenAIWhisperBackend().load(artifact, device, options)


def test_what_the_engine_heard_comes_out_with_its_measures(engine: FakeWhisper, file: Path) -> None:
    model = load(file, beam_size=3)
    assert isinstance(model, TranscriptionModel)
    result = model.transcribe(SOUND)
    (segment,) = result.segments
    assert segment.text == "stop the robot"
    assert (segment.start_s, segment.end_s) == (0.0, 0.5)
    assert segment.average_log_probability == -0.25
    assert segment.no_speech_probability == 0.125
    assert segment.compression_ratio == 1.5
    assert (result.language, result.language_probability) == ("de", 0.75)
    assert engine.decodes[-1]["beam_size"] == 3
    assert engine.decodes[-1]["temperature"] == 0.0
    assert engine.decodes[-1]["fp16"] is False
    assert (model.device, model.device_memory_bytes) == ("cpu", 0)
    assert model.report["bits"] == "32"


def test_every_load_is_for_tensors_only(engine: FakeWhisper, file: Path) -> None:
    load(file)
    assert [asked["weights_only"] for asked in engine.loads] == [True]


def test_nothing_is_decided_in_the_engine(engine: FakeWhisper, file: Path) -> None:
    load(file).transcribe(SOUND, "en-GB")
    asked = engine.decodes[-1]
    assert asked["language"] == "en"
    assert asked["logprob_threshold"] is None
    assert asked["no_speech_threshold"] is None
    assert asked["compression_ratio_threshold"] is None
    assert asked["condition_on_previous_text"] is False


def test_a_language_that_the_model_has_not_is_refused(engine: FakeWhisper, file: Path) -> None:
    with pytest.raises(InputRefused, match="does not know language 'xx'"):
        load(file).transcribe(SOUND, "xx")
    engine.multilingual = False
    model = load(file)
    assert model.transcribe(SOUND).language == "en"
    with pytest.raises(InputRefused, match="'de'; it is English only"):
        model.transcribe(SOUND, "de")


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(800, np.float64),
        np.zeros((800, 1), np.float32),
        np.full(800, np.nan, np.float32),
    ],
)
def test_samples_that_cannot_be_used_are_refused(
    engine: FakeWhisper, file: Path, samples: NDArray[Any]
) -> None:
    with pytest.raises(InputRefused, match="expected finite float32"):
        load(file).transcribe(samples)


def test_no_samples_give_no_segments(engine: FakeWhisper, file: Path) -> None:
    assert load(file).transcribe(np.zeros(0, np.float32)).segments == ()


def test_an_engine_that_fails_is_named_and_can_be_asked_again(
    engine: FakeWhisper, file: Path
) -> None:
    model = load(file)
    engine.segments = RuntimeError("out of memory\nstack")
    with pytest.raises(BackendError, match="'tiny' failed while transcribing: out of memory$"):
        model.transcribe(SOUND)
    engine.segments = [SEGMENT]
    assert len(model.transcribe(SOUND).segments) == 1


@pytest.mark.parametrize("measure", ["avg_logprob", "no_speech_prob", "compression_ratio"])
def test_measures_that_are_not_finite_are_a_failure(
    engine: FakeWhisper, file: Path, measure: str
) -> None:
    model = load(file)
    engine.segments = [{**SEGMENT, measure: float("nan")}]
    with pytest.raises(BackendError, match="not finite"):
        model.transcribe(SOUND)


def test_a_closed_model_says_so(engine: FakeWhisper, file: Path) -> None:
    model = load(file)
    model.close()
    model.close()
    with pytest.raises(BackendError, match="closed"):
        model.transcribe(SOUND)


def test_a_bare_pickle_is_refused_before_any_engine_sees_it(
    engine: FakeWhisper, tmp_path: Path
) -> None:
    file, trace = tmp_path / "evil.pt", tmp_path / "trace"
    file.write_bytes(pickle.dumps(RunsCode(trace)))
    with pytest.raises(UnsafeModelFile, match=r"evil.pt is a bare pickle, which could run code"):
        load(file)
    assert not trace.exists()
    assert engine.loads == []


def test_what_the_engine_refuses_to_unpickle_is_named_without_its_bad_advice(
    engine: FakeWhisper, file: Path
) -> None:
    engine.held = pickle.UnpicklingError(
        "Weights only load failed. Set `weights_only` to `False`.\n"
        "WeightsUnpickler error: Unsupported global: GLOBAL posix.system was not allowed"
    )
    with pytest.raises(UnsafeModelFile, match=r"more than tensors \(posix.system\)") as error:
        load(file)
    assert "False" not in str(error.value)


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (RuntimeError("failed finding central directory"), "is damaged .failed finding central"),
        (EOFError(), "is damaged .EOFError"),
        ([1], "holds no dictionary"),
        ({"dims": {}}, "not both there"),
        ({"dims": {}, "model_state_dict": {}}, "'dims' lacks a number"),
        ({**checkpoint(), "dims": {**DIMS, "n_mels": "x"}}, "by 'dims' it is"),
        ({**checkpoint(), "dims": {**DIMS, "n_audio_layer": None}}, "'dims' lacks a number"),
        (checkpoint(n_vocab=10**12), "decoder.token_embedding.weight' has the shape"),
        (checkpoint(n_text_layer=10**9), "blocks.999999999.mlp_ln.weight"),
        (checkpoint(n_audio_ctx=10**9), "encoder.positional_embedding"),
    ],
)
def test_a_file_that_is_no_whisper_is_refused_before_memory_is_taken(
    engine: FakeWhisper, file: Path, held: Any, reason: str
) -> None:
    engine.held = held
    with pytest.raises(BackendError, match=reason) as error:
        load(file)
    assert "tiny.pt" in str(error.value)
    engine.held = checkpoint()
    assert len(load(file).transcribe(SOUND).segments) == 1


@pytest.mark.parametrize("content", [b"", b"<html>", b"version https://git-lfs"])
def test_a_file_that_is_no_checkpoint_is_refused(
    engine: FakeWhisper, file: Path, content: bytes
) -> None:
    file.write_bytes(content)
    with pytest.raises(BackendError, match=r"tiny.pt is not a PyTorch checkpoint"):
        load(file)


def test_a_missing_file_is_named_and_nothing_is_downloaded(
    engine: FakeWhisper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(BackendError, match=r"base.pt cannot be read"):
        load(tmp_path / "base.pt")


def test_missing_packages_are_named_with_the_extra(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        engines_module.importlib.util,
        "find_spec",
        lambda name, *rest: None if name in {"whisper", "torch"} else find(name, *rest),
    )
    reason = OpenAIWhisperBackend().probe("cpu").reason
    assert "openai-whisper is missing" in reason
    assert "pip install edge_mm_ros[openai_whisper]" in reason


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "http://host"])
def test_an_unknown_device_is_refused(device: str) -> None:
    assert f"'{device}'" in OpenAIWhisperBackend().probe(device).reason


def test_an_unknown_option_is_refused_by_name(engine: FakeWhisper, file: Path) -> None:
    with pytest.raises(BackendError, match="unknown key 'weights_only'"):
        load(file, weights_only=False)


# What follows needs torch and openai-whisper, which are large and never set up by default.


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("torch", "whisper")
    import torch
    import whisper

    torch.manual_seed(5)
    dims = whisper.model.ModelDimensions(**DIMS)
    model = whisper.model.Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding)
    path = tmp_path_factory.mktemp("whisper") / "random.pt"
    torch.save({"dims": DIMS, "model_state_dict": model.state_dict()}, path)
    return path


def test_a_checkpoint_with_random_weights_is_transcribed_the_same_each_time(real: Path) -> None:
    model = load(real, threads=1)
    result = model.transcribe(SOUND)
    assert result == model.transcribe(SOUND)
    assert result.segments
    assert 0.0 < result.language_probability <= 1.0
    assert model.transcribe(SOUND, "de").language == "de"
    model.close()


def test_a_checkpoint_with_code_in_it_is_refused_and_the_code_not_run(
    real: Path, tmp_path: Path
) -> None:
    import torch

    file, trace = tmp_path / "evil.pt", tmp_path / "trace"
    torch.save({"dims": DIMS, "model_state_dict": RunsCode(trace)}, file)
    with pytest.raises(UnsafeModelFile, match="mkdir"):
        load(file)
    assert not trace.exists()


def test_a_truncated_checkpoint_is_damaged(real: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.pt"
    file.write_bytes(real.read_bytes()[:100_000])
    with pytest.raises(BackendError, match=r"cut.pt is damaged"):
        load(file)
