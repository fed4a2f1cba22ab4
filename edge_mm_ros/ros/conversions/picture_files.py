"""The headers and the ends of JPEG, PNG and WebP files, read before anything is decoded.

OpenCV decodes what it is given: a PNG of 389 kB can become 2.3 GB, and a JPEG that breaks off
becomes a picture whose lower part is gray. Neither may reach it.
"""

from __future__ import annotations

import re
import struct
import zlib

from edge_mm_ros.datatypes import InvalidInput

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
# A progressive JPEG has about ten; each one costs a pass over the whole picture.
_MOST_SCANS = 100
# Within a scan 0xFF is followed by 0x00 (it is data), by a restart marker, or by more 0xFF.
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def read_size(data: bytes) -> tuple[int, int]:
    """Width and height of a whole JPEG, PNG or WebP file, by its bytes alone.

    Raises:
        InvalidInput: ``empty``, ``unknown_encoding``, ``truncated`` or ``damaged``.
    """
    if not data:
        raise InvalidInput("empty", "the compressed picture has no data")
    try:
        if data.startswith(b"\xff\xd8"):
            return _read_jpeg(data)
        if data.startswith(_PNG_SIGNATURE):
            return _read_png(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _read_webp(data)
    except (struct.error, IndexError) as error:
        raise _truncated("picture", len(data)) from error
    raise InvalidInput(
        "unknown_encoding",
        f"the compressed picture is no JPEG, PNG or WebP; it begins with {data[:8].hex(' ')}",
    )


def _read_jpeg(data: bytes) -> tuple[int, int]:
    """Walks all segments (ITU-T T.81, annex B) up to the end-of-image marker."""
    size: tuple[int, int] | None = None
    scans = 0
    position = 2
    while True:
        if data[position] != 0xFF:
            raise InvalidInput("damaged", f"the JPEG has no marker at byte {position}")
        while data[position] == 0xFF:
            position += 1
        marker = data[position]
        position += 1
        if marker == _END_OF_IMAGE:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # these have no content
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if marker in _START_OF_FRAME and size is None:
            height, width = struct.unpack_from(">HH", data, position + 3)
            size = (width, height)
        position += max(2, length)
        if marker == _START_OF_SCAN:
            scans += 1
            if scans > _MOST_SCANS:
                raise InvalidInput("damaged", f"the JPEG has more than {_MOST_SCANS} scans")
            following = _MARKER_IN_SCAN.search(data, position)
            if following is None:
                raise _truncated("JPEG", len(data))
            position = following.start()
    if size is None:
        raise InvalidInput("damaged", "the JPEG has no frame header")
    return size


def _read_png(data: bytes) -> tuple[int, int]:
    """Walks all chunks and their checksums up to the end chunk (W3C PNG, section 5)."""
    width, height = struct.unpack_from(">II", data, 16)
    position = len(_PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        if zlib.crc32(memoryview(data)[position + 4 : position + 8 + length]) != checksum:
            raise InvalidInput("damaged", f"the PNG's checksum is wrong at byte {position}")
        position += 12 + length
    return width, height


def _read_webp(data: bytes) -> tuple[int, int]:
    """Reads the RIFF size and the first chunk (RFC 9649)."""
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if len(data) < riff_size + 8:
        raise _truncated("WebP", len(data))
    kind = data[12:16]
    if kind == b"VP8X":
        packed = int.from_bytes(data[24:30], "little")
        return (packed & 0xFFFFFF) + 1, (packed >> 24) + 1
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise InvalidInput("damaged", f"the WebP begins with an unknown chunk {kind!r}")


def _truncated(what: str, size: int) -> InvalidInput:
    return InvalidInput("truncated", f"the {what} breaks off after {size} bytes, before its end")
