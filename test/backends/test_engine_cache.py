"""The engine cache: found again, replaced, never half there, and never needed."""

from __future__ import annotations

import errno
import os
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from edge_mm_ros.backends import ModelArtifact, engine_cache
from edge_mm_ros.backends.engine_cache import (
    CacheUnusable,
    EngineCache,
    EngineKey,
    default_folder,
    model_digest,
)

KEY = EngineKey("a" * 64, "tensorrt", "Orin", "precision=fp16", "540.3", "tensorrt 10.3")
# printf abc | sha256sum
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def filled(cache: EngineCache, key: EngineKey, content: bytes = b"engine") -> Path:
    staged = cache.stage()
    cache.write(staged, "engine", content)
    return cache.commit(key, staged)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def test_what_was_committed_is_found_and_nothing_else_lies_there(cache: EngineCache) -> None:
    assert cache.find(KEY) is None
    place = filled(cache, KEY)
    assert cache.find(KEY) == place
    assert (place / "engine").read_bytes() == b"engine"
    assert list(cache.folder.iterdir()) == [place]


def test_what_is_only_staged_is_not_found(cache: EngineCache) -> None:
    staged = cache.stage()
    (staged / "engine").write_bytes(b"half")
    assert cache.find(KEY) is None
    cache.discard(staged)
    assert not staged.exists()


@pytest.mark.parametrize("part", ["model_digest", "backend", "device", "options"])
def test_another_model_device_or_option_is_another_entry(cache: EngineCache, part: str) -> None:
    other = replace(KEY, **{part: "b" * 64})
    first = filled(cache, KEY)
    assert cache.find(other) is None
    second = filled(cache, other)
    assert cache.find(KEY) == first != second


@pytest.mark.parametrize("part", ["driver", "library"])
def test_a_new_driver_or_library_replaces_the_old_entry(cache: EngineCache, part: str) -> None:
    filled(cache, KEY)
    other = replace(KEY, **{part: "new"})
    assert cache.find(other) is None
    place = filled(cache, other)
    assert cache.find(KEY) is None
    assert list(cache.folder.iterdir()) == [place]


def test_the_quicker_of_two_processes_wins(cache: EngineCache) -> None:
    slow = cache.stage()
    cache.write(slow, "engine", b"slow")
    place = filled(cache, KEY, b"quick")
    assert cache.commit(KEY, slow) == place
    assert (place / "engine").read_bytes() == b"quick"
    assert list(cache.folder.iterdir()) == [place]


def test_a_damaged_key_hinders_nothing(cache: EngineCache) -> None:
    place = filled(cache, KEY)
    (place / "key.json").write_bytes(b"\xff{")
    filled(cache, replace(KEY, driver="new"))
    (place / "key.json").write_text("[]")
    filled(cache, replace(KEY, driver="newer"))


def test_a_place_without_key_is_taken_over(cache: EngineCache) -> None:
    half = cache.folder / KEY.folder_name
    half.mkdir(parents=True)
    (half / "engine").write_bytes(b"half")
    assert (filled(cache, KEY) / "engine").read_bytes() == b"engine"


def test_what_a_dead_process_left_is_removed_after_a_day(cache: EngineCache) -> None:
    old, young = cache.stage(), cache.stage()
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    cache.stage()
    assert not old.exists()
    assert young.exists()


def test_a_folder_that_cannot_be_is_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = EngineCache(tmp_path / "file" / "engines")
    with pytest.raises(CacheUnusable, match="Not a directory; free some space .*EDGE_MM_CACHE_DIR"):
        cache.stage()


def test_a_disk_with_too_little_space_is_refused_before(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(engine_cache.shutil, "disk_usage", lambda _: usage(9, 4, 5))
    cache.stage(5)
    with pytest.raises(CacheUnusable, match="5 bytes are free, about 6 are needed; free some"):
        cache.stage(6)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_writing_is_named(cache: EngineCache) -> None:
    staged = cache.stage()
    # The kernel's own full disk.
    (staged / "engine").symlink_to("/dev/full")
    with pytest.raises(CacheUnusable, match="No space left on device; free some space"):
        cache.write(staged, "engine", bytes(100_000))
    (staged / "key.json").symlink_to("/dev/full")
    with pytest.raises(CacheUnusable, match="No space left on device"):
        cache.commit(KEY, staged)
    assert cache.find(KEY) is None
    assert not staged.exists()


def test_a_disk_that_is_full_when_the_entry_is_moved_leaves_none(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = cache.stage()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(engine_cache.os, "replace", full)
    with pytest.raises(CacheUnusable, match="No space left on device"):
        cache.commit(KEY, staged)
    assert list(cache.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"EDGE_MM_CACHE_DIR": "/c", "XDG_CACHE_HOME": "/x"}, Path("/c")),
        ({"XDG_CACHE_HOME": "/x"}, Path("/x/edge_mm_ros/engines")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/edge_mm_ros/engines"),
        ({}, Path.home() / ".cache/edge_mm_ros/engines"),
    ],
)
def test_where_it_is(environ: dict[str, str], folder: Path) -> None:
    assert default_folder(environ) == folder


def test_the_digest_is_that_of_the_files_or_the_one_that_is_known(tmp_path: Path) -> None:
    file, data = tmp_path / "m.onnx", tmp_path / "w.bin"
    file.write_bytes(b"abc")
    data.write_bytes(b"1")
    artifact = ModelArtifact("m", file, "detection")
    assert model_digest(artifact) == ABC
    assert model_digest(ModelArtifact("m", tmp_path / "none", "detection", digest="d")) == "d"
    with_data = model_digest(artifact, (data,))
    data.write_bytes(b"2")
    assert len({ABC, with_data, model_digest(artifact, (data,))}) == 3
