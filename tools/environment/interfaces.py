"""Builds message packages that PyPI lacks, from the field lists in `tools/interfaces`."""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .process import Runner

_CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project({name} C CXX)
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
{find_dependencies}
# The nodes are Python; the generators for C++, which come along, take half of the time.
list(FILTER AMENT_EXTENSIONS_rosidl_generate_idl_interfaces EXCLUDE REGEX "_cpp:")
rosidl_generate_interfaces(${{PROJECT_NAME}}
  {messages}
  DEPENDENCIES {dependencies})
ament_export_dependencies(rosidl_default_runtime)
ament_package()
"""

_MANIFEST = """\
<?xml version="1.0"?>
<package format="3">
  <name>{name}</name>
  <version>{version}</version>
  <description>Messages of {name} that edge_mm_ros uses.</description>
  <maintainer email="edge_mm_ros@users.noreply.github.com">edge_mm_ros maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  {depends}
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""


@dataclass(frozen=True)
class InterfacePackage:
    """A message package: the field lists below `folder/msg`, and the version they are from."""

    folder: Path

    @property
    def name(self) -> str:
        """The ROS package's name."""
        return self.folder.name

    @property
    def version(self) -> str:
        """The release whose field lists these are."""
        return (self.folder / "VERSION").read_text().strip()

    @property
    def messages(self) -> list[Path]:
        """The `.msg` files, sorted."""
        return sorted(self.folder.glob("msg/*.msg"))

    @property
    def dependencies(self) -> list[str]:
        """The other packages whose messages the fields use, sorted."""
        used = re.findall(
            r"^(\w+)/\w+", "\n".join(path.read_text() for path in self.messages), re.MULTILINE
        )
        return sorted(set(used) - {self.name})

    def digest(self) -> str:
        """A hash of all that determines what is built."""
        content = [_CMAKE, _MANIFEST, self.version]
        content += [f"{path.name}\n{path.read_text()}" for path in self.messages]
        return hashlib.sha256("\0".join(content).encode()).hexdigest()

    def write_sources(self, target: Path) -> None:
        """Write a package that CMake can build: manifest, CMakeLists.txt and the messages."""
        messages = target / "msg"
        messages.mkdir(parents=True, exist_ok=True)
        for path in self.messages:
            (messages / path.name).write_text(path.read_text())
        (target / "CMakeLists.txt").write_text(
            _CMAKE.format(
                name=self.name,
                find_dependencies="\n".join(
                    f"find_package({name} REQUIRED)" for name in self.dependencies
                ),
                messages="\n  ".join(f"msg/{path.name}" for path in self.messages),
                dependencies=" ".join(self.dependencies),
            )
        )
        (target / "package.xml").write_text(
            _MANIFEST.format(
                name=self.name,
                version=self.version,
                depends="\n  ".join(f"<depend>{name}</depend>" for name in self.dependencies),
            )
        )


def interface_packages(folder: Path) -> list[InterfacePackage]:
    """The packages kept below a folder, the largest first, so that it is not built last."""
    packages = [InterfacePackage(path.parent) for path in folder.glob("*/msg")]
    return sorted(packages, key=lambda package: (-len(package.messages), package.name))


def use_own_paths(share: Path, python_include: str, numpy_include: str) -> int:
    """Correct the paths of the machine that built the ROS wheels in their CMake export files.

    Args:
        share: The environment's `share` folder.
        python_include: The folder that holds `Python.h`.
        numpy_include: The folder that holds numpy's headers.

    Returns:
        How many files were changed.
    """
    changed = 0
    for path in share.glob("*/cmake/*.cmake"):
        text = path.read_text()
        corrected = re.sub(r'/opt/python/[^;"\s]+/numpy/_core/include', numpy_include, text)
        corrected = re.sub(
            r'/opt/python/[^;"\s/]+/include/python3[^;"\s/]*', python_include, corrected
        )
        if corrected != text:
            path.write_text(corrected)
            changed += 1
    return changed


def build_environment(venv: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables with which CMake finds ROS, the sourced one too, and this environment."""
    variables = dict(inherited)
    for name, value in {
        "PATH": venv / "bin",
        "AMENT_PREFIX_PATH": venv,
        "CMAKE_PREFIX_PATH": venv,
        "LD_LIBRARY_PATH": venv / "lib",
    }.items():
        others = variables.get(name)
        variables[name] = f"{value}{os.pathsep}{others}" if others else str(value)
    return variables


def build(package: InterfacePackage, venv: Path, folder: Path, runner: Runner, jobs: int) -> bool:
    """Build a message package into an environment, unless the same one is there already.

    Args:
        package: What to build.
        venv: The environment, which is also the ament prefix that is installed to.
        folder: For sources, build files and the mark of a finished build.
        runner: Runs CMake.
        jobs: How many compilers at a time.

    Returns:
        Whether it was built now.
    """
    mark = folder / f"{package.name}.built"
    digest = package.digest()
    if mark.exists() and mark.read_text() == digest:
        return False
    sources, build_folder = folder / package.name / "src", folder / package.name / "build"
    package.write_sources(sources)
    variables = build_environment(venv, os.environ)
    step = f"build of {package.name}"
    configure = [
        *("cmake", "-S", sources, "-B", build_folder),
        f"-DCMAKE_INSTALL_PREFIX={venv}",
        f"-DPython3_EXECUTABLE={venv / 'bin/python'}",
        "-DBUILD_TESTING=OFF",
        "-DCMAKE_BUILD_TYPE=Release",
    ]
    runner.run(step, configure, variables)
    runner.run(step, ["cmake", "--build", build_folder, "--parallel", jobs], variables)
    runner.run(step, ["cmake", "--install", build_folder], variables)
    shutil.rmtree(folder / package.name)
    mark.write_text(digest)
    return True
