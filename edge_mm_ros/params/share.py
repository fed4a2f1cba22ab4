"""Where the installed configuration lies."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

from edge_mm_ros.params.base import ParameterError

SAMPLE_RECORDING = "plaza_sample"


def share_directory() -> Path:
    """The folder that holds ``config/`` and ``launch/``.

    A source checkout wins, so that an editable installation sees its own files; then every
    ament prefix, then the Python environment.

    Raises:
        ParameterError: none of them holds the package.
    """
    source = Path(__file__).resolve().parents[2]
    if (source / "package.xml").is_file():
        return source
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    prefixes.append(Path(sysconfig.get_path("data")))
    for prefix in prefixes:
        share = prefix / "share" / "edge_mm_ros"
        if (share / "package.xml").is_file():
            return share
    looked = ", ".join(str(prefix) for prefix in prefixes)
    raise ParameterError(
        f"the share folder of edge_mm_ros is in none of {looked}; source the workspace or "
        "install the package again"
    )


def find_config(kind: str, name: str) -> Path:
    """The YAML file of a name or path.

    Args:
        kind: folder below ``config/``, for example ``systems``.
        name: a path to a file, or the bare name of one that ships.

    Raises:
        ParameterError: there is no such file; lists the ones that ship.
    """
    given = Path(name).expanduser()
    if given.suffix in {".yaml", ".yml"} or given.is_absolute():
        if given.is_file():
            return given
        raise ParameterError(f"{given}: no such file")
    folder = share_directory() / "config" / kind
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml"))) or "none"
        raise ParameterError(f"no {kind} named '{name}' in {folder}; there are: {known}")
    return path


def sample_recording() -> Path:
    """The sample recording that ships.

    Raises:
        ParameterError: it is not there.
    """
    path = share_directory() / "test" / "data" / SAMPLE_RECORDING
    if not path.exists():
        raise ParameterError(f"the sample recording {path} is missing; install the package again")
    return path
