"""Recordings: written, read back, damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("rosbags")

from hypothesis import given
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer

from edge_mm_ros.ros.bags import BagError, BagReader, BagWriter, message_typestore

STRING = "std_msgs/msg/String"


def words(count: int, size: int = 20) -> list[tuple[int, bytes]]:
    typestore = message_typestore()
    message = typestore.types[STRING]
    return [
        (1_000 + n, bytes(typestore.serialize_cdr(message(data=f"{n}".ljust(size)), STRING)))
        for n in range(count)
    ]


def write_folder(path: Path, plugin: StoragePlugin, count: int) -> Path:
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        connection = writer.add_connection("/words", STRING, typestore=message_typestore())
        for stamp_ns, cdr in words(count):
            writer.write(connection, stamp_ns, cdr)
    return path


def write_file(path: Path, count: int, size: int = 20) -> Path:
    with BagWriter(path) as writer:
        writer.add_topic("/words", STRING)
        for stamp_ns, cdr in words(count, size):
            writer.write("/words", stamp_ns, cdr)
    return path


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_folder_of_either_storage_is_read(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = BagReader(write_folder(tmp_path / "bag", plugin, 5))
    assert bag.topics == {"/words": STRING}
    assert [(m.stamp_ns, m.cdr) for m in bag] == words(5)
    assert bag.message_count == 5
    assert bag.warning == ""


def test_a_single_file_is_written_and_read(tmp_path: Path) -> None:
    path = write_file(tmp_path / "out.mcap", 3)
    assert path.is_file()
    assert [(m.stamp_ns, m.cdr) for m in BagReader(path)] == words(3)
    assert [p.name for p in tmp_path.iterdir()] == ["out.mcap"]


def test_a_type_from_an_installed_package_carries_its_definition(tmp_path: Path) -> None:
    pytest.importorskip("vision_msgs")
    path = tmp_path / "out.mcap"
    with BagWriter(path) as writer:
        writer.add_topic("/detections", "vision_msgs/msg/Detection2DArray")
    assert b"ObjectHypothesisWithPose[] results" in path.read_bytes()


def test_a_recording_is_not_there_before_it_is_complete(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "out.mcap")
    writer.add_topic("/words", STRING)
    assert not (tmp_path / "out.mcap").exists()
    writer.close()
    assert (tmp_path / "out.mcap").exists()


def test_a_truncated_mcap_gives_what_can_be_read_and_says_so(tmp_path: Path) -> None:
    path = write_file(tmp_path / "out.mcap", 4000, size=2000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    bag = BagReader(path)
    read = [(m.stamp_ns, m.cdr) for m in bag]
    assert 0 < len(read) < 4000
    assert read == words(4000, 2000)[: len(read)]
    assert "ends early" in bag.warning
    assert str(path) in bag.warning


def test_a_recording_cut_off_in_its_only_chunk_still_gives_its_whole_messages(
    tmp_path: Path,
) -> None:
    path = write_file(tmp_path / "out.mcap", 50)
    chunk_end = path.read_bytes().index(words(50)[-1][1])
    path.write_bytes(path.read_bytes()[:chunk_end])
    assert [(m.stamp_ns, m.cdr) for m in BagReader(path)] == words(49)


@given(st.data())
def test_a_recording_cut_off_anywhere_gives_a_beginning_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write_file(tmp_path_factory.mktemp("cut") / "out.mcap", 20)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    try:
        bag = BagReader(path)
    except BagError:
        return
    read = [(m.stamp_ns, m.cdr) for m in bag]
    assert read == words(20)[: len(read)]
    assert bag.warning


def test_a_truncated_sqlite_file_gives_what_can_be_read_and_says_so(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "bag", StoragePlugin.SQLITE3, 2000)
    file = next(folder.glob("*.db3"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(file).execute("select sum(length(data)) from messages").fetchall()
    before = file.read_bytes()
    bag = BagReader(folder)
    read = [(m.stamp_ns, m.cdr) for m in bag]
    assert 100 < len(read) < 2000
    assert read == words(2000)[: len(read)]
    assert "damaged" in bag.warning
    assert file.read_bytes() == before


def test_a_truncated_mcap_in_a_folder_is_read_in_part_too(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "bag", StoragePlugin.MCAP, 50)
    file = next(folder.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.read_bytes().index(words(50)[30][1])])
    bag = BagReader(folder)
    assert [(m.stamp_ns, m.cdr) for m in bag] == words(30)
    assert "damaged" in bag.warning


@pytest.mark.parametrize("content", [b"", b"not a recording at all"])
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.mcap"
    path.write_bytes(content)
    with pytest.raises(BagError, match=r"odd\.mcap"):
        BagReader(path)


def test_a_missing_recording_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="no such file"):
        BagReader(tmp_path / "nothing.mcap")


def test_an_unwritable_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BagError, match="cannot be written"):
        BagWriter(tmp_path / "file" / "out.mcap")
