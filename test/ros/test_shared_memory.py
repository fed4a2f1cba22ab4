"""Fast DDS's files: whose they are, and which may go."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from edge_mm_ros.ros.shared_memory import locks_of, remove_orphans


def family(folder: Path, name: str) -> list[Path]:
    paths = [folder / name, folder / f"sem.{name}_mutex", folder / f"{name}_el"]
    for path in paths:
        path.write_bytes(b"")
    return paths


def test_a_process_owns_the_locks_that_it_has_open(tmp_path: Path) -> None:
    family(tmp_path, "fastrtps_port7411")
    family(tmp_path, "fastrtps_foreign")
    with (tmp_path / "fastrtps_port7411_el").open(), (tmp_path / "fastrtps_foreign").open():
        assert locks_of(os.getpid(), tmp_path) == {tmp_path / "fastrtps_port7411_el"}
    assert locks_of(os.getpid(), tmp_path) == set()


def test_a_process_that_has_ended_owns_nothing(tmp_path: Path) -> None:
    assert locks_of(12345, tmp_path, processes=tmp_path) == set()


def test_only_what_nobody_holds_is_removed(tmp_path: Path) -> None:
    dead = family(tmp_path, "fastrtps_dead")
    living = family(tmp_path, "fastrtps_living")
    foreign = family(tmp_path, "fastrtps_foreign")
    with living[2].open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        removed = remove_orphans([dead[2], living[2]])
    assert sorted(removed) == sorted(dead)
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in living + foreign)


def test_a_port_that_a_peer_made_again_goes_without_its_lock(tmp_path: Path) -> None:
    port, mutex, lock = family(tmp_path, "fastrtps_port7411")
    lock.unlink()
    assert remove_orphans([lock]) == [port, mutex]
    assert remove_orphans([lock]) == []
