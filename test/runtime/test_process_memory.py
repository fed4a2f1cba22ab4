"""What the machine and the control groups leave."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from edge_mm_ros.runtime.process_memory import available_bytes

MEGA = 1_000_000


def group(folder: Path, limit: str, used: int, cache: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\n")


def membership(tmp_path: Path, line: str) -> Path:
    file = tmp_path / "cgroup"
    file.write_text(line)
    return file


@pytest.fixture(autouse=True)
def much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        available = 10_000 * MEGA

    monkeypatch.setattr(psutil, "virtual_memory", Memory)


def test_without_groups_it_is_what_the_machine_leaves(tmp_path: Path) -> None:
    assert available_bytes(tmp_path, tmp_path / "absent") == 10_000 * MEGA


def test_a_group_limits_it_and_its_file_cache_counts_as_free(tmp_path: Path) -> None:
    group(tmp_path / "robot", str(100 * MEGA), 70 * MEGA, 20 * MEGA)
    assert available_bytes(tmp_path, membership(tmp_path, "0::/robot\n")) == 50 * MEGA


def test_the_tightest_group_above_counts(tmp_path: Path) -> None:
    group(tmp_path / "robot", str(40 * MEGA), 30 * MEGA, 0)
    group(tmp_path / "robot" / "node", str(100 * MEGA), 10 * MEGA, 0)
    line = membership(tmp_path, "0::/robot/node\n")
    assert available_bytes(tmp_path, line) == 10 * MEGA


def test_a_group_without_a_limit_is_none(tmp_path: Path) -> None:
    group(tmp_path / "robot", "max", 30 * MEGA, 0)
    line = membership(tmp_path, "0::/robot\n")
    assert available_bytes(tmp_path, line) == 10_000 * MEGA


def test_a_group_that_is_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    group(tmp_path / "robot", str(40 * MEGA), 50 * MEGA, 0)
    assert available_bytes(tmp_path, membership(tmp_path, "0::/robot\n")) == 0


def test_groups_of_version_1_count_too(tmp_path: Path) -> None:
    folder = tmp_path / "memory" / "robot"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{60 * MEGA}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{50 * MEGA}\n")
    (folder / "memory.stat").write_text("total_inactive_file 0\n")
    line = membership(tmp_path, "7:memory:/robot\n3:cpu:/robot\n")
    assert available_bytes(tmp_path, line) == 10 * MEGA
