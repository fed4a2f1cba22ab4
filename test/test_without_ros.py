"""The rooms without ROS work where no ROS is installed."""

from __future__ import annotations

import subprocess
import sys

BLOCK = """
import importlib, pkgutil, sys

ROS = ("rclpy", "ament_index_python", "builtin_interfaces", "rosgraph_msgs", "rcl_interfaces")

class NoRos:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in ROS or root.endswith("_msgs") or root.endswith("_srvs"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, NoRos())
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK + program], capture_output=True, text=True, check=False
    )


def test_the_block_blocks() -> None:
    assert "No module named 'rclpy'" in run("import rclpy").stderr


def test_every_module_of_the_rooms_without_ros_can_be_imported() -> None:
    done = run(
        """
rooms = "datatypes params backends model_repository runtime pipelines".split()
count = 0
for room in rooms:
    package = importlib.import_module(f"edge_mm_ros.{room}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        count += 1
print(count)
"""
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def test_people_are_found_in_a_recorded_picture() -> None:
    done = run(
        """
import cv2, numpy as np
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore
from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.datatypes import Image
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.share import sample_recording
from edge_mm_ros.pipelines.detection import DetectionPipeline
from edge_mm_ros.runtime import ModelHost
with Reader(sample_recording()) as reader:
    pictures = [c for c in reader.connections if c.msgtype == "sensor_msgs/msg/CompressedImage"]
    connection, _, cdr = next(reader.messages(pictures))
message = get_typestore(Stores.ROS2_JAZZY).deserialize_cdr(cdr, connection.msgtype)
pixels = cv2.cvtColor(cv2.imdecode(np.asarray(message.data), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
host = ModelHost(ModelRepository(), BackendRegistry.from_entry_points())
detect = DetectionPipeline(host, "person_fall_detector")
print(len(detect(Image(pixels, 0, "camera"))))
"""
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3


def test_a_command_that_needs_ros_says_how_to_get_it() -> None:
    done = run(
        """
sys.argv = ["edge-mm", "up", "safety_monitor"]
from edge_mm_ros.cli.main import main
main()
"""
    )
    assert done.returncode == 1
    assert "make setup" in done.stderr
    assert done.stderr.count("\n") == 1
