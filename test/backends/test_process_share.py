"""How many cores a process may keep busy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_mm_ros.backends.process_share import resident_bytes, usable_cores


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, 16),
        ({"a/b/cpu.max": "max 100000"}, 16),
        ({"a/b/cpu.max": "400000 100000"}, 4),
        ({"a/b/cpu.max": "400000 100000", "a/cpu.max": "250000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"a/b/cpu.max": "nonsense"}, 16),
        ({"c/cpu.max": "100000 100000"}, 16),
    ],
)
def test_the_tightest_bandwidth_above_the_process_counts(
    tmp_path: Path, limits: dict[str, str], cores: int
) -> None:
    write(tmp_path / "membership", "0::/a/b\n")
    for name, text in limits.items():
        write(tmp_path / "groups" / name, text)
    assert usable_cores(tmp_path / "groups", tmp_path / "membership") == cores


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(("quota", "cores"), [("-1", 16), ("300000", 3)])
def test_version_1_of_the_control_groups_counts_too(tmp_path: Path, quota: str, cores: int) -> None:
    write(tmp_path / "membership", "3:cpuset:/x\n2:cpu,cpuacct:/x\n0::/\n")
    write(tmp_path / "groups/cpu/x/cpu.cfs_quota_us", quota)
    write(tmp_path / "groups/cpu/x/cpu.cfs_period_us", "100000")
    assert usable_cores(tmp_path / "groups", tmp_path / "membership") == cores


def test_here_it_is_at_least_one_and_memory_is_in_use() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert resident_bytes() > 10_000_000
