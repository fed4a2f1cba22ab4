"""What the machine must have before anything is installed."""

import importlib.util
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

GIGABYTE = 10**9
NEEDED_DISK = 4 * GIGABYTE
NEWEST_PYTHON = (3, 14)


@dataclass(frozen=True)
class Machine:
    """What was found; a test makes one by hand."""

    platform: str
    python: tuple[int, int]
    has_venv: bool
    has_headers: bool
    c_compiler: str | None
    cxx_compiler: str | None
    free_disk: int
    disk_path: Path


def probe(venv: Path) -> Machine:
    """Look at this machine, without changing it.

    Args:
        venv: Where the environment will lie; its disk is measured.
    """
    existing = next(path for path in (venv, *venv.parents) if path.exists())
    return Machine(
        platform=sys.platform,
        python=sys.version_info[:2],
        has_venv=all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
        has_headers=Path(sysconfig.get_path("include"), "Python.h").exists(),
        c_compiler=_compiler("CC", "cc", "gcc", "clang"),
        cxx_compiler=_compiler("CXX", "c++", "g++", "clang++"),
        free_disk=shutil.disk_usage(existing).free,
        disk_path=existing,
    )


def _compiler(variable: str, *names: str) -> str | None:
    # $CC may hold options after the program's name.
    chosen = os.environ.get(variable, "").split()
    return next(filter(None, map(shutil.which, chosen[:1] or names)), None)


def lacks(machine: Machine, *, ros_is_sourced: bool, needed_disk: int = NEEDED_DISK) -> list[str]:
    """What is missing: one line each, with the command that mends it.

    Args:
        machine: What was found.
        ros_is_sourced: ROS 2 is installed, so its wheels are not needed.
        needed_disk: Free bytes that the environment takes while it is made.
    """
    lines = []
    version = ".".join(map(str, machine.python))
    if machine.platform != "linux":
        lines.append(f"Linux is needed, this is {machine.platform}: use a container or a VM")
    if not ros_is_sourced and machine.python > NEWEST_PYTHON:
        newest = ".".join(map(str, NEWEST_PYTHON))
        lines.append(
            f"ROS 2 wheels exist for Python 3.10 to {newest}, this is {version}: "
            f"PYTHON=python{newest} make setup"
        )
    if not machine.has_venv:
        lines.append(
            f"Python {version} lacks the venv module: sudo apt install python{version}-venv"
        )
    if not machine.has_headers:
        lines.append(
            f"Python {version} lacks its C headers (Python.h): sudo apt install python{version}-dev"
        )
    compilers = {"C": machine.c_compiler, "C++": machine.cxx_compiler}
    missing = [language for language, path in compilers.items() if path is None]
    if missing:
        languages = " and ".join(missing)
        lines.append(f"no {languages} compiler is found: sudo apt install build-essential")
    if machine.free_disk < needed_disk:
        lines.append(
            f"{machine.disk_path} has {machine.free_disk / GIGABYTE:.1f} GB free, "
            f"{needed_disk / GIGABYTE:.1f} GB are needed: free some, or use another disk: "
            "make setup VENV=/path/on/it/venv"
        )
    return lines
