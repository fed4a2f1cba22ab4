"""Recordings: rosbag2 files (MCAP or SQLite) read and MCAP written, message by message as CDR."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.rosbag2 import Reader, ReaderError, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.ros import mcap_recovery, sqlite_recovery


class BagError(EdgeMmError):
    """A recording that cannot be read or written."""


RECOVERIES = {".mcap": mcap_recovery.messages_in, ".db3": sqlite_recovery.messages_in}
# The decompressors raise plain RuntimeErrors.
READ_ERRORS = (
    ReaderError,
    sqlite3.Error,
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
)


@dataclass(frozen=True)
class BagMessage:
    """One recorded message.

    Attributes:
        topic: its topic.
        msg_type: its type, for example ``sensor_msgs/msg/Image``.
        stamp_ns: when it was recorded, nanoseconds.
        cdr: the serialised message.
    """

    topic: str
    msg_type: str
    stamp_ns: int
    cdr: bytes


class BagReader:
    """The messages of a recording in order of time, read as they are asked for.

    A file that ends early, as after a power cut, is read as far as it goes.

    Args:
        path: a rosbag2 folder, or one ``.mcap`` or ``.db3`` file.

    Attributes:
        topics: type by topic.
        start_ns: time of the first message.
        duration_ns: from the first to the last message.
        message_count: messages that it should hold.
        warning: what is wrong with a recording that can be read in part; else empty. It may
            come to light only while reading.

    Raises:
        BagError: it does not exist, is no recording, or holds no message that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warning = ""
        self._recovered: list[BagMessage] = []
        if not path.exists():
            raise BagError(f"recording {path}: no such file or folder")
        try:
            with Reader(path) as reader:
                self.topics = {c.topic: c.msgtype for c in reader.connections}
                self.start_ns = reader.start_time
                self.duration_ns = reader.duration
                self.message_count = reader.message_count
        except READ_ERRORS as error:
            self._recover(error)
        if self.message_count == 0:
            raise BagError(f"recording {path}: it holds no message that can be read")

    def __iter__(self) -> Iterator[BagMessage]:
        if self._recovered:
            yield from self._recovered
            return
        try:
            with Reader(self.path) as reader:
                for connection, stamp_ns, cdr in reader.messages():
                    yield BagMessage(connection.topic, connection.msgtype, stamp_ns, bytes(cdr))
        except READ_ERRORS as error:
            self.warning = f"recording {self.path}: it is damaged, the rest is left out: {error}"

    def _recover(self, error: Exception) -> None:
        files = sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]
        self._recovered = [
            BagMessage(*found)
            for file in files
            if (messages_in := RECOVERIES.get(file.suffix))
            for found in messages_in(file)
        ]
        if not self._recovered:
            raise BagError(f"recording {self.path}: cannot be read: {error}") from error
        self._recovered.sort(key=lambda message: message.stamp_ns)
        self.warning = (
            f"recording {self.path}: it is damaged or ends early ({error}); "
            f"{len(self._recovered)} messages could be read"
        )
        self.topics = {m.topic: m.msg_type for m in self._recovered}
        self.start_ns = self._recovered[0].stamp_ns
        self.duration_ns = self._recovered[-1].stamp_ns - self.start_ns
        self.message_count = len(self._recovered)


class BagWriter:
    """Writes messages to one ``.mcap`` file, or to a rosbag2 folder for any other name.

    The recording appears under its name only when it is complete.

    Raises:
        BagError: the name exists already, or the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._single_file = path.suffix == ".mcap"
        self._typestore = message_typestore()
        self._connections: dict[str, Any] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._work = tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
            folder = Path(self._work.name) / path.stem
            self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except OSError as error:
            raise BagError(f"recording {path}: cannot be written ({error.strerror})") from error

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add_topic(self, topic: str, msg_type: str) -> None:
        """Announce a topic; also one without messages appears in the recording."""
        if topic not in self._connections:
            register_type(self._typestore, msg_type)
            self._connections[topic] = self._writer.add_connection(
                topic, msg_type, typestore=self._typestore
            )

    def write(self, topic: str, stamp_ns: int, cdr: bytes) -> None:
        """Add one message to an announced topic."""
        self._writer.write(self._connections[topic], stamp_ns, cdr)

    def close(self) -> None:
        """Finish the recording and put it in its place."""
        folder = Path(self._work.name) / self.path.stem
        try:
            self._writer.close()
            if self._single_file:
                os.replace(next(folder.glob("*.mcap")), self.path)
            else:
                os.replace(folder, self.path)
        except OSError as error:
            raise BagError(
                f"recording {self.path}: cannot be put in place ({error.strerror})"
            ) from error
        finally:
            self._work.cleanup()


def message_typestore() -> Typestore:
    """The message definitions of ROS 2 Jazzy; further ones are added by `register_type`."""
    return get_typestore(Stores.ROS2_JAZZY)


def register_type(typestore: Typestore, msg_type: str) -> None:
    """Add a type and those that it contains, from the ``.msg`` files of the installed packages.

    Raises:
        BagError: its package is not installed.
    """
    if msg_type in typestore.fielddefs:
        return
    package, _, name = msg_type.split("/")
    path = _message_folder(package) / f"{name}.msg"
    if not path.is_file():
        raise BagError(f"message type {msg_type}: {path} is missing; install {package}")
    types = get_types_from_msg(path.read_text(encoding="utf-8"), msg_type)
    for _, fields in types.values():
        for _, description in fields:
            for contained in _message_types_in(description):
                register_type(typestore, contained)
    typestore.register(types)


def _message_types_in(description: Any) -> Iterator[str]:
    if isinstance(description, str):
        if description.count("/") == 2:
            yield description
    elif isinstance(description, tuple):
        for part in description:
            yield from _message_types_in(part)


def _message_folder(package: str) -> Path:
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    for prefix in prefixes:
        folder = Path(prefix) / "share" / package / "msg"
        if prefix and folder.is_dir():
            return folder
    raise BagError(
        f"package {package} is in none of {prefixes}; install it or source its workspace"
    )
