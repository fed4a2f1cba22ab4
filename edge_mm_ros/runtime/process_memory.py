"""The memory that this process may use."""

from __future__ import annotations

from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def available_bytes(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Memory that this process can still take: of the machine, and of each of its cgroups."""
    available = int(psutil.virtual_memory().available)
    left = [limit - used for limit, used in group_limits(cgroups, membership)]
    return max(0, min([available, *left]))


def group_limits(cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> list[tuple[int, int]]:
    """Limit and use, in bytes, of every control group above this process that has a limit.

    File caches, which can be given up, are not counted as used.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = cgroups / "memory" if controllers else cgroups
        group = Path(path.lstrip("/"))
        found += [_read_group(root / folder) for folder in (group, *group.parents)]
    return [each for each in found if each is not None]


def _read_group(folder: Path) -> tuple[int, int] | None:
    for limit, usage, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            text = (folder / limit).read_text().strip()
            if text == "max":
                return None
            used = int((folder / usage).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return int(text), used - int(stat.get(cache, 0))
        except (OSError, ValueError):
            continue
    return None
