"""The shared-memory files of Fast DDS, which a process that is killed leaves behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
_LOCK_SUFFIX = "_el"


def locks_of(pid: int, folder: Path = SHARED_MEMORY, processes: Path = Path("/proc")) -> set[Path]:
    """The lock files that a process holds: one for each segment and port that is its own.

    Fast DDS keeps an exclusive ``flock`` on ``<name>_el`` as long as the owner of ``<name>``
    lives; others never keep that file open. Empty where the process has ended or is not ours.
    """
    held = set()
    try:
        for descriptor in (processes / str(pid) / "fd").iterdir():
            try:
                target = Path(os.readlink(descriptor))
            except OSError:  # closed meanwhile
                continue
            name = target.name
            if target.parent == folder and name.startswith("fast") and name.endswith(_LOCK_SUFFIX):
                held.add(target)
    except OSError:
        pass
    return held


def remove_orphans(locks: Iterable[Path]) -> list[Path]:
    """Remove the files behind those locks that nobody holds any more.

    A peer that still writes to a port makes its file again, without the lock; so call it once
    more when the peers have ended, too.

    Returns:
        the removed files.
    """
    removed = []
    for lock in locks:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            removed += _remove_family(lock)
            continue
        except OSError:  # another user's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a living process has taken the name over
            continue
        else:
            removed += _remove_family(lock)
        finally:
            os.close(descriptor)
    return removed


def remove_own() -> list[Path]:
    """Remove this process's own files, just before it ends without its destructors."""
    return [path for lock in locks_of(os.getpid()) for path in _remove_family(lock)]


def _remove_family(lock: Path) -> list[Path]:
    name = lock.name[: -len(_LOCK_SUFFIX)]
    removed = []
    for path in (lock.with_name(name), lock.with_name(f"sem.{name}_mutex"), lock):
        try:
            path.unlink()
        except OSError:
            continue
        removed.append(path)
    return removed
