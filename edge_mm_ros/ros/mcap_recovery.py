"""What can still be read of an MCAP file that ends early.

The index of an MCAP file stands at its end, so that readers refuse a file without one. Its records
stand in sequence before, most of them in chunks (https://mcap.dev/spec).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader

_MAGIC_BYTES = 8
_RECORD_HEAD = struct.Struct("<BQ")
_TIMES_SIZE_CRC_BYTES = 28


def messages_in(path: Path) -> Iterator[tuple[str, str, int, bytes]]:
    """Topic, type, time in nanoseconds and content of each message that is whole."""
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    for record in _records(path):
        if isinstance(record, Schema):
            schemas[record.id] = record.name
        elif isinstance(record, Channel):
            channels[record.id] = (record.topic, schemas.get(record.schema_id, ""))
        elif isinstance(record, Message) and record.channel_id in channels:
            topic, msg_type = channels[record.channel_id]
            yield topic, msg_type, record.log_time, record.data


def _records(path: Path) -> Iterator[McapRecord]:
    with path.open("rb") as stream:
        yield from _whole(StreamReader(stream))
    # A chunk that was cut off is no whole record, but holds whole ones.
    yield from _whole(StreamReader(BytesIO(_rest_of_last_chunk(path)), skip_magic=True))


def _whole(reader: StreamReader) -> Iterator[McapRecord]:
    """The records up to the first one that is cut off."""
    try:
        yield from reader.records
    except (McapError, ValueError, EOFError, OSError, struct.error):
        return
    except Exception as error:  # decompressors raise types of their own
        if not type(error).__module__.startswith(("lz4", "zstd", "zstandard")):
            raise


def _rest_of_last_chunk(path: Path) -> bytes:
    """What is there of a chunk at the end that is cut off; nothing where it is compressed."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        offset = _MAGIC_BYTES
        while offset + _RECORD_HEAD.size <= size:
            stream.seek(offset)
            opcode, length = _RECORD_HEAD.unpack(stream.read(_RECORD_HEAD.size))
            if offset + _RECORD_HEAD.size + length > size:
                break
            offset += _RECORD_HEAD.size + length
        else:
            return b""
        if opcode != Opcode.CHUNK:
            return b""
        stream.seek(_TIMES_SIZE_CRC_BYTES, 1)
        name_length = stream.read(4)
        compressed = name_length != bytes(4)
        return b"" if compressed else stream.read()[8:]
