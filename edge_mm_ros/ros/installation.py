"""Which ROS 2 this environment has, found out without starting it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.ros.launching import OWN_TRANSPORT_SETTINGS, transport_environment

OPTIONAL_PACKAGES = {
    "launch_ros": "ros2 launch (edge-mm up does without)",
    "tf2_ros": "sensor mountings from tf (else from parameters)",
    "cv_bridge": "further picture encodings",
}
"""ROS packages that are used where they are installed, and for what."""

SOCKET_BUFFER_BYTES = 4 << 20


@dataclass(frozen=True)
class RosInstallation:
    """A ROS 2.

    Attributes:
        distribution: its name, for example ``jazzy``; empty where it is not known.
        folder: where ``rclpy`` lies.
        source: ``sourced`` for a sourced workspace, ``PyPI`` for wheels.
    """

    distribution: str
    folder: Path
    source: str


def module_folder(name: str) -> Path | None:
    """Where a Python package lies, without importing it; None where it is not installed."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.origin:
        return Path(spec.origin).parent
    return Path(next(iter(spec.submodule_search_locations or ["."])))


def require_ros() -> None:
    """Refuse to go on without ROS 2.

    Raises:
        EdgeMmError: it is not in this environment; tells how to get it.
    """
    if module_folder("rclpy") is None:
        raise EdgeMmError(
            "ROS 2 (rclpy) is not in this environment: source its setup.bash, or run 'make setup'"
        )


def find_ros(
    environ: Mapping[str, str] = os.environ,
    folder_of: Callable[[str], Path | None] = module_folder,
) -> RosInstallation | None:
    """The ROS 2 of this environment; None where there is none."""
    folder = folder_of("rclpy")
    if folder is None:
        return None
    distribution = environ.get("ROS_DISTRO", "")
    if distribution:
        return RosInstallation(distribution, folder, "sourced")
    return RosInstallation(_distribution_of_wheels(), folder, "PyPI")


def middleware() -> str:
    """The name of the middleware that is in force, as ROS itself says it.

    Raises:
        ImportError: ``rclpy`` or the middleware cannot be loaded; its text says why.
    """
    from rclpy.utilities import get_rmw_implementation_identifier

    return str(get_rmw_implementation_identifier())


def transport_in_force(environ: Mapping[str, str]) -> str:
    """The transport profile of nodes that this package starts, one line."""
    for name in OWN_TRANSPORT_SETTINGS:
        if environ.get(name):
            return f"{name}={environ[name]} (set by you)"
    added = transport_environment(environ)
    if not added:
        return f"the defaults of {environ['RMW_IMPLEMENTATION']}"
    return ", ".join(f"{name}={value}" for name, value in added.items())


def receive_buffer_limit(path: Path = Path("/proc/sys/net/core/rmem_max")) -> int | None:
    """The largest receive buffer that a socket can get, bytes; None where it is not told."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def message_packages(package_xml: Path) -> tuple[str, ...]:
    """The message packages that this package needs, as its manifest lists them."""
    root = ElementTree.parse(package_xml).getroot()
    names = (element.text or "" for element in root.iter("exec_depend"))
    return tuple(name for name in names if name.endswith(("_msgs", "_srvs", "_interfaces")))


def mend_of_package(name: str, ros: RosInstallation | None) -> str:
    """The command that installs a ROS package here; empty where PyPI has none."""
    if ros is not None and ros.source == "sourced":
        return f"sudo apt install ros-{ros.distribution}-{name.replace('_', '-')}"
    return "" if name in OPTIONAL_PACKAGES else "make setup"


def _distribution_of_wheels() -> str:
    for distribution in importlib.metadata.distributions():
        if found := re.fullmatch(r"ros-([a-z]+)-rclpy", distribution.metadata["Name"] or ""):
            return found[1]
    return ""
