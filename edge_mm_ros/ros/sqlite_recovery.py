"""What can still be read of a rosbag2 SQLite file that is cut off."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

# https://www.sqlite.org/fileformat.html: the size of a page, and the number of pages.
_PAGE_SIZE_AT, _PAGE_COUNT_AT = 16, 28


def messages_in(path: Path) -> Iterator[tuple[str, str, int, bytes]]:
    """Topic, type, time in nanoseconds and content of each message up to the first lost page.

    SQLite opens no file that is shorter than its header says, so a copy gets a true header.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        if not _tell_true_size(copy):
            return
        with closing(sqlite3.connect(copy)) as connection:
            try:
                rows = connection.execute("SELECT id, name, type FROM topics")
                topics = {number: (name, msg_type) for number, name, msg_type in rows}
                # In the order of storage: an index would lead to pages that are not there.
                for number, stamp_ns, data in connection.execute(
                    "SELECT topic_id, timestamp, data FROM messages NOT INDEXED"
                ):
                    yield *topics[number], stamp_ns, bytes(data)
            except (sqlite3.Error, KeyError):
                return


def _tell_true_size(path: Path) -> bool:
    """Correct the header's number of pages; False where there is no header."""
    with path.open("r+b") as file:
        header = file.read(100)
        if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
            return False
        (page_size,) = struct.unpack_from(">H", header, _PAGE_SIZE_AT)
        page_size = 65_536 if page_size == 1 else page_size
        pages = path.stat().st_size // page_size if page_size else 0
        file.truncate(pages * page_size)
        file.seek(_PAGE_COUNT_AT)
        file.write(struct.pack(">I", pages))
    return pages > 0
