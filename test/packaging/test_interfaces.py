"""The message packages built here are, on the wire, the released ones."""

import json
import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from environment import interfaces
from environment.interfaces import InterfacePackage

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = interfaces.interface_packages(ROOT / "tools/interfaces")

# Computed from the released packages' own definitions (vision_msgs 4.1.1, hri_msgs 2.3.2,
# audio_common_msgs 0.4.0, radar_msgs 0.2.2). Nodes whose hashes differ do not hear each other.
RELEASED_HASHES = {
    "audio_common_msgs/msg/AudioData": (
        "RIHS01_a9742fba1567e649bbdba6ae034a72c7ef129b97c7a4da50fd2f3e1bfd8ffa86"
    ),
    "audio_common_msgs/msg/AudioDataStamped": (
        "RIHS01_6fc679d5a868ed68e4d301f1ef42abecc86140afb57d255656ff2d9e476ea9e3"
    ),
    "audio_common_msgs/msg/AudioInfo": (
        "RIHS01_b3494d204e513d2cceefae1888e5be3da7c8c8ca31eb277f7b5b62f364bcb1fb"
    ),
    "hri_msgs/msg/LiveSpeech": (
        "RIHS01_2cfdf359eed836b1d32ac2d62e1476f2048212e7ed79a17c0a594b04c33f8783"
    ),
    "radar_msgs/msg/RadarReturn": (
        "RIHS01_d2faa185f22c2cf578cf2dfd69e05ce6262d1a716f2fd3ea219e9db31e1ed2f0"
    ),
    "radar_msgs/msg/RadarScan": (
        "RIHS01_9d270e9c9d9e2509e93e7c688fd8a813d75e43a6a37ef982e63e24e80e535cdc"
    ),
    "vision_msgs/msg/BoundingBox2D": (
        "RIHS01_008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f"
    ),
    "vision_msgs/msg/BoundingBox3D": (
        "RIHS01_bbb73a65c163d7f9bb29009c7bde9f7faa576bd2d23299c4511d19230dab4698"
    ),
    "vision_msgs/msg/Detection2D": (
        "RIHS01_0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea"
    ),
    "vision_msgs/msg/Detection2DArray": (
        "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"
    ),
    "vision_msgs/msg/Detection3D": (
        "RIHS01_ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b"
    ),
    "vision_msgs/msg/Detection3DArray": (
        "RIHS01_793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018"
    ),
    "vision_msgs/msg/LabelInfo": (
        "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783"
    ),
    "vision_msgs/msg/ObjectHypothesis": (
        "RIHS01_51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90"
    ),
    "vision_msgs/msg/ObjectHypothesisWithPose": (
        "RIHS01_41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc"
    ),
    "vision_msgs/msg/Point2D": (
        "RIHS01_eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247"
    ),
    "vision_msgs/msg/Pose2D": (
        "RIHS01_b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648"
    ),
    "vision_msgs/msg/VisionClass": (
        "RIHS01_1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a"
    ),
    "vision_msgs/msg/VisionInfo": (
        "RIHS01_95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284"
    ),
}


def type_names(package: InterfacePackage) -> list[str]:
    return [f"{package.name}/msg/{path.stem}" for path in package.messages]


def test_every_kept_message_has_a_known_hash():
    kept = {name for package in PACKAGES for name in type_names(package)}
    assert kept == set(RELEASED_HASHES)


def test_the_field_lists_have_the_released_hashes():
    typesys = pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    types = {}
    for package in PACKAGES:
        for name, path in zip(type_names(package), package.messages, strict=True):
            types |= typesys.get_types_from_msg(path.read_text(), name)
    store.register(types)
    assert {name: store.hash_rihs01(name) for name in RELEASED_HASHES} == RELEASED_HASHES


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_installed_package_has_the_released_hashes(package):
    prefixes = [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    share = next(
        (
            Path(p, "share", package.name)
            for p in prefixes
            if Path(p, "share", package.name).exists()
        ),
        None,
    )
    if share is None:
        pytest.skip(f"{package.name} is not installed")
    for name, path in zip(type_names(package), package.messages, strict=True):
        description = json.loads((share / "msg" / path.with_suffix(".json").name).read_text())
        hashes = {entry["type_name"]: entry["hash_string"] for entry in description["type_hashes"]}
        assert hashes[name] == RELEASED_HASHES[name]


def test_only_fields_are_kept():
    for package in PACKAGES:
        for path in package.messages:
            assert "#" not in path.read_text(), path


class TestInterfacePackage:
    @pytest.fixture
    def package(self, tmp_path):
        folder = tmp_path / "gas_msgs"
        (folder / "msg").mkdir(parents=True)
        (folder / "VERSION").write_text("1.2.3\n")
        (folder / "msg/Reading.msg").write_text(
            "std_msgs/Header header\ngas_msgs/Gas[] gases\ngeometry_msgs/Point[2] ends\nfloat64 x\n"
        )
        (folder / "msg/Gas.msg").write_text("string name\n")
        return InterfacePackage(folder)

    def test_depends_on_the_packages_of_its_fields(self, package):
        assert package.dependencies == ["geometry_msgs", "std_msgs"]

    def test_sources_name_all_that_a_build_needs(self, package, tmp_path):
        package.write_sources(tmp_path / "src")
        manifest = ElementTree.parse(tmp_path / "src/package.xml").getroot()
        cmake = (tmp_path / "src/CMakeLists.txt").read_text()
        assert manifest.findtext("name") == "gas_msgs"
        assert manifest.findtext("version") == "1.2.3"
        assert [e.text for e in manifest.findall("depend")] == package.dependencies
        assert "msg/Gas.msg\n  msg/Reading.msg" in cmake
        assert "find_package(geometry_msgs REQUIRED)" in cmake
        assert (tmp_path / "src/msg/Gas.msg").read_text() == "string name\n"

    def test_another_field_is_another_digest(self, package):
        before = package.digest()
        (package.folder / "msg/Gas.msg").write_text("string formula\n")
        assert package.digest() != before

    def test_the_largest_package_is_built_first(self, package):
        small = package.folder.with_name("a_small_msgs")
        (small / "msg").mkdir(parents=True)
        (small / "msg/One.msg").write_text("int8 x\n")
        found = interfaces.interface_packages(package.folder.parent)
        assert [p.name for p in found] == ["gas_msgs", "a_small_msgs"]


class RecordingRunner:
    """Stands in for the runner of commands: keeps what it was asked to run."""

    def __init__(self):
        self.commands = []

    def run(self, step, command, environment):
        self.commands.append([str(part) for part in command])


def test_a_built_package_is_not_built_again_until_it_changes(tmp_path):
    package = InterfacePackage(tmp_path / "gas_msgs")
    (package.folder / "msg").mkdir(parents=True)
    (package.folder / "VERSION").write_text("1.0.0\n")
    (package.folder / "msg/Gas.msg").write_text("string name\n")
    runner = RecordingRunner()

    def build():
        return interfaces.build(package, tmp_path / "venv", tmp_path / "work", runner, 2)

    assert build()
    assert [command[1] for command in runner.commands] == ["-S", "--build", "--install"]
    assert not build()
    (package.folder / "msg/Gas.msg").write_text("string formula\n")
    assert build()


def test_this_prefix_goes_before_a_sourced_one():
    variables = interfaces.build_environment(
        Path("/venv"), {"AMENT_PREFIX_PATH": "/opt/ros/jazzy", "HOME": "/root"}
    )
    assert variables["AMENT_PREFIX_PATH"] == f"/venv{os.pathsep}/opt/ros/jazzy"
    assert variables["CMAKE_PREFIX_PATH"] == "/venv"
    assert variables["HOME"] == "/root"


def test_paths_of_the_build_machine_are_replaced(tmp_path):
    export = tmp_path / "std_msgs/cmake/export.cmake"
    export.parent.mkdir(parents=True)
    python = "/opt/python/cp312-cp312"
    export.write_text(
        f'DIRECTORIES "{python}/include/python3.12;'
        f'{python}/lib/python3.12/site-packages/numpy/_core/include;/other"\n'
    )
    untouched = export.with_name("other.cmake")
    untouched.write_text("nothing\n")

    assert interfaces.use_own_paths(tmp_path, "/own/python", "/own/numpy") == 1
    assert export.read_text() == 'DIRECTORIES "/own/python;/own/numpy;/other"\n'
    assert interfaces.use_own_paths(tmp_path, "/own/python", "/own/numpy") == 0
