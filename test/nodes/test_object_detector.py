"""The detector node over real topics, with the embedded model and with tiny ones."""

from __future__ import annotations

import array
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("onnxruntime")

from diagnostic_msgs.msg import DiagnosticArray
from fakes.onnx_models import write_detector
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as RawImage
from vision_msgs.msg import Detection2DArray, VisionInfo

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.backends.onnxruntime_backend import OnnxRuntimeBackend
from edge_mm_ros.datatypes import Image
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
from edge_mm_ros.ros.conversions.compressed_images import image_from_compressed, image_to_jpeg
from edge_mm_ros.ros.conversions.detections import detections_from_msg
from edge_mm_ros.ros.conversions.images import image_to_msg
from edge_mm_ros.ros.qos import LATCHED, RELIABLE, SENSOR
from edge_mm_ros.runtime import ModelHost

CELLS = 8 * 8 + 4 * 4 + 2 * 2  # of a 64 x 64 input at the strides 8, 16, 32
WARN = b"\x01"
HOUR_NS = 3_600_000_000_000


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with a model that sees a cat (0.5) and a dog (0.8) in every picture."""
    table = np.zeros((CELLS, 6), np.float32)
    table[:2] = [[20, 20, 10, 10, 0.5, 0], [40, 40, 20, 20, 0, 0.8]]
    write_detector(
        tmp_path / "tiny.onnx",
        {"output0": table.T[None].copy()},
        metadata={"names": "{0: 'cat', 1: 'dog'}"},
    )
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\nversion: '7'\ntask: detection\npath: tiny.onnx\nchain: ['onnxruntime:cpu']\n"
    )
    return tmp_path


def detector(graph: Any, folder: Path | None = None, **overrides: Any) -> ObjectDetectorNode:
    repository = ModelRepository([folder]) if folder else ModelRepository()
    if folder:
        overrides.setdefault("model", "tiny")
    return ObjectDetectorNode(
        ModelHost(repository, BackendRegistry([OnnxRuntimeBackend()])),
        context=graph.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
    )


def picture(stamp_ns: int = 1, frame_id: str = "lens", size: tuple[int, int] = (64, 64)) -> Image:
    return Image(np.full((*size, 3), 60, np.uint8), stamp_ns, frame_id)


def changed(**fields: Any) -> RawImage:
    message = image_to_msg(picture())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def statuses(messages: list[DiagnosticArray]) -> Mapping[str, Any]:
    return {status.name: status for message in messages for status in message.status}


def iou(a: NDArray[np.float32], b: list[float]) -> float:
    width = max(0.0, float(min(a[2], b[2]) - max(a[0], b[0])))
    height = max(0.0, float(min(a[3], b[3]) - max(a[1], b[1])))
    areas = float((a[2] - a[0]) * (a[3] - a[1])) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (areas - width * height)


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_kittis_pedestrian_is_found_over_both_transports(
    ros_graph: Any, shared_data: Callable[[str], Path], transport: str
) -> None:
    path = shared_data("kitti/image_2/000000.png")
    label = shared_data("kitti/label_2/000000.txt").read_text().split()
    stamp_ns = 1_317_046_450_123_456_789
    if transport == "raw":
        bgr = np.asarray(cv2.imread(str(path)), dtype=np.uint8)
        message = image_to_msg(Image(bgr, stamp_ns, "image_2"))
        message.encoding = "bgr8"
        topic = "camera/image_raw"
    else:
        message = CompressedImage(format="png", data=array.array("B", path.read_bytes()))
        message.header = image_to_msg(picture(stamp_ns, "image_2")).header
        topic = "camera/image_raw/compressed"
    pictures = ros_graph.publisher(type(message), topic, RELIABLE)
    heard = ros_graph.collect(Detection2DArray, "camera/detections", RELIABLE)
    ros_graph.bring_up(detector(ros_graph, transport=transport))
    ros_graph.spin_until_connected(pictures)
    pictures.publish(message)
    ros_graph.spin_until(lambda: len(heard) == 1, timeout_s=60, what="detections")
    found = detections_from_msg(heard[0])
    assert found.labels == ("Normal",)
    assert iou(found.boxes_px[0], [float(value) for value in label[4:8]]) > 0.8
    assert (found.stamp_ns, found.frame_id) == (stamp_ns, "image_2")


def test_every_camera_has_its_own_topics_stamps_and_frames(ros_graph: Any, tiny: Path) -> None:
    names = ("front", "rear/left")
    pictures = {n: ros_graph.publisher(RawImage, f"{n}/image_raw", RELIABLE) for n in names}
    heard = {n: ros_graph.collect(Detection2DArray, f"{n}/detections", RELIABLE) for n in names}
    ros_graph.bring_up(detector(ros_graph, tiny, cameras=list(names)))
    for index, name in enumerate(names):
        ros_graph.spin_until_connected(pictures[name])
        pictures[name].publish(image_to_msg(picture(1000 + index, f"lens_{index}")))
    ros_graph.spin_until(lambda: all(heard.values()), what="detections of both cameras")
    for index, name in enumerate(names):
        (message,) = heard[name]
        found = detections_from_msg(message)
        assert found.labels == ("dog", "cat")
        assert (found.stamp_ns, found.frame_id) == (1000 + index, f"lens_{index}")
        assert found.boxes_px[1].tolist() == [15, 15, 25, 25]


def test_thresholds_and_classes_change_while_it_runs(ros_graph: Any, tiny: Path) -> None:
    pictures = ros_graph.publisher(RawImage, "camera/image_raw", RELIABLE)
    heard = ros_graph.collect(Detection2DArray, "camera/detections", RELIABLE)
    node = ros_graph.bring_up(detector(ros_graph, tiny))
    ros_graph.spin_until_connected(pictures)

    def labels_after(name: str, value: Any) -> tuple[str, ...]:
        (result,) = node.set_parameters([Parameter(name, value=value)])
        assert result.successful, result.reason
        heard.clear()
        pictures.publish(image_to_msg(picture()))
        ros_graph.spin_until(lambda: bool(heard), what="detections")
        return detections_from_msg(heard[0]).labels

    assert labels_after("confidence_threshold", 0.6) == ("dog",)
    assert labels_after("confidence_threshold", 0.1) == ("dog", "cat")
    assert labels_after("class_filter", ["cat"]) == ("cat",)
    assert labels_after("class_filter", []) == ("dog", "cat")
    assert labels_after("max_detections", 1) == ("dog",)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("confidence_threshold", 1.5, "less than or equal to 1"),
        ("confidence_threshold", "high", "confidence_threshold"),
        ("iou_threshold", float("nan"), "iou_threshold"),
        ("class_filter", ["cow"], "unknown classes: cow; the model knows: cat, dog"),
        ("max_detections", 0, "greater than or equal to 1"),
        ("transport", "compressed", "cannot change while the node is active"),
        ("model", "other", "no model named 'other'; there are: tiny"),
        ("max_age_s", 2.0, "cannot change while the node is active"),
        ("max_rate_hz", -1.0, "max_rate_hz"),
        ("degradation.rate_hz", 0.0, "degradation.rate_hz"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_reason_and_the_old_value_stays(
    ros_graph: Any, tiny: Path, name: str, value: Any, reason: str
) -> None:
    node = ros_graph.bring_up(detector(ros_graph, tiny))
    before = node.get_parameter(name).value
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert reason in result.reason
    assert node.get_parameter(name).value == before


def test_boxes_have_ids_that_stay_where_that_is_asked_for(ros_graph: Any, tiny: Path) -> None:
    pytest.importorskip("similari")
    pictures = ros_graph.publisher(RawImage, "camera/image_raw", RELIABLE)
    heard = ros_graph.collect(Detection2DArray, "camera/detections", RELIABLE)
    ros_graph.bring_up(detector(ros_graph, tiny, follow=True))
    ros_graph.spin_until_connected(pictures)
    for count in (1, 2):
        pictures.publish(image_to_msg(picture(count * 100_000_000)))
        ros_graph.spin_until(lambda count=count: len(heard) == count, what="detections")
    ids = [[item.id for item in message.detections] for message in heard]
    assert ids == [["1", "2"], ["1", "2"]]


def test_without_the_library_ids_are_refused_at_configure(
    ros_graph: Any, tiny: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "similari", None)  # as if it were not installed
    node = ros_graph.add(detector(ros_graph, tiny, follow=True))
    assert node.trigger_configure() == Result.FAILURE
    assert "edge_mm_ros[following]" in "".join(capfd.readouterr())


def test_what_is_made_at_configure_cannot_change_until_cleanup(ros_graph: Any, tiny: Path) -> None:
    node = ros_graph.add(detector(ros_graph, tiny))
    assert node.trigger_configure() == Result.SUCCESS
    (result,) = node.set_parameters([Parameter("cameras", value=["other"])])
    assert not result.successful
    assert "clean up first" in result.reason
    assert node.trigger_cleanup() == Result.SUCCESS
    (result,) = node.set_parameters([Parameter("cameras", value=["other"])])
    assert result.successful


def test_bad_pictures_are_reported_by_kind_and_good_ones_are_served(
    ros_graph: Any, tiny: Path
) -> None:
    pictures = ros_graph.publisher(RawImage, "camera/image_raw", RELIABLE)
    heard = ros_graph.collect(Detection2DArray, "camera/detections", RELIABLE)
    diagnostics = ros_graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
    node = ros_graph.bring_up(detector(ros_graph, tiny, max_image_pixels=10_000))
    ros_graph.spin_until_connected(pictures)
    bad = {
        "size_mismatch": changed(step=200),
        "zero_size": changed(width=0, height=0, data=array.array("B")),
        "unknown_encoding": changed(encoding="banana"),
        "step": changed(step=3),
        "too_large": image_to_msg(picture(size=(200, 200))),
    }
    for kind, message in bad.items():
        pictures.publish(message)
        name = f"object_detector: input /camera/image_raw {kind}"
        ros_graph.spin_until(lambda name=name: name in statuses(diagnostics), what=name)
        status = statuses(diagnostics)[name]
        assert status.level == WARN
        assert {v.key: v.value for v in status.values}["count"] == "1"
        heard.clear()
        pictures.publish(image_to_msg(picture(77)))
        ros_graph.spin_until(lambda: bool(heard), what=f"detections after {kind}")
    assert node.active


def test_bad_compressed_pictures_are_reported_by_kind_and_good_ones_are_served(
    ros_graph: Any, tiny: Path
) -> None:
    good = image_to_jpeg(picture(5, "lens"))
    pictures = ros_graph.publisher(CompressedImage, "camera/image_raw/compressed", RELIABLE)
    heard = ros_graph.collect(Detection2DArray, "camera/detections", RELIABLE)
    diagnostics = ros_graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
    ros_graph.bring_up(detector(ros_graph, tiny, transport="compressed"))
    ros_graph.spin_until_connected(pictures)
    bad = {
        "truncated": good.data[: len(good.data) // 2],
        "empty": array.array("B"),
        "unknown_encoding": array.array("B", b"GIF89a" + bytes(20)),
    }
    for kind, data in bad.items():
        pictures.publish(CompressedImage(format="jpeg", data=data))
        name = f"object_detector: input /camera/image_raw/compressed {kind}"
        ros_graph.spin_until(lambda name=name: name in statuses(diagnostics), what=name)
        heard.clear()
        pictures.publish(good)
        ros_graph.spin_until(lambda: bool(heard), what=f"detections after {kind}")
        assert detections_from_msg(heard[0]).labels == ("dog", "cat")


def test_a_stamp_that_jumps_back_is_used_and_reported_once(ros_graph: Any, tiny: Path) -> None:
    pictures = ros_graph.publisher(RawImage, "camera/image_raw", RELIABLE)
    heard = ros_graph.collect(Detection2DArray, "camera/detections", RELIABLE)
    diagnostics = ros_graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
    ros_graph.bring_up(detector(ros_graph, tiny))
    ros_graph.spin_until_connected(pictures)
    stamps = [5 * HOUR_NS, 4 * HOUR_NS, 4 * HOUR_NS + 1, 4 * HOUR_NS + 2]
    for count, stamp_ns in enumerate(stamps, 1):
        pictures.publish(image_to_msg(picture(stamp_ns)))
        ros_graph.spin_until(lambda count=count: len(heard) == count, what="detections")
    assert [detections_from_msg(message).stamp_ns for message in heard] == stamps
    name = "object_detector: input /camera/image_raw stamp_jump"
    ros_graph.spin_until(lambda: name in statuses(diagnostics), what=name)
    status = statuses(diagnostics)[name]
    assert "3600.0 s before the last one" in status.message
    assert {v.key: v.value for v in status.values}["count"] == "1"


def test_pictures_are_annotated_only_while_somebody_looks(ros_graph: Any, tiny: Path) -> None:
    pictures = ros_graph.publisher(RawImage, "camera/image_raw", RELIABLE)
    heard = ros_graph.collect(Detection2DArray, "camera/detections", RELIABLE)
    node = ros_graph.bring_up(detector(ros_graph, tiny))
    (annotated,) = [p for p in node.publishers_in_use if "detections_image" in p.topic]
    ros_graph.spin_until_connected(pictures)

    def detect() -> None:
        count = len(heard)
        pictures.publish(image_to_msg(picture(9, "lens", (96, 128))))
        ros_graph.spin_until(lambda: len(heard) > count and node.idle, what="detections")

    detect()
    assert annotated.sent == 0
    seen: list[CompressedImage] = []
    subscription = ros_graph.peer.create_subscription(
        CompressedImage, "camera/detections_image/compressed", seen.append, SENSOR.profile()
    )
    ros_graph.spin_until(lambda: annotated.subscribers == 1, what="subscription")
    detect()
    ros_graph.spin_until(lambda: len(seen) == 1, what="annotated picture")
    shown = image_from_compressed(seen[0])
    assert (shown.width, shown.height) == (128, 96)
    assert (shown.stamp_ns, shown.frame_id) == (9, "lens")
    assert np.abs(shown.pixels.astype(int) - 60).max() > 100, "something is drawn"
    ros_graph.peer.destroy_subscription(subscription)
    ros_graph.spin_until(lambda: annotated.subscribers == 0, what="end of the subscription")
    detect()
    assert annotated.sent == 1


def test_who_comes_late_still_learns_the_classes(ros_graph: Any, tiny: Path) -> None:
    ros_graph.bring_up(detector(ros_graph, tiny))
    infos = ros_graph.collect(VisionInfo, "vision_info", LATCHED)
    ros_graph.spin_until(lambda: len(infos) == 1, what="vision_info")
    assert infos[0].method == "tiny 7"
    assert '"1": "dog"' in infos[0].database_location


@pytest.mark.parametrize("content", [None, b"", b"<html>404 not found</html>"])
def test_a_model_file_that_cannot_be_used_fails_configure_until_it_is_put_right(
    ros_graph: Any, tiny: Path, content: bytes | None
) -> None:
    file = tiny / "tiny.onnx"
    good = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    node = ros_graph.add(detector(ros_graph, tiny))
    assert node.trigger_configure() == Result.FAILURE
    assert str(file) in node.last_error
    assert "put a good file there, or correct 'path'" in node.last_error
    assert "\n" not in node.last_error
    file.write_bytes(good)
    assert node.trigger_configure() == Result.SUCCESS
    assert node.last_error == ""
    assert node.trigger_activate() == Result.SUCCESS


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"model": "nobody"}, "no model named 'nobody'; there are: tiny"),
        ({"class_filter": ["cow"]}, "unknown classes: cow"),
        ({"cameras": ["a", "a"]}, "named twice"),
        ({"cameras": ["a b"]}, "cameras"),
        ({"transport": "pigeon"}, "transport"),
        ({"confidence": 0.5}, "unknown parameter 'confidence'"),
        ({"degradation.step": ["rate"]}, "unknown parameter 'degradation.step'"),
        ({"degradation.steps": ["sleep"]}, "degradation.steps"),
        ({"degradation.steps": ["model"]}, "needs the name of a smaller model"),
        ({"max_delay_s": 0.5, "max_age_s": 0.2}, "pictures would expire by waiting"),
    ],
)
def test_wrong_parameters_at_start_fail_configure(
    ros_graph: Any, tiny: Path, overrides: dict[str, Any], said: str
) -> None:
    node = ros_graph.add(detector(ros_graph, tiny, **overrides))
    assert node.trigger_configure() == Result.FAILURE
    assert said in node.last_error


def test_ten_lives_leave_no_threads_and_no_files_open(ros_graph: Any, tiny: Path) -> None:
    node = ros_graph.add(detector(ros_graph, tiny))

    def live() -> tuple[int, int]:
        assert node.trigger_configure() == Result.SUCCESS
        assert node.trigger_activate() == Result.SUCCESS
        assert node.trigger_deactivate() == Result.SUCCESS
        assert node.trigger_cleanup() == Result.SUCCESS
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    first = live()
    assert [live() for _ in range(9)][-1] == first
    assert node._host.status()[0].loaded is False
