"""The shared-memory segments of Fast DDS, which a process that is killed leaves behind.

Only segments are anybody's to remove: each has one owner and a name of its own. A port's name is
used again by the next process, and Fast DDS counts who has it open: were its file taken away, the
last old peer to let go would remove the next owner's file by that name, and nothing would reach
it any more. A killed owner's port is made anew by whoever opens it next.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
_SEGMENT_LOCK = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}_el")


def locks_of(pid: int, folder: Path = SHARED_MEMORY, processes: Path = Path("/proc")) -> set[Path]:
    """The lock files that a process holds: one for each segment that is its own.

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
            if target.parent == folder and _SEGMENT_LOCK.fullmatch(target.name):
                held.add(target)
    except OSError:
        pass
    return held


def remove_orphans(locks: Iterable[Path]) -> list[Path]:
    """Remove the segments behind those locks that nobody holds any more.

    Returns:
        the removed files.
    """
    removed = []
    for lock in locks:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # removed in an orderly end, or another user's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # its owner lives
            continue
        else:
            removed += _remove_segment(lock)
        finally:
            os.close(descriptor)
    return removed


def remove_own() -> list[Path]:
    """Remove this process's own segments, just before it ends without its destructors."""
    return [path for lock in locks_of(os.getpid()) for path in _remove_segment(lock)]


def _remove_segment(lock: Path) -> list[Path]:
    removed = []
    for path in (lock.with_name(lock.name.removesuffix("_el")), lock):
        try:
            path.unlink()
        except OSError:
            continue
        removed.append(path)
    return removed
