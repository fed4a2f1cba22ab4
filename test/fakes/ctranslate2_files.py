"""A ``model.bin`` of CTranslate2, put together by its layout."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPE_IDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "uint16": 5}
"""The bits of a bfloat16 are given as uint16."""


def write_model(
    path: Path,
    variables: Mapping[str, NDArray[Any]],
    aliases: Mapping[str, str] | None = None,
    version: int = 6,
    kind: str = "WhisperSpec",
) -> None:
    """Write variables and other names of them."""
    content = struct.pack("<I", version) + _text(kind) + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        content += _text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        content += struct.pack("<BI", TYPE_IDS[array.dtype.name], array.nbytes) + array.tobytes()
    content += struct.pack("<I", len(aliases or {}))
    for alias, name in (aliases or {}).items():
        content += _text(alias) + _text(name)
    path.write_bytes(content)


def _text(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def small_whisper(seed: int = 3) -> dict[str, NDArray[Any]]:
    """Variables of a Whisper 4 wide with random weights: 1 layer and 2 heads on either side."""
    random = np.random.default_rng(seed)
    found: dict[str, NDArray[Any]] = {}

    def add(name: str, *shape: int) -> None:
        found[name] = random.normal(0.0, 1.0, shape).astype(np.float32)

    def linear(name: str, rows: int, columns: int) -> None:
        add(f"{name}/weight", rows, columns)
        add(f"{name}/bias", rows)

    def norm(name: str) -> None:
        add(f"{name}/gamma", 4)
        add(f"{name}/beta", 4)

    add("encoder/conv1/weight", 4, 80, 3)
    add("encoder/conv1/bias", 4)
    add("encoder/conv2/weight", 4, 4, 3)
    add("encoder/conv2/bias", 4)
    add("decoder/embeddings/weight", 51865, 4)
    for side, length in (("encoder", 1500), ("decoder", 8)):
        add(f"{side}/position_encodings/encodings", length, 4)
        norm(f"{side}/layer_norm")
        found[f"{side}/num_heads"] = np.array(2, np.int16)
        layer = f"{side}/layer_0"
        linear(f"{layer}/self_attention/linear_0", 12, 4)
        linear(f"{layer}/self_attention/linear_1", 4, 4)
        linear(f"{layer}/ffn/linear_0", 16, 4)
        linear(f"{layer}/ffn/linear_1", 4, 16)
        norm(f"{layer}/self_attention/layer_norm")
        norm(f"{layer}/ffn/layer_norm")
        found[f"{layer}/self_attention/linear_0/bias"][4:8] = 0.0  # of the keys
    cross = "decoder/layer_0/attention"
    linear(f"{cross}/linear_0", 4, 4)
    linear(f"{cross}/linear_1", 8, 4)
    linear(f"{cross}/linear_2", 4, 4)
    norm(f"{cross}/layer_norm")
    found[f"{cross}/linear_1/bias"][:4] = 0.0
    return found
