"""Fast DDS's segments: whose they are, and which may go."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from edge_mm_ros.ros.shared_memory import locks_of, remove_orphans

DEAD, LIVING, FOREIGN = (f"fastrtps_{digit * 16}" for digit in "0af")
PORT = "fastrtps_port7411"


def files(folder: Path, name: str) -> list[Path]:
    paths = [folder / name, folder / f"{name}_el"]
    for path in paths:
        path.write_bytes(b"")
    return paths


def test_a_process_owns_the_segments_whose_locks_it_has_open(tmp_path: Path) -> None:
    for name in (LIVING, FOREIGN, PORT):
        files(tmp_path, name)
    with (
        (tmp_path / f"{LIVING}_el").open(),
        (tmp_path / FOREIGN).open(),
        (tmp_path / f"{PORT}_el").open(),  # its name is the next process's, too
    ):
        assert locks_of(os.getpid(), tmp_path) == {tmp_path / f"{LIVING}_el"}
    assert locks_of(os.getpid(), tmp_path) == set()


def test_a_process_that_has_ended_owns_nothing(tmp_path: Path) -> None:
    assert locks_of(12345, tmp_path, processes=tmp_path) == set()


def test_only_what_nobody_holds_is_removed(tmp_path: Path) -> None:
    dead = files(tmp_path, DEAD)
    living = files(tmp_path, LIVING)
    foreign = files(tmp_path, FOREIGN)
    with living[1].open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        removed = remove_orphans([dead[1], living[1]])
    assert sorted(removed) == sorted(dead)
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in living + foreign)


def test_what_an_orderly_end_has_removed_is_no_error(tmp_path: Path) -> None:
    _, lock = files(tmp_path, DEAD)
    lock.unlink()
    assert remove_orphans([lock]) == []
