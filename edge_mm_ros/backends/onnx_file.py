"""Looks through an ONNX file for what lies outside it, before any engine opens it.

An ONNX file may name further files with its weights. A name that leads out of the model's folder
would let a model read any file of the machine; not every engine refuses it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_mm_ros.backends.protocol import BackendError

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


# Field numbers of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
# Of each message, the fields that lead on to a tensor.
_SCHEMA: Mapping[str, Mapping[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
}
_NAME, _EXTERNAL_DATA = 8, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


class NotOnnx(ValueError):
    """The bytes are no message of onnx.proto, or are cut off."""


def external_files(model: str, path: Path) -> tuple[Path, ...]:
    """The files that an ONNX file takes weights from, each checked.

    Args:
        model: name of the model, for messages.
        path: the ONNX file.

    Raises:
        BackendError: the file is empty, cut off or not ONNX; or it names a file that is outside its
            folder, missing, or shorter than it says.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            references = list(_references(data))
    except OSError as error:
        raise BackendError(f"model '{model}': {path} cannot be read ({error.strerror})") from error
    except ValueError as error:  # also an empty file, which cannot be mapped
        raise BackendError(
            f"model '{model}': {path} ({path.stat().st_size} bytes) is damaged or not an ONNX "
            f"model ({error}); get the file again"
        ) from error
    folder = path.parent.resolve()
    files: dict[Path, None] = {}
    for tensor, entries in references:
        files[_checked(f"model '{model}': {path.name}", folder, tensor, entries)] = None
    return tuple(files)


def _checked(where: str, folder: Path, tensor: str, entries: Mapping[str, str]) -> Path:
    location = entries.get("location", "")
    file = (folder / location).resolve()
    if not location or not file.is_relative_to(folder):
        raise BackendError(
            f"{where} takes the weights '{tensor}' from '{location}', outside the model's folder "
            f"{folder}; export the model with its data beside it, or with no external data"
        )
    if not file.is_file():
        raise BackendError(f"{where} needs {file}, which is missing; put it there")
    try:
        end = int(entries.get("offset", "0")) + int(entries.get("length", "0"))
    except ValueError:
        end = -1
    if not 0 <= end <= file.stat().st_size:
        raise BackendError(f"{where}: {file} is cut off; get the file again")
    return file


def _references(data: mmap.mmap) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and external data of every tensor that has such."""
    waiting = [("Model", 0, len(data))]
    while waiting:
        kind, start, end = waiting.pop()
        if kind == "Tensor":
            name, entries = _read_tensor(data, start, end)
            if entries:
                yield name, entries
            continue
        fields = _SCHEMA[kind]
        for number, wire, begin, stop in _walk(data, start, end):
            if number in fields and wire == _BYTES:
                waiting.append((fields[number], begin, stop))


def _read_tensor(data: mmap.mmap, start: int, end: int) -> tuple[str, dict[str, str]]:
    name = ""
    entries = {}
    for number, wire, begin, stop in _walk(data, start, end):
        if wire != _BYTES:
            continue
        if number == _NAME:
            name = _text(data, begin, stop)
        elif number == _EXTERNAL_DATA:
            pair = {
                part: _text(data, first, last)
                for part, kind, first, last in _walk(data, begin, stop)
                if kind == _BYTES
            }
            entries[pair.get(_ENTRY_KEY, "")] = pair.get(_ENTRY_VALUE, "")
    return name, entries


def _walk(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, begin and end of each field of a message."""
    position = start
    while position < end:
        tag, position = _varint(data, position, end)
        number, wire = tag >> 3, tag & 7
        begin = position
        if wire == _VARINT:
            _, position = _varint(data, position, end)
        elif wire == _FIXED_64:
            position += 8
        elif wire == _FIXED_32:
            position += 4
        elif wire == _BYTES:
            length, begin = _varint(data, position, end)
            position = begin + length
        else:
            raise NotOnnx(f"no protocol buffer at byte {begin}")
        if position > end or number == 0:
            raise NotOnnx(f"cut off or no protocol buffer at byte {begin}")
        yield number, wire, begin, position


def _varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise NotOnnx(f"cut off at byte {position}")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise NotOnnx(f"no number at byte {position}")


def _text(data: mmap.mmap, begin: int, stop: int) -> str:
    return bytes(data[begin:stop]).decode("utf-8", "replace")
