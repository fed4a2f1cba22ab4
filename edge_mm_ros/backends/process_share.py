"""What this process may use of the machine, and what it uses."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_STATM = Path("/proc/self/statm")


def usable_cores(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Cores that this process may really keep busy, at least 1.

    The affinity mask, cut by the CPU bandwidth of its control groups (``cpu.max`` of version 2,
    ``cpu.cfs_quota_us`` of version 1). More threads than that take turns and slow each other.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    for quota, period in _bandwidths(cgroups, membership):
        cores = min(cores, int(quota // period))
    return max(1, cores)


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _bandwidths(cgroups: Path, membership: Path) -> list[tuple[float, float]]:
    """Quota and period of every control group above this process that limits it."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            limits += [_read_version_2(folder) for folder in _upwards(cgroups, path)]
        elif "cpu" in controllers.split(","):
            limits += [_read_version_1(folder) for folder in _upwards(cgroups / "cpu", path)]
    return [limit for limit in limits if limit is not None]


def _upwards(root: Path, path: str) -> list[Path]:
    group = Path(path.lstrip("/"))
    return [root / group, *(root / parent for parent in group.parents)]


def _read_version_2(folder: Path) -> tuple[float, float] | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return (float(quota), float(period)) if quota != "max" else None
    except (OSError, ValueError):
        return None


def _read_version_1(folder: Path) -> tuple[float, float] | None:
    try:
        quota = float((folder / "cpu.cfs_quota_us").read_text())
        period = float((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return (quota, period) if quota > 0 and period > 0 else None
