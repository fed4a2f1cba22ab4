"""Whisper's weights from a folder of CTranslate2 to a checkpoint of openai-whisper.

The inverse of ``WhisperLoader`` in CTranslate2's ``python/ctranslate2/converters/transformers.py``:
there the projections of queries, keys and values are joined by rows, and those of keys get a bias,
which Whisper has not, of zeros.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.ctranslate2_file import CTranslate2File, read_ctranslate2
from edge_mm_ros.backends.engines import first_line, import_engine
from edge_mm_ros.backends.protocol import BackendError

ALIGNMENT_HEADS = "alignment_heads"
"""Key of a checkpoint, which openai-whisper itself ignores: pairs of decoder layer and head."""

MEND = "install it with: pip install edge_mm_ros[openai_whisper]"
_KIND = "WhisperSpec"

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class WhisperWeights:
    """A Whisper as openai-whisper names it.

    Attributes:
        dims: its ``ModelDimensions``.
        state: its ``state_dict``, float16 where stored so, else float32.
        alignment_heads: pairs of decoder layer and head whose attention follows the sound.
    """

    dims: Mapping[str, int]
    state: Mapping[str, NDArray[Any]]
    alignment_heads: tuple[tuple[int, int], ...]


def convert_whisper(source: Path, target: Path) -> WhisperWeights:
    """Write a checkpoint that openai-whisper and the backend ``openai_whisper`` load.

    Args:
        source: folder with ``model.bin`` and ``config.json``, of any type of numbers.
        target: the ``.pt`` file.

    Raises:
        BackendError: the folder holds no Whisper of CTranslate2, PyTorch is missing, or the file
            cannot be written.
    """
    torch = import_engine("torch", MEND)
    weights = read_whisper(source)
    checkpoint = {
        "dims": dict(weights.dims),
        "model_state_dict": {n: torch.from_numpy(values) for n, values in weights.state.items()},
        ALIGNMENT_HEADS: [list(pair) for pair in weights.alignment_heads],
    }
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
            staged = Path(folder, target.name)
            torch.save(checkpoint, staged)
            os.replace(staged, target)
    except Exception as error:  # PyTorch tells a full disk as a RuntimeError
        raise BackendError(f"{target} cannot be written ({first_line(error)})") from error
    return weights


def packed_heads(pairs: Sequence[Sequence[int]], layers: int, heads: int) -> bytes:
    """Alignment heads as openai-whisper packs them: a mask (layers, heads), gzip, base 85."""
    mask = np.zeros((layers, heads), np.bool_)
    for layer, head in pairs:
        mask[layer, head] = True
    return base64.b85encode(gzip.compress(mask.tobytes()))


def read_whisper(folder: Path) -> WhisperWeights:
    """Read a folder of CTranslate2.

    Raises:
        BackendError: a file is missing or damaged, or it holds another kind of model.
    """
    file = read_ctranslate2(folder / "model.bin")
    if file.kind != _KIND:
        raise BackendError(f"{file.path} holds a model of the kind '{file.kind}', no Whisper")
    encoder, decoder = _stack(file, "encoder"), _stack(file, "decoder")
    conv1 = file.weight("encoder/conv1/weight")
    if conv1.ndim != 3:
        raise BackendError(f"{file.path}: 'encoder/conv1/weight' has the shape {conv1.shape}")
    embedding = file.weight("decoder/embeddings/weight")
    audio, text = encoder.width, decoder.width
    state = {
        "encoder.conv1.weight": conv1,
        "encoder.conv1.bias": file.weight("encoder/conv1/bias", (audio,)),
        "encoder.conv2.weight": file.weight("encoder/conv2/weight", (audio, audio, 3)),
        "encoder.conv2.bias": file.weight("encoder/conv2/bias", (audio,)),
        "encoder.positional_embedding": encoder.positions,
        "decoder.token_embedding.weight": embedding,
        "decoder.positional_embedding": decoder.positions,
    }
    state.update(_layer_norm(file, "encoder/layer_norm", "encoder.ln_post", audio))
    state.update(_layer_norm(file, "decoder/layer_norm", "decoder.ln", text))
    for index in range(encoder.layers):
        state.update(_block(file, f"encoder/layer_{index}", f"encoder.blocks.{index}", audio))
    for index in range(decoder.layers):
        source, name = f"decoder/layer_{index}", f"decoder.blocks.{index}"
        state.update(_block(file, source, name, text))
        cross = _attention(file, f"{source}/attention", f"{name}.cross_attn", text, (1, 2))
        state.update(cross)
    return WhisperWeights(
        {
            "n_mels": conv1.shape[1],
            "n_audio_ctx": len(encoder.positions),
            "n_audio_state": audio,
            "n_audio_head": encoder.heads,
            "n_audio_layer": encoder.layers,
            "n_vocab": len(embedding),
            "n_text_ctx": len(decoder.positions),
            "n_text_state": text,
            "n_text_head": decoder.heads,
            "n_text_layer": decoder.layers,
        },
        state,
        _alignment_heads(folder / "config.json", decoder),
    )


@dataclass(frozen=True, eq=False)
class _Stack:
    """Sizes of the encoder or the decoder; positions: (context, width)."""

    positions: NDArray[Any]
    heads: int
    layers: int

    @property
    def width(self) -> int:
        return int(self.positions.shape[1])


def _stack(file: CTranslate2File, name: str) -> _Stack:
    positions = file.weight(f"{name}/position_encodings/encodings")
    layers = next(
        n for n in count() if f"{name}/layer_{n}/ffn/linear_0/weight" not in file.variables
    )
    heads = file.number(f"{name}/num_heads")
    if positions.ndim != 2 or layers == 0 or heads <= 0 or positions.shape[1] % heads:
        raise BackendError(
            f"{file.path}: the {name} has {layers} layers, {heads} heads and positions of the "
            f"shape {positions.shape}, which is no Whisper; get the model again"
        )
    return _Stack(positions, heads, layers)


def _block(file: CTranslate2File, source: str, name: str, width: int) -> Weights:
    """Self-attention and feed-forward part."""
    ffn, wide = f"{source}/ffn", 4 * width
    return {
        **_attention(file, f"{source}/self_attention", f"{name}.attn", width, (3,)),
        **_linear(file, f"{ffn}/linear_0", f"{name}.mlp.0", (wide, width)),
        **_linear(file, f"{ffn}/linear_1", f"{name}.mlp.2", (width, wide)),
        **_layer_norm(file, f"{ffn}/layer_norm", f"{name}.mlp_ln", width),
    }


def _attention(
    file: CTranslate2File, source: str, name: str, width: int, joined: Sequence[int]
) -> Weights:
    """One attention with its norm; of queries, keys and values, how many each linear joins."""
    weights, biases = [], []
    for index, parts in enumerate(joined):
        weights.append(file.weight(f"{source}/linear_{index}/weight", (parts * width, width)))
        biases.append(file.weight(f"{source}/linear_{index}/bias", (parts * width,)))
    queries, keys, values = np.split(np.concatenate(weights), 3)
    query_bias, key_bias, value_bias = np.split(np.concatenate(biases), 3)
    if key_bias.any():
        raise BackendError(f"{file.path}: the keys of '{source}' have a bias, which no Whisper has")
    return {
        f"{name}.query.weight": queries,
        f"{name}.query.bias": query_bias,
        f"{name}.key.weight": keys,
        f"{name}.value.weight": values,
        f"{name}.value.bias": value_bias,
        **_linear(file, f"{source}/linear_{len(joined)}", f"{name}.out", (width, width)),
        **_layer_norm(file, f"{source}/layer_norm", f"{name}_ln", width),
    }


def _linear(file: CTranslate2File, source: str, name: str, shape: tuple[int, int]) -> Weights:
    return {
        f"{name}.weight": file.weight(f"{source}/weight", shape),
        f"{name}.bias": file.weight(f"{source}/bias", shape[:1]),
    }


def _layer_norm(file: CTranslate2File, source: str, name: str, width: int) -> Weights:
    return {
        f"{name}.weight": file.weight(f"{source}/gamma", (width,)),
        f"{name}.bias": file.weight(f"{source}/beta", (width,)),
    }


def _alignment_heads(path: Path, decoder: _Stack) -> tuple[tuple[int, int], ...]:
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"))["alignment_heads"]
        heads = tuple((int(layer), int(head)) for layer, head in pairs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f"{path} does not tell the alignment heads ({first_line(error)}); get the model again"
        ) from error
    if not all(0 <= lay < decoder.layers and 0 <= head < decoder.heads for lay, head in heads):
        raise BackendError(f"{path}: an alignment head is not in the model; get the model again")
    return heads
