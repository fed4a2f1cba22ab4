"""What a GGUF file's header says of a model's size, read before any engine opens the file.

Source of the format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SCALARS: Mapping[int, str] = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_LONGEST_TEXT = 1 << 20
_MOST_ENTRIES = 1 << 16
_HALF_BYTES = 2
_KEYS_AND_VALUES = 2


class NotGguf(ValueError):
    """The bytes are no GGUF header, or are cut off."""


@dataclass(frozen=True)
class GgufSize:
    """Size of a language model.

    Attributes:
        file_bytes: of the file.
        blocks: number of its transformer blocks.
        cache_width: values that one token keeps per block, keys or values alone.
    """

    file_bytes: int
    blocks: int
    cache_width: int

    def layer_bytes(self, context_tokens: int) -> int:
        """Memory of one block with its part of the cache, in 16 bit; the file's mean over blocks.

        The layer of the output counts as one more block.
        """
        cache = _KEYS_AND_VALUES * _HALF_BYTES * context_tokens * self.cache_width
        return self.file_bytes // (self.blocks + 1) + cache


def read_size(path: Path) -> GgufSize:
    """Read the header as far as is needed.

    Raises:
        NotGguf: it is damaged, or does not say how large the model is.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        values = _read_values(file)
    kind = values.get("general.architecture")

    def number(name: str, default: int | None = None) -> int:
        value = values.get(f"{kind}.{name}", default)
        if not isinstance(value, int) or value <= 0:
            raise NotGguf(f"{kind}.{name} is missing")
        return value

    heads = number("attention.head_count", 1)
    return GgufSize(
        file_bytes=path.stat().st_size,
        blocks=number("block_count"),
        cache_width=number("embedding_length")
        * min(heads, number("attention.head_count_kv", heads))
        // heads,
    )


def _read_values(file: BinaryIO) -> dict[str, int | float | str]:
    """All single values ahead of the vocabulary, which comes after what is needed."""
    if file.read(4) != b"GGUF" or _number(file, "<I") < 2:
        raise NotGguf("no GGUF of version 2 or later")
    _number(file, "<Q")
    values: dict[str, int | float | str] = {}
    for _ in range(min(_number(file, "<Q"), _MOST_ENTRIES)):
        key = _string(file)
        if key.startswith("tokenizer."):
            break
        kind = _number(file, "<I")
        if kind == _STRING:
            values[key] = _string(file)
        elif kind == _ARRAY:
            _skip_array(file)
        else:
            values[key] = _scalar(file, kind)
    return values


def _skip_array(file: BinaryIO) -> None:
    kind = _number(file, "<I")
    for _ in range(min(_number(file, "<Q"), _MOST_ENTRIES)):
        if kind == _STRING:
            _string(file)
        else:
            _scalar(file, kind)


def _string(file: BinaryIO) -> str:
    length = _number(file, "<Q")
    text = file.read(min(length, _LONGEST_TEXT))
    if len(text) != length:
        raise NotGguf("cut off, or a text of unlikely length")
    return text.decode("utf-8", "replace")


def _scalar(file: BinaryIO, kind: int) -> int | float:
    if kind not in _SCALARS:
        raise NotGguf(f"a value of the unknown type {kind}")
    form = _SCALARS[kind]
    return _unpack(file, form)


def _number(file: BinaryIO, form: str) -> int:
    return int(_unpack(file, form))


def _unpack(file: BinaryIO, form: str) -> int | float:
    data = file.read(struct.calcsize(form))
    if len(data) != struct.calcsize(form):
        raise NotGguf("cut off")
    value: int | float = struct.unpack(form, data)[0]
    return value
