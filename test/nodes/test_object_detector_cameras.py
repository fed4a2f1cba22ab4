"""The detector node with several cameras, with other models, and under pressure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("onnxruntime")

from diagnostic_msgs.msg import DiagnosticArray
from fakes.batch_models import write_batch_detector
from helpers.sysfs import heat
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image as RawImage
from vision_msgs.msg import Detection2DArray, VisionInfo

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.backends.onnxruntime_backend import OnnxRuntimeBackend
from edge_mm_ros.datatypes import Image
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
from edge_mm_ros.params.share import share_directory
from edge_mm_ros.pipelines.detection import DetectionPipeline
from edge_mm_ros.ros.conversions.detections import detections_from_msg
from edge_mm_ros.ros.conversions.images import image_to_msg
from edge_mm_ros.ros.qos import LATCHED, RELIABLE
from edge_mm_ros.runtime import ModelHost
from edge_mm_ros.runtime.pressure import SystemPressure

CELLS = 8 * 8 + 4 * 4 + 2 * 2  # of a 64 x 64 input at the strides 8, 16, 32
CAMERAS = ("front", "left", "rear")
OK, WARN = b"\x00", b"\x01"


def write_manifest(folder: Path, name: str, path: Path | str, *lines: str) -> None:
    text = f"name: {name}\ntask: detection\npath: {path}\nchain: ['onnxruntime:cpu']\n"
    (folder / f"{name}.yaml").write_text(text + "deadline_s: 60\n" + "".join(lines))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with two models for any number of pictures: one sees a cat, the other a dog."""
    for name, label, version in (("cats", "cat", "1"), ("dogs", "dog", "2")):
        table = np.zeros((1, 5, CELLS), np.float32)
        table[0, :, 0] = [20, 20, 10, 10, 0.9]
        path = write_batch_detector(
            tmp_path / f"{name}.onnx", table, {"names": f"{{0: '{label}'}}"}
        )
        write_manifest(tmp_path, name, path.name, f"version: '{version}'\n")
    return tmp_path


def detector(
    graph: Any, folder: Path, pressure: SystemPressure | None = None, **overrides: Any
) -> ObjectDetectorNode:
    given = {"model": "cats"} | overrides
    return ObjectDetectorNode(
        ModelHost(ModelRepository([folder]), BackendRegistry([OnnxRuntimeBackend()])),
        pressure=pressure,
        context=graph.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
    )


def picture(stamp_ns: int) -> RawImage:
    return image_to_msg(Image(np.full((64, 64, 3), 60, np.uint8), stamp_ns, "lens"))


def labels(messages: Sequence[Detection2DArray]) -> list[tuple[str, ...]]:
    return [detections_from_msg(message).labels for message in messages]


class Rig:
    """A detector with its cameras, and what it says."""

    def __init__(self, graph: Any, node: ObjectDetectorNode, cameras: Sequence[str]) -> None:
        self.graph = graph
        self.pictures = {c: graph.publisher(RawImage, f"{c}/image_raw", RELIABLE) for c in cameras}
        self.heard = {
            c: graph.collect(Detection2DArray, f"{c}/detections", RELIABLE) for c in cameras
        }
        self.diagnostics = graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
        self.infos = graph.collect(VisionInfo, "vision_info", LATCHED)
        self.node: Any = graph.bring_up(node)
        for publisher in self.pictures.values():
            graph.spin_until_connected(publisher)
        graph.spin_until(lambda: bool(self.infos), what="vision_info")
        self.stamp_ns = 0

    def publish(self, camera: str) -> int:
        """Publish a picture; gives its stamp."""
        self.stamp_ns += 1
        self.pictures[camera].publish(picture(self.stamp_ns))
        return self.stamp_ns

    def arrive(self, camera: str) -> None:
        """Publish a picture and wait until the node has it."""
        inbox = next(i.inbox for i in self.node.listeners if camera in i.topic)
        before = inbox.received
        self.publish(camera)
        self.graph.spin_until(lambda: inbox.received > before, what=f"a picture of {camera}")

    def detect(self, camera: str) -> tuple[str, ...]:
        """Publish a picture and wait for the objects in it."""
        heard, count = self.heard[camera], len(self.heard[camera])
        self.publish(camera)
        self.graph.spin_until(lambda: len(heard) > count, timeout_s=60, what="detections")
        return labels(heard)[-1]

    def set(self, name: str, value: Any) -> Any:
        (result,) = self.node.set_parameters([Parameter(name, value=value)])
        return result

    def entries(self, name: str) -> list[Any]:
        """The diagnostic entries of one name, as they came."""
        full = f"object_detector: {name}"
        return [s for message in self.diagnostics for s in message.status if s.name == full]

    def wait_for(self, name: str, holds: Callable[[Any], bool]) -> Any:
        """The first entry of a name for which something holds."""
        found: list[Any] = []

        def there() -> bool:
            found[:] = [entry for entry in self.entries(name) if holds(entry)]
            return bool(found)

        self.graph.spin_until(there, timeout_s=60, what=f"{name} on /diagnostics")
        return found[0]


def values(entry: Any) -> dict[str, str]:
    return {each.key: each.value for each in entry.values}


class Gate:
    """Holds a node's inference until it is opened, and notes what it is given."""

    def __init__(self, node: Any) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Event()
        self.open = threading.Event()
        pipeline = node.pipeline
        detect = pipeline.detect

        def gated(images: Sequence[Image]) -> Any:
            self.batches.append([image.stamp_ns for image in images])
            self.entered.set()
            assert self.open.wait(30)
            return detect(images)

        pipeline.detect = gated


@pytest.fixture
def rig(ros_graph: Any, models: Path) -> Rig:
    return Rig(ros_graph, detector(ros_graph, models, cameras=list(CAMERAS), max_batch=2), CAMERAS)


# Cameras -----------------------------------------------------------------------------------------


def test_waiting_cameras_go_together_the_newest_picture_of_each_and_drops_are_told(
    rig: Rig,
) -> None:
    gate = Gate(rig.node)
    rig.arrive("front")  # 1
    assert gate.entered.wait(10)
    for camera in ("left", "front", "rear", "left", "left"):  # 2 to 6
        rig.arrive(camera)
    gate.open.set()
    rig.graph.spin_until(lambda: rig.node.idle, what="the node at rest")
    assert gate.batches == [[1], [6, 3], [4]]
    rig.graph.spin_until(lambda: all(rig.heard.values()), what="detections")
    assert labels(rig.heard["left"]) == [("cat",)]
    entry = rig.wait_for("camera left", lambda e: values(e)["received"] == "3")
    assert values(entry)["replaced"] == "2"
    entry = rig.wait_for("camera rear", lambda e: values(e)["served"] == "1")
    assert values(entry)["replaced"] == "0"
    topic = rig.wait_for("topic /left/image_raw", lambda e: values(e)["dropped"] == "2")
    assert values(topic)["queue"] == "newest of each, in turn"
    assert values(topic)["handled"] == "1"


def test_on_a_processor_pictures_go_in_turn_unless_told_otherwise(
    ros_graph: Any, models: Path
) -> None:
    rig = Rig(ros_graph, detector(ros_graph, models, cameras=list(CAMERAS)), CAMERAS)
    gate = Gate(rig.node)
    rig.arrive("front")
    assert gate.entered.wait(10)
    for camera in ("left", "rear", "front"):
        rig.arrive(camera)
    gate.open.set()
    rig.graph.spin_until(lambda: rig.node.idle, what="the node at rest")
    assert gate.batches == [[1], [2], [3], [4]]


def test_on_an_accelerator_all_cameras_go_together(
    ros_graph: Any, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No accelerator is needed to see what is done on one.
    monkeypatch.setattr(DetectionPipeline, "on_processor", property(lambda _: False))
    rig = Rig(ros_graph, detector(ros_graph, models, cameras=list(CAMERAS)), CAMERAS)
    gate = Gate(rig.node)
    rig.arrive("front")
    assert gate.entered.wait(10)
    for camera in ("left", "rear", "front"):
        rig.arrive(camera)
    gate.open.set()
    rig.graph.spin_until(lambda: rig.node.idle, what="the node at rest")
    assert gate.batches == [[1], [2, 3, 4]]


def test_a_picture_that_waited_too_long_is_dropped_counted_and_told(
    ros_graph: Any, models: Path
) -> None:
    node = detector(ros_graph, models, cameras=["front", "left"], max_age_s=0.05)
    rig = Rig(ros_graph, node, ("front", "left"))
    gate = Gate(rig.node)
    rig.arrive("front")
    assert gate.entered.wait(10)
    rig.arrive("left")
    late_s = time.monotonic() + 0.06
    rig.graph.spin_until(lambda: time.monotonic() > late_s, what="the deadline")
    gate.open.set()
    rig.graph.spin_until(lambda: rig.node.idle, what="the node at rest")
    assert gate.batches == [[1]]
    entry = rig.wait_for("camera left", lambda e: e.level == WARN)
    assert "1 waited longer than max_age_s" in entry.message
    assert values(entry)["expired"] == "1"
    rig.wait_for("topic /left/image_raw", lambda e: values(e)["dropped"] == "1")


def test_a_bad_picture_of_one_camera_costs_the_others_nothing(rig: Rig) -> None:
    gate = Gate(rig.node)
    rig.arrive("front")
    assert gate.entered.wait(10)
    bad = picture(7)
    bad.encoding = "banana"
    rig.pictures["left"].publish(bad)
    rig.arrive("rear")
    rig.graph.spin_until(lambda: rig.node._batcher.waiting == 2, what="two pictures")
    gate.open.set()
    rig.graph.spin_until(lambda: bool(rig.heard["rear"]), what="detections")
    rig.wait_for("input /left/image_raw unknown_encoding", lambda e: e.level == WARN)
    assert rig.heard["left"] == []
    assert rig.node.active


def test_a_rate_skips_pictures_and_does_not_count_them_as_dropped(rig: Rig) -> None:
    assert rig.set("max_rate_hz", 0.001).successful
    rig.detect("front")
    rig.arrive("front")
    entry = rig.wait_for("camera front", lambda e: values(e)["received"] == "2")
    assert (values(entry)["skipped"], values(entry)["replaced"]) == ("1", "0")
    rig.wait_for("topic /front/image_raw", lambda e: values(e)["dropped"] == "0")
    assert rig.set("max_rate_hz", 0.0).successful
    assert rig.detect("front") == ("cat",)


# Another model -----------------------------------------------------------------------------------


def loaded(node: Any) -> set[str]:
    return {status.name for status in node._host.status() if status.loaded}


def test_a_parameter_swaps_the_model_while_pictures_flow(rig: Rig) -> None:
    assert rig.detect("front") == ("cat",)
    assert rig.infos[-1].method == "cats 1"
    assert rig.set("model", "dogs").successful
    rig.graph.spin_until(lambda: rig.detect("front") == ("dog",), what="the other model")
    heard = labels(rig.heard["front"])
    assert heard == [("cat",)] * heard.count(("cat",)) + [("dog",)] * heard.count(("dog",))
    assert len(heard) == rig.stamp_ns, "no picture was lost"
    rig.graph.spin_until(lambda: len(rig.infos) == 2, what="vision_info")
    assert rig.infos[1].method == "dogs 2"
    assert '"0": "dog"' in rig.infos[1].database_location
    rig.graph.spin_until(lambda: loaded(rig.node) == {"dogs"}, what="the old model's end")
    entry = rig.wait_for("switch of models", lambda e: e.level == OK)
    assert values(entry) == {"from": "cats", "to": "dogs"}
    rig.wait_for("model dogs", lambda e: "runs on" in e.message)
    assert rig.node.get_parameter("model").value == "dogs"
    assert rig.node.trigger_deactivate() == Result.SUCCESS
    assert rig.node.trigger_cleanup() == Result.SUCCESS
    assert loaded(rig.node) == set()


def test_the_real_detector_swaps_for_a_second_real_one(
    ros_graph: Any, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    shipped = (share_directory() / "config/models/person_fall_detector.yaml").read_text()
    for name in ("first", "second"):
        text = shipped.replace("name: person_fall_detector", f"name: {name}")
        (tmp_path / f"{name}.yaml").write_text(text + "deadline_s: 60\n")
    rig = Rig(ros_graph, detector(ros_graph, tmp_path, model="first"), ("camera",))
    bgr = np.asarray(cv2.imread(str(shared_data("kitti/image_2/000000.png"))), dtype=np.uint8)
    message = image_to_msg(Image(np.ascontiguousarray(bgr[..., ::-1]), 5, "lens"))

    def see() -> Any:
        count = len(rig.heard["camera"])
        rig.pictures["camera"].publish(message)
        rig.graph.spin_until(lambda: len(rig.heard["camera"]) > count, 60, "detections")
        return detections_from_msg(rig.heard["camera"][-1])

    before = see()
    assert before.labels == ("Normal",)
    assert rig.set("model", "second").successful
    while_loading = 0
    while rig.node.pipeline.model_name == "first":
        np.testing.assert_array_equal(see().boxes_px, before.boxes_px)
        while_loading += 1
    assert while_loading > 0, "pictures flow while the other one is loaded"
    np.testing.assert_array_equal(see().boxes_px, before.boxes_px)
    rig.graph.spin_until(lambda: loaded(rig.node) == {"second"}, 60, "the old model's end")


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_and_its_name(
    rig: Rig, models: Path
) -> None:
    (models / "broken.onnx").write_text("<html>404 not found</html>")
    write_manifest(models, "broken", "broken.onnx")
    assert rig.set("model", "broken").successful
    entry = rig.wait_for("switch of models", lambda e: e.level == WARN)
    assert "broken cannot take over: " in entry.message
    assert entry.message.endswith("cats goes on")
    assert str(models / "broken.onnx") in entry.message
    name = rig.node.get_parameter
    rig.graph.spin_until(lambda: name("model").value == "cats", what="the old name")
    assert rig.node.params.model == "cats"
    assert rig.detect("front") == ("cat",)
    assert loaded(rig.node) == {"cats"}
    assert rig.set("model", "dogs").successful
    rig.graph.spin_until(lambda: rig.detect("front") == ("dog",), what="the other model")


def test_a_model_without_a_class_that_is_asked_for_is_given_up(rig: Rig) -> None:
    assert rig.set("class_filter", ["cat"]).successful
    assert rig.set("model", "dogs").successful
    entry = rig.wait_for("switch of models", lambda e: e.level == WARN)
    assert "unknown classes: cat; the model knows: dog; cats goes on" in entry.message
    rig.graph.spin_until(
        lambda: rig.node.get_parameter("model").value == "cats", what="the old name"
    )
    assert rig.detect("front") == ("cat",)


def test_a_model_that_is_no_detector_or_not_there_is_refused_at_once(
    rig: Rig, models: Path
) -> None:
    text = (models / "dogs.yaml").read_text().replace("name: dogs", "name: talker")
    (models / "talker.yaml").write_text(text.replace("task: detection", "task: generation"))
    write_manifest(models, "gone", "gone.onnx")
    for name, reason in (
        ("nobody", "no model named 'nobody'"),
        ("talker", "'talker' is for generation, not for detection"),
        ("gone", "gone.onnx"),
    ):
        result = rig.set("model", name)
        assert not result.successful
        assert reason in result.reason
    both = rig.node.set_parameters_atomically(
        [Parameter("model", value="dogs"), Parameter("class_filter", value=["dog"])]
    )
    assert "cannot change together" in both.reason
    assert rig.node.get_parameter("model").value == "cats"


def test_while_one_is_loaded_a_third_is_refused_and_the_old_name_calls_it_off(
    rig: Rig, models: Path
) -> None:
    for line in ("dogs", "third"):
        write_manifest(models, line, "dogs.onnx")
    gate = Gate(rig.node)  # the switch comes between two pictures: this one never ends
    rig.arrive("front")
    assert gate.entered.wait(10)
    assert rig.set("model", "dogs").successful
    refused = rig.set("model", "third")
    assert not refused.successful
    assert "dogs is being loaded; wait until it serves" in refused.reason
    assert rig.set("model", "cats").successful
    gate.open.set()
    rig.graph.spin_until(
        lambda: rig.node.idle and loaded(rig.node) == {"cats"}, what="the node at rest"
    )
    assert rig.detect("front") == ("cat",)
    assert rig.node.pipeline.model_name == "cats"


def test_a_model_set_while_the_node_is_not_active_serves_from_activation_on(
    ros_graph: Any, models: Path
) -> None:
    node: Any = ros_graph.add(detector(ros_graph, models))
    assert node.trigger_configure() == Result.SUCCESS
    (result,) = node.set_parameters([Parameter("model", value="dogs")])
    assert result.successful, result.reason
    assert node.trigger_activate() == Result.SUCCESS
    assert node.pipeline.labels == ("dog",)
    assert loaded(node) == {"dogs"}
    assert node.trigger_deactivate() == Result.SUCCESS
    assert node.trigger_cleanup() == Result.SUCCESS
    assert loaded(node) == set()


def test_a_version_that_takes_over_under_the_name_is_told(rig: Rig) -> None:
    rig.detect("front")
    rig.node._host.swap("cats", "dogs")
    assert rig.detect("front") == ("dog",)
    rig.graph.spin_until(lambda: len(rig.infos) == 2, what="vision_info")
    assert rig.infos[1].method == "cats 2"
    assert '"0": "dog"' in rig.infos[1].database_location


# Pressure ----------------------------------------------------------------------------------------


LADDER = {
    "degradation.steps": ["rate", "model"],
    "degradation.rate_hz": 0.001,
    "degradation.model": "dogs",
    "degradation.down_after_s": 0.5,
    "degradation.up_after_s": 0.5,
}


def test_a_hot_processor_costs_rate_then_model_and_both_come_back(
    ros_graph: Any, models: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    heat(root, 60)
    node = detector(ros_graph, models, SystemPressure(root), cameras=["front"], **LADDER)
    rig = Rig(ros_graph, node, ("front",))
    assert rig.detect("front") == ("cat",)
    entry = rig.wait_for("degradation", lambda e: "temperature" in values(e))
    assert (entry.level, entry.message) == (OK, "full")
    assert values(entry)["temperature"] == "60 °C (cpu-thermal) of 85 °C"
    assert values(entry)["power_cap"] == "not readable: cpufreq does not tell"
    heat(root, 97)
    first = rig.wait_for("degradation step", lambda e: values(e)["to"] == "rate")
    assert first.level == WARN
    told = values(first)
    assert told["from"] == "full"
    assert (told["source"], told["value"], told["limit"]) == ("temperature", "97", "85")
    rig.wait_for("degradation step", lambda e: values(e)["to"] == "model")
    rig.wait_for("switch of models", lambda e: values(e) == {"from": "cats", "to": "dogs"})
    assert rig.detect("front") == ("dog",)
    rig.arrive("front")
    rig.wait_for("camera front", lambda e: values(e)["skipped"] == "1")
    write_manifest(models, "third", "cats.onnx")
    refused = rig.set("model", "third")
    assert "cannot change while the smaller model" in refused.reason
    heat(root, 40)
    rig.wait_for("degradation step", lambda e: values(e)["to"] == "full")
    rig.graph.spin_until(lambda: rig.node.pipeline.model_name == "cats", what="the old model")
    assert rig.detect("front") == ("cat",)
    rig.graph.spin_until(lambda: loaded(rig.node) == {"cats"}, what="the smaller one's end")


def test_in_simulated_time_the_ladder_stands_still_and_says_so(
    ros_graph: Any, models: Path, tmp_path: Path
) -> None:
    heat(tmp_path, 120)
    node = detector(ros_graph, models, SystemPressure(tmp_path), use_sim_time=True, **LADDER)
    ros_graph.bring_up(node)
    (entry,) = [h for h in node.health() if h.name == "degradation"]
    assert "stands still in simulated time" in entry.message


def test_the_smaller_model_of_a_ladder_is_checked_at_configure(
    ros_graph: Any, models: Path
) -> None:
    node = ros_graph.add(detector(ros_graph, models, **LADDER | {"degradation.model": "mice"}))
    assert node.trigger_configure() == Result.FAILURE
    assert "no model named 'mice'" in node.last_error
