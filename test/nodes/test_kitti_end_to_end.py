"""Must show 1: KITTI 000000 through the real detector, the fusion and the topics between."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("onnxruntime")

from fakes.kitti import read_frame
from fakes.kitti_topics import camera_info, fusion_parameters, point_cloud
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, PointCloud2
from sensor_msgs.msg import Image as RawImage
from vision_msgs.msg import Detection3DArray

from edge_mm_ros.datatypes import Image, Object3D
from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
from edge_mm_ros.nodes.sensor_fusion import SensorFusionNode
from edge_mm_ros.ros.conversions.images import image_to_msg
from edge_mm_ros.ros.conversions.objects import objects_from_msg
from edge_mm_ros.ros.qos import RELIABLE

STAMP_NS = 1_700_000_000_000_000_000


def parameters(values: dict[str, Any]) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in values.items()]


def test_one_person_8_41_m_ahead(ros_graph: Any, shared_data: Callable[[str], Path]) -> None:
    frame = read_frame(shared_data, "000000")
    pixels = cv2.cvtColor(cv2.imread(str(frame.picture)), cv2.COLOR_BGR2RGB)
    detector = ObjectDetectorNode(
        context=ros_graph.context, parameter_overrides=parameters({"cameras": ["front"]})
    )
    fusion = SensorFusionNode(
        context=ros_graph.context, parameter_overrides=parameters(fusion_parameters(frame))
    )
    objects: list[Detection3DArray] = ros_graph.collect(Detection3DArray, "objects", RELIABLE)
    for node in (detector, fusion):
        ros_graph.bring_up(node)
    calibration = ros_graph.publisher(CameraInfo, "front/camera_info", RELIABLE)
    points = ros_graph.publisher(PointCloud2, "top/points", RELIABLE)
    pictures = ros_graph.publisher(RawImage, "front/image_raw", RELIABLE)
    for publisher in (calibration, points, pictures):
        ros_graph.spin_until_connected(publisher)
    listeners = (*detector.listeners, *fusion.listeners)
    ros_graph.spin_until(lambda: all(lis.publishers for lis in listeners), what="all matched")

    calibration.publish(camera_info(frame, STAMP_NS))
    points.publish(point_cloud(frame, STAMP_NS))
    given = {publisher.topic_name for publisher in (calibration, points)}
    heard = [listener for listener in fusion.listeners if listener.topic in given]
    assert len(heard) == 2
    ros_graph.spin_until(
        lambda: all(lis.inbox.received for lis in heard) and fusion.idle,
        what="calibration and cloud are handled",
    )
    pictures.publish(image_to_msg(Image(pixels, STAMP_NS, "front_optical")))
    ros_graph.spin_until(lambda: bool(people(objects)), what="the pedestrian")

    (found,) = people(objects)
    stamps = {(message.header.stamp.sec, message.header.stamp.nanosec) for message in objects}
    assert stamps == {(STAMP_NS // 10**9, STAMP_NS % 10**9)}
    assert {message.header.frame_id for message in objects} == {"base_link"}
    assert found.position_m[0] == pytest.approx(8.41, abs=0.35)
    assert math.hypot(*(found.position_m - frame.labels[0].centre_m)[:2]) < 0.35


def people(messages: list[Detection3DArray]) -> list[Object3D]:
    """Those that the newest message shows; points without a class are none."""
    if not messages:
        return []
    return [item for item in objects_from_msg(messages[-1]).objects if item.label == "Normal"]
