"""What a finished environment was made from, and what an interrupted one left behind."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from csv import reader
from pathlib import Path

from .process import SetupError

FOLDER = ".setup"


def ros_distribution(environment: Mapping[str, str]) -> str | None:
    """The distribution of the sourced ROS 2; None where none is sourced.

    Container images set ROS_DISTRO without sourcing anything, so that alone does not count.
    """
    if environment.get("AMENT_PREFIX_PATH"):
        return environment.get("ROS_DISTRO") or None
    return None


def key(root: Path, inputs: Iterable[Path], base: str) -> str:
    """A hash of all that determines the environment.

    Args:
        root: The repository; names are hashed relative to it.
        inputs: Files, and folders with all files below them.
        base: The interpreter and the ROS that the environment stands on.
    """
    digest = hashlib.sha256(base.encode())
    for path in sorted(set(_files(inputs))):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(root)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (
                file
                for file in path.rglob("*")
                if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".so"
            )
        else:
            yield path


class Stamp:
    """`.setup/stamp.json` in the environment: written last, so it means finished."""

    def __init__(self, venv: Path) -> None:
        """Args: venv: the environment's folder, which may not exist yet."""
        self._venv = venv
        self._path = venv / FOLDER / "stamp.json"

    def read(self) -> dict[str, str]:
        """What was written; empty where nothing, or nothing readable, is there."""
        try:
            content = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def is_current(self, wanted: str) -> bool:
        """Whether the environment is finished, was made from the same key, and still runs."""
        return self.read().get("key") == wanted and (self._venv / "bin/python").exists()

    def started(self, base: str) -> None:
        """Note that work on an environment of this base is under way: it is not finished."""
        self._write({"base": base})

    def finished(self, base: str, wanted: str) -> None:
        """Note that the environment is complete."""
        self._write({"base": base, "key": wanted})

    def _write(self, content: dict[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content))
        os.replace(temporary, self._path)


@contextmanager
def locked(venv: Path, when_waiting: Callable[[], None]) -> Iterator[int]:
    """Let only one set-up at a time work on an environment; the others wait.

    Args:
        venv: The environment's folder.
        when_waiting: Called where another set-up holds the lock.

    Yields:
        The lock's file descriptor. A child that inherits it keeps the lock, so what outlives a
        killed set-up is waited for.
    """
    folder = venv / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            when_waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def empty(venv: Path) -> None:
    """Remove an environment, all but the folder that holds the lock and the logs.

    Raises:
        SetupError: The folder holds something that is not an environment.
    """
    mark = venv / "pyvenv.cfg"
    content = [path for path in venv.iterdir() if path.name != FOLDER]
    if content and not mark.exists():
        raise SetupError(f"{venv} is not an environment: name another folder, VENV=... make setup")
    # The mark goes last, so that a removal that is interrupted can go on.
    for path in sorted(content, key=lambda path: path == mark):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def forget_damaged(site_packages: Path) -> list[str]:
    """Make pip install again what an interrupted pip left half installed.

    pip believes a package's `.dist-info` folder; it is removed where its RECORD is missing or
    lists files that are not there.

    Returns:
        The names of the removed folders.
    """
    damaged = [info for info in sorted(site_packages.glob("*.dist-info")) if not _is_whole(info)]
    for info in damaged:
        shutil.rmtree(info)
    return [info.name for info in damaged]


def _is_whole(info: Path) -> bool:
    record = info / "RECORD"
    if not record.exists():
        return False
    with record.open(newline="") as lines:
        names = [row[0] for row in reader(lines) if row]
    return all(
        name.endswith(".pyc") or os.path.lexists(os.path.join(info.parent, name)) for name in names
    )
