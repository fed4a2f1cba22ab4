"""Compiled engines on disk, so that a model is compiled once a machine and not at every start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_mm_ros.backends.protocol import BackendError, ModelArtifact

_KEY_FILE = "key.json"
_STAGED = ".part"
_STAGED_FOR_S = 24 * 3600.0
_BLOCK_BYTES = 1 << 20
_MEND = (
    "free some space there, or name a folder that can be written in EDGE_MM_CACHE_DIR; until then "
    "the model is compiled at every start"
)


class CacheUnusable(BackendError):
    """The cache's folder cannot be written: the engine works, but is compiled at every start."""


@dataclass(frozen=True)
class EngineKey:
    """What a compiled engine depends on.

    Attributes:
        model_digest: SHA-256 of the model's files in hexadecimal.
        backend: backend and provider, for example ``onnxruntime:tensorrt``.
        device: product name of the device.
        options: everything that was asked of the compiler, as text.
        driver: version of the device's driver.
        library: versions of the engine's libraries.
    """

    model_digest: str
    backend: str
    device: str
    options: str
    driver: str
    library: str

    @property
    def folder_name(self) -> str:
        """Name of its folder: the model, then all of it."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.model_digest[:16]}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def replaces(self, other: Mapping[str, str]) -> bool:
        """Whether `other`, a key as it was written, differs in driver or library alone."""
        mine = asdict(self)
        same = ("model_digest", "backend", "device", "options")
        return other != mine and all(other.get(name) == mine[name] for name in same)


def default_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """``$EDGE_MM_CACHE_DIR``, else ``edge_mm_ros/engines`` in the user's folder for caches."""
    if given := environ.get("EDGE_MM_CACHE_DIR"):
        return Path(given).expanduser()
    base = environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()
    return root / "edge_mm_ros" / "engines"


def model_digest(artifact: ModelArtifact, further_files: tuple[Path, ...] = ()) -> str:
    """SHA-256 over all files of a model, in hexadecimal.

    Args:
        artifact: its own digest is believed where it has one.
        further_files: what its file refers to.
    """
    digests = [artifact.digest or _file_digest(artifact.path)]
    digests += [_file_digest(file) for file in further_files]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


class EngineCache:
    """A folder with one folder per key.

    An entry is made under another name beside its place and moved there when it is whole, so that
    no process ever sees half an engine.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else default_folder()

    def find(self, key: EngineKey) -> Path | None:
        """The entry's folder; None where there is none."""
        path = self.folder / key.folder_name
        return path if (path / _KEY_FILE).is_file() else None

    def stage(self, needed_bytes: int = 0) -> Path:
        """A new folder for an entry that is to be committed.

        Args:
            needed_bytes: what the entry will take, roughly.

        Raises:
            CacheUnusable: no folder or no file can be made, or the disk has less space.
        """
        with self._named_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            free = shutil.disk_usage(self.folder).free
            if free < needed_bytes:
                raise CacheUnusable(
                    f"engine cache {self.folder}: {free} bytes are free, about {needed_bytes} are "
                    f"needed; {_MEND}"
                )
            return Path(tempfile.mkdtemp(suffix=_STAGED, dir=self.folder))

    def write(self, staged: Path, name: str, data: bytes | memoryview) -> None:
        """Write a file into a staged entry.

        Raises:
            CacheUnusable: the disk is full, for example.
        """
        with self._named_errors(), (staged / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def commit(self, key: EngineKey, staged: Path) -> Path:
        """Move a staged entry to its place and remove those that it replaces.

        Where another process was quicker, its entry stays.

        Returns:
            the entry's folder.

        Raises:
            CacheUnusable: it cannot be written; the staged entry is removed.
        """
        place = self.folder / key.folder_name
        try:
            self.write(staged, _KEY_FILE, json.dumps(asdict(key), indent=1).encode())
            with self._named_errors():
                if self.find(key) is None:
                    shutil.rmtree(place, ignore_errors=True)
                    os.replace(staged, place)
        finally:
            self.discard(staged)
        self._prune(key)
        return place

    def discard(self, path: Path) -> None:
        """Remove an entry, staged or whole; one that is not there is no matter."""
        shutil.rmtree(path, ignore_errors=True)

    def _prune(self, key: EngineKey) -> None:
        for file in self.folder.glob(f"{key.model_digest[:16]}-*/{_KEY_FILE}"):
            try:
                other = json.loads(file.read_text())
            except (OSError, ValueError):  # removed meanwhile, or damaged
                continue
            if isinstance(other, dict) and key.replaces(other):
                self.discard(file.parent)

    def _remove_abandoned(self) -> None:
        """What a process left that died while it compiled."""
        for path in self.folder.glob(f"*{_STAGED}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STAGED_FOR_S:
                    self.discard(path)

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CacheUnusable(
                f"engine cache {self.folder}: {error.strerror or error}; {_MEND}"
            ) from error


def _file_digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
