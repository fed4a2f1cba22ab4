"""The fusion node over real topics."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from fakes.kitti import read_frame
from fakes.kitti_topics import camera_info, fusion_parameters, point_cloud
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from nav_msgs.msg import Odometry
from rclpy.lifecycle import TransitionCallbackReturn as Result
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import Marker, MarkerArray

from edge_mm_ros.datatypes import Detections, Health, HealthLevel
from edge_mm_ros.nodes.sensor_fusion import SensorFusionNode
from edge_mm_ros.pipelines import native
from edge_mm_ros.ros.conversions.detections import detections_to_msg
from edge_mm_ros.ros.conversions.objects import objects_from_msg
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp
from edge_mm_ros.ros.conversions.velocities import velocities_from_msg
from edge_mm_ros.ros.qos import RELIABLE, TopicQos

STAMP_NS = 1_700_000_000_100_000_001
MS = 1_000_000
LAST_STAMP_NS = (2**31 - 1) * 1000 * MS  # the last that a message can hold, in 2038
DIAGNOSTICS = TopicQos(depth=100, reliable=True)
PLACED = {
    "cameras": ["front"],
    "lidars": ["top"],
    "camera_mounting.front.xyz_m": [0.0, 0.0, 1.7],
    "camera_mounting.front.rpy_rad": [0.0, 0.0, 0.0],
    "lidar_mounting.top.xyz_m": [0.0, 0.0, 2.0],
    "lidar_mounting.top.rpy_rad": [0.0, 0.0, 0.0],
}
PERSON_BOX = (295.0, 227.5, 345.0, 357.5)  # 8 m before a camera at 1.7 m with a focal length of 500


def fusion(graph: Any, parameters: dict[str, Any]) -> SensorFusionNode:
    return SensorFusionNode(
        context=graph.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()],
    )


def detections(
    *boxes: tuple[float, ...], stamp_ns: int = STAMP_NS, label: str = "Normal"
) -> Detection2DArray:
    return detections_to_msg(
        Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(boxes), 0.9, np.float32),
            (label,) * len(boxes),
            stamp_ns,
            "front_optical",
        )
    )


def info(stamp_ns: int = STAMP_NS, **changes: Any) -> CameraInfo:
    values: dict[str, Any] = {
        "width": 640,
        "height": 480,
        "k": [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0],
        **changes,
    }
    message = CameraInfo(**values)
    message.header.frame_id = "front_optical"
    message.header.stamp = to_stamp(stamp_ns)
    return message


def cloud(stamp_ns: int = STAMP_NS, **changes: Any) -> PointCloud2:
    """A person 8 m ahead, seen by a LiDAR 2 m above the robot's origin, with wild points."""
    grid = np.mgrid[-0.35:0.36:0.1, -1.7:-0.2:0.1].reshape(2, -1).T
    person = np.column_stack([np.full(len(grid), 8.0), grid])
    wild = [[math.nan, 0, 0], [0, math.inf, 0], [0, 0, -math.inf]]
    points = np.vstack([person, wild]).astype("<f4")
    values: dict[str, Any] = {
        "height": 1,
        "width": len(points),
        "fields": [
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate("xyz")
        ],
        "point_step": 12,
        "row_step": 12 * len(points),
        "data": points.tobytes(),
        **changes,
    }
    message = PointCloud2(**values)
    message.header.frame_id = "velodyne"
    message.header.stamp = to_stamp(stamp_ns)
    return message


class Wired:
    """A fusion node with publishers for its inputs and lists of its outputs."""

    def __init__(self, graph: Any, parameters: dict[str, Any]) -> None:
        self.graph = graph
        self.heard: list[Detection3DArray] = graph.collect(Detection3DArray, "objects", RELIABLE)
        self.heard_sources: list[Any] = graph.collect(DiagnosticArray, "objects/sources", RELIABLE)
        self.diagnostics: list[Any] = graph.collect(DiagnosticArray, "/diagnostics", DIAGNOSTICS)
        self.node = graph.bring_up(fusion(graph, parameters))
        self.publishers = {
            Detection2DArray: graph.publisher(Detection2DArray, "front/detections", RELIABLE),
            CameraInfo: graph.publisher(CameraInfo, "front/camera_info", RELIABLE),
            PointCloud2: graph.publisher(PointCloud2, "top/points", RELIABLE),
        }
        if topic := parameters.get("odometry"):
            self.publishers[Odometry] = graph.publisher(Odometry, topic, RELIABLE)
        for publisher in self.publishers.values():
            graph.spin_until_connected(publisher)
        # A subscription is made anew once a reliable publisher is there; wait for that one.
        graph.spin_until(
            lambda: all(lis.publishers == 1 for lis in self.node.listeners), what="all matched"
        )

    def feed(self, *messages: Any) -> None:
        """Publish each message and wait until the node has handled it."""
        for message in messages:
            kind = type(message)
            publisher = self.publishers[kind]
            listener = next(lis for lis in self.node.listeners if lis.topic == publisher.topic_name)
            before = listener.inbox.received
            publisher.publish(message)
            self.graph.spin_until(
                lambda listener=listener, before=before: (
                    listener.inbox.received > before and self.node.idle
                ),
                what=f"{kind.__name__} is handled",
            )

    @property
    def objects(self) -> list[Detection3DArray]:
        """The messages that tell of objects; a cloud before any picture tells of none."""
        return [message for message in self.heard if message.detections]

    @property
    def sources(self) -> list[Any]:
        """Those of their sources."""
        return [message for message in self.heard_sources if message.status]

    def told(self, part: str) -> list[Any]:
        """The diagnostic entries whose name has a text."""
        return [s for array in self.diagnostics for s in array.status if part in s.name]

    def wait_objects(self, count: int) -> None:
        self.graph.spin_until(lambda: len(self.objects) >= count, what=f"{count} objects messages")


def test_kitti_the_pedestrian_is_8_41_m_ahead(
    ros_graph: Any, shared_data: Callable[[str], Path]
) -> None:
    """Must show 1, with the labelled box in the detector's place."""
    frame = read_frame(shared_data, "000000")
    wired = Wired(ros_graph, fusion_parameters(frame))
    (label,) = frame.labels
    wired.feed(camera_info(frame, STAMP_NS), point_cloud(frame, STAMP_NS), detections(label.box_px))
    wired.wait_objects(1)
    objects = objects_from_msg(wired.objects[0])
    (found,) = objects.objects
    assert (objects.stamp_ns, objects.frame_id) == (STAMP_NS, "base_link")
    assert (found.label, found.track_id) == ("Normal", "1")
    assert found.position_m[0] == pytest.approx(8.41, abs=0.35)
    assert found.position_m[1] == pytest.approx(label.centre_m[1], abs=0.35)


def test_objects_sources_and_markers(ros_graph: Any) -> None:
    wired = Wired(ros_graph, PLACED)
    markers: list[MarkerArray] = ros_graph.collect(MarkerArray, "objects/markers", RELIABLE)
    ros_graph.spin_until(
        lambda: all(
            publisher.subscribers
            for publisher in wired.node.publishers_in_use
            if publisher.topic.startswith("/objects")
        ),
        what="all outputs are heard",
    )
    wired.feed(info(), cloud(), detections(PERSON_BOX), detections(stamp_ns=STAMP_NS + 100 * MS))
    # One message each: of the cloud, which tells of nothing yet, and of two pictures.
    ros_graph.spin_until(
        lambda: [len(heard) for heard in (wired.heard, wired.heard_sources, markers)] == [3] * 3,
        what="all messages",
    )
    del markers[0]
    (found,) = objects_from_msg(wired.objects[0]).objects
    assert found.position_m[0] == pytest.approx(8.25, abs=0.1)
    (status,) = wired.sources[0].status
    values = {pair.key: pair.value for pair in status.values}
    assert status.name == "1"
    assert values["sensors"] == "camera:front,lidar:top"
    assert wired.sources[0].header == wired.objects[0].header
    assert [marker.action for marker in markers[1].markers] == [Marker.DELETEALL]
    assert [marker.ns for marker in markers[0].markers] == [
        "",
        "objects",
        "captions",
        "covariances",
    ]
    # No detections is a measurement too: its message tells that nothing is there.
    assert len(wired.heard[2].detections) == 0
    assert to_ns(wired.heard[2].header.stamp) == STAMP_NS + 100 * MS


@pytest.mark.parametrize(
    ("spoilt", "text"),
    [
        (
            cloud(fields=[PointField(name="y", offset=0, datatype=PointField.FLOAT32, count=1)]),
            "expected one field 'x'",
        ),
        (cloud(is_dense=True), "3 of 123 points are not finite"),
        (cloud(row_step=7), "row_step is 7 bytes, expected at least"),
        (cloud(data=b"\0" * 100), "data has 100 bytes, expected"),
        (info(k=[0.0] * 9), "the camera is not calibrated"),
        (info(width=0, height=0, k=[0.0] * 9), "0x0 pixels"),
    ],
)
def test_bad_input_is_told_and_the_next_good_one_counts(
    ros_graph: Any, spoilt: Any, text: str
) -> None:
    wired = Wired(ros_graph, PLACED)
    wired.feed(spoilt)
    topic = "/front/camera_info" if isinstance(spoilt, CameraInfo) else "/top/points"
    ros_graph.spin_until(lambda: wired.told(f"input {topic}"), what="the diagnostic entry")
    entry = wired.told(f"input {topic}")[0]
    assert text in entry.message
    assert entry.level == b"\x01"
    wired.feed(info(), cloud(), detections(PERSON_BOX))
    wired.wait_objects(1)
    (found,) = objects_from_msg(wired.objects[0]).objects
    assert found.position_m[0] == pytest.approx(8.25, abs=0.1)


@pytest.mark.parametrize(
    ("box", "kind"),
    [
        ((700.0, 10.0, 800.0, 90.0), "box"),
        ((320.0, 227.5, 320.0, 357.5), "box"),
        ((345.0, 227.5, 295.0, 357.5), "box_size"),
        ((math.nan, 227.5, 345.0, 357.5), "not_finite"),
    ],
    ids=["outside the picture", "no area", "turned round", "not a number"],
)
def test_a_box_that_is_none_is_counted_and_the_next_good_one_counts(
    ros_graph: Any, box: tuple[float, ...], kind: str
) -> None:
    wired = Wired(ros_graph, PLACED)
    wired.feed(info(), cloud(), detections(box))
    assert tallies(wired.node)[0].values[f"left out, {kind}"] == "1"
    assert wired.objects == []
    wired.feed(detections(PERSON_BOX, stamp_ns=STAMP_NS + 1))
    wired.wait_objects(1)
    (found,) = objects_from_msg(wired.objects[0]).objects
    assert found.position_m[0] == pytest.approx(8.25, abs=0.1)


class Trees:
    """Stands for ``tf2_ros``, with one answer to every question, or one for each frame."""

    class TransformException(Exception):
        """What tf2 raises for every fault of a tree."""

    def __init__(self, answer: str | Transform | dict[str, Transform]) -> None:
        self.answer = answer

    def Buffer(self, **_: Any) -> Any:  # noqa: N802  as tf2 calls it
        return self

    def TransformListener(self, *_: Any) -> Any:  # noqa: N802  as tf2 calls it
        return self

    def unregister(self) -> None: ...

    def lookup_transform(self, _: str, frame: str, __: Any) -> TransformStamped:
        answer = self.answer
        if isinstance(answer, str):
            raise self.TransformException(answer)
        return TransformStamped(transform=answer[frame] if isinstance(answer, dict) else answer)


LOOP = "TF_OLD_DATA: the tf tree contains a loop"
GAP = "Could not find a connection between 'base_link' and 'velodyne'"
SINGULAR = Transform(rotation=Quaternion(w=0.0))
MENDED = {
    "front_optical": Transform(
        translation=Vector3(z=1.7), rotation=Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
    ),
    "velodyne": Transform(translation=Vector3(z=2.0)),
}


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (LOOP, "no_transform", LOOP),
        (GAP, "no_transform", GAP),
        (SINGULAR, "transform", "norm is 0, not 1"),
        (Transform(rotation=Quaternion(x=2.0, w=0.0)), "transform", "norm is 2, not 1"),
    ],
    ids=["loop", "gap", "singular", "scaled"],
)
def test_a_tree_that_cannot_be_is_told_and_nothing_is_placed(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, kind: str, reason: str
) -> None:
    tree: Any = Trees(answer)
    tree.__spec__ = ModuleSpec("tf2_ros", None)
    monkeypatch.setitem(sys.modules, "tf2_ros", tree)
    wired = Wired(ros_graph, {"cameras": ["front"], "lidars": ["top"]})
    wired.feed(info(), cloud(), detections(PERSON_BOX))
    for topic in ("/front/detections", "/top/points"):
        name = f"input {topic} {kind}"
        ros_graph.spin_until(lambda name=name: wired.told(name), what=name)
        assert reason in wired.told(name)[0].message
    assert wired.objects == []
    tree.answer = MENDED
    wired.feed(cloud(STAMP_NS + MS), detections(PERSON_BOX, stamp_ns=STAMP_NS + MS))
    wired.wait_objects(1)
    (found,) = objects_from_msg(wired.objects[0]).objects
    assert found.position_m[0] == pytest.approx(8.25, abs=0.1)


def test_without_a_place_a_measurement_is_left_out_with_a_reason(ros_graph: Any) -> None:
    wired = Wired(ros_graph, {"cameras": ["front"], "lidars": ["top"]})
    wired.feed(info(), cloud(), detections(PERSON_BOX))
    for topic, frame in (("/front/detections", "front_optical"), ("/top/points", "velodyne")):
        name = f"input {topic} no_transform"
        ros_graph.spin_until(lambda name=name: wired.told(name), what=name)
        assert f"(frame '{frame}') in 'base_link' is not known" in wired.told(name)[0].message
    assert wired.objects == []


def test_detections_before_the_calibration_are_left_out_with_a_reason(ros_graph: Any) -> None:
    wired = Wired(ros_graph, PLACED)
    wired.feed(detections(PERSON_BOX))
    ros_graph.spin_until(lambda: wired.told("no_calibration"), what="the reason")
    wired.feed(info(), detections(PERSON_BOX, stamp_ns=STAMP_NS + 1))
    wired.wait_objects(1)
    assert to_ns(wired.objects[0].header.stamp) == STAMP_NS + 1


def test_stamps_that_jump_back_an_hour_are_told_and_work_goes_on(ros_graph: Any) -> None:
    wired = Wired(ros_graph, PLACED)
    back_ns = STAMP_NS - 3600 * 1000 * MS
    wired.feed(info(), cloud(), detections(PERSON_BOX))
    wired.feed(info(back_ns), cloud(back_ns), detections(PERSON_BOX, stamp_ns=back_ns))
    wired.wait_objects(2)
    (found,) = objects_from_msg(wired.objects[1]).objects
    assert found.position_m[0] == pytest.approx(8.25, abs=0.1)
    for topic in ("/front/camera_info", "/top/points", "/front/detections"):
        entry = f"input {topic} stamp_jump"
        ros_graph.spin_until(lambda entry=entry: bool(wired.told(entry)), what=entry)
        assert "jumped back by 3600.0 s" in wired.told(entry)[0].message


def test_a_velocity_is_told_beside_the_sources(ros_graph: Any) -> None:
    wired = Wired(ros_graph, PLACED)
    wired.feed(info())
    for step in range(12):  # 2 px to the right each 0.1 s, 8 m away: 0.32 m/s
        left, top, right, bottom = PERSON_BOX
        box = (left + 2 * step, top, right + 2 * step, bottom)
        wired.feed(detections(box, stamp_ns=STAMP_NS + step * 100 * MS))
    ros_graph.spin_until(lambda: len(wired.sources) == 12, what="the sources")
    velocity = velocities_from_msg(wired.sources[-1])["1"]
    assert velocity[0] == pytest.approx(0.0, abs=0.15)
    assert velocity[1] == pytest.approx(-0.32, abs=0.15)


def odometry(stamp_ns: int, x: float) -> Odometry:
    message = Odometry(child_frame_id="base_link")
    message.header.frame_id = "odom"
    message.header.stamp = to_stamp(stamp_ns)
    message.pose.pose.position.x = x
    message.pose.pose.orientation.w = 1.0
    return message


def test_loops_that_were_not_compiled_are_told(
    ros_graph: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(native, "compiled", None)
    node = ros_graph.add(fusion(ros_graph, PLACED))
    assert node.trigger_configure() == Result.SUCCESS
    assert "compiled loops were not built" in "".join(capfd.readouterr())


def test_odometry_is_followed_where_it_is_given(ros_graph: Any) -> None:
    wired = Wired(ros_graph, {**PLACED, "odometry": "odom"})
    wired.feed(info(), detections(PERSON_BOX))
    name = "input /odom no_odometry"
    ros_graph.spin_until(lambda: wired.told(name), what=name)
    assert "followed as the robot sees them move" in wired.told(name)[0].message
    wired.feed(odometry(STAMP_NS, 100.0), cloud(), detections(PERSON_BOX, stamp_ns=STAMP_NS + 1))
    wired.wait_objects(2)
    (found,) = objects_from_msg(wired.objects[-1]).objects
    assert found.position_m[0] == pytest.approx(8.25, abs=0.1)  # in the robot's frame, not odom
    wired.feed(odometry(STAMP_NS + 100 * MS, 110.0))
    name = "input /odom odometry_jump"
    ros_graph.spin_until(lambda: wired.told(name), what=name)
    assert "it jumped by 10.0 m" in wired.told(name)[0].message


def test_late_pictures_count_at_their_own_time_and_too_late_ones_are_told(ros_graph: Any) -> None:
    wired = Wired(ros_graph, PLACED)
    wired.feed(info(), detections(PERSON_BOX), detections(PERSON_BOX, stamp_ns=STAMP_NS + 600 * MS))
    wired.feed(detections(PERSON_BOX, stamp_ns=STAMP_NS + 200 * MS))
    wired.wait_objects(3)
    assert to_ns(wired.objects[2].header.stamp) == STAMP_NS + 600 * MS
    wired.feed(detections(PERSON_BOX, stamp_ns=STAMP_NS + 50 * MS))
    name = "input /front/detections late"
    ros_graph.spin_until(lambda: wired.told(name), what=name)
    assert "'camera:front' lie 0.55 s before the newest ones" in wired.told(name)[0].message
    assert len(wired.objects) == 3


@pytest.mark.parametrize(
    ("stamp_ns", "kind", "text"),
    [(0, "stamp_zero", "the stamp is 0"), (LAST_STAMP_NS, "stamp_ahead", "s ahead of the clock")],
)
def test_a_stamp_of_zero_or_from_the_future_is_told_and_left_out(
    ros_graph: Any, stamp_ns: int, kind: str, text: str
) -> None:
    wired = Wired(ros_graph, PLACED)
    wired.feed(info(), cloud(stamp_ns), detections(PERSON_BOX, stamp_ns=stamp_ns))
    for topic in ("/front/detections", "/top/points"):
        name = f"input {topic} {kind}"
        ros_graph.spin_until(lambda name=name: wired.told(name), what=name)
        assert text in wired.told(name)[0].message
    assert wired.objects == []
    wired.feed(cloud(), detections(PERSON_BOX))
    wired.wait_objects(1)
    (found,) = objects_from_msg(wired.objects[0]).objects
    assert found.position_m[0] == pytest.approx(8.25, abs=0.1)


def tallies(node: SensorFusionNode) -> list[Health]:
    return [entry for entry in node.health() if entry.name.startswith(("camera ", "lidar "))]


def test_its_health_tells_what_became_of_detections(ros_graph: Any) -> None:
    wired = Wired(ros_graph, PLACED)
    above_the_horizon = (10.0, 10.0, 20.0, 50.0)
    wired.feed(info(), detections(PERSON_BOX, above_the_horizon))
    (entry,) = tallies(wired.node)  # no cloud has come: nothing to tell of the LiDAR
    assert (entry.name, entry.level) == ("camera front", HealthLevel.WARN)
    assert "no cloud of top is near" in entry.message
    assert entry.values["placed by camera"] == "1"
    assert entry.values["left out, horizon"] == "1"
    wired.feed(cloud(), detections(PERSON_BOX))
    entry, lidar = tallies(wired.node)
    assert entry.level is HealthLevel.OK
    assert entry.values["placed by LiDAR"] == "1"
    assert (lidar.name, lidar.values["points left out"]) == ("lidar top", "3")


def test_limits_change_while_it_runs_and_bad_ones_are_refused(ros_graph: Any) -> None:
    wired = Wired(ros_graph, PLACED)
    wired.feed(info(), cloud())
    (refused,) = wired.node.set_parameters([Parameter("minimum_points", value=0)])
    assert not refused.successful
    assert "minimum_points" in refused.reason
    (fixed,) = wired.node.set_parameters([Parameter("robot_frame", value="odom")])
    assert not fixed.successful
    (taken,) = wired.node.set_parameters([Parameter("minimum_points", value=10_000)])
    assert taken.successful
    wired.feed(detections(PERSON_BOX))
    wired.wait_objects(1)
    assert tallies(wired.node)[0].values["placed by camera"] == "1"


def test_a_mounting_that_is_not_complete_is_refused_by_configure(ros_graph: Any) -> None:
    node = fusion(ros_graph, {"camera_mounting.camera.xyz_m": [0.0, 0.0, 1.0]})
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert "camera_mounting.camera" in node.last_error
    assert "rpy_rad" in node.last_error
    node.set_parameters([Parameter("camera_mounting.camera.rpy_rad", value=[0.0, 0.0, 0.0])])
    assert node.trigger_configure() == Result.SUCCESS, node.last_error


def mounted(**turn: list[float]) -> dict[str, Any]:
    fields = {"xyz_m": [0.0, 0.0, 1.0], **turn}
    return {f"camera_mounting.camera.{field}": value for field, value in fields.items()}


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (mounted(quaternion_xyzw=[0.0] * 4), "norm is 0, not 1"),
        (mounted(quaternion_xyzw=[1.0] * 4), "norm is 2, not 1"),
        (mounted(rpy_rad=[math.nan, 0.0, 0.0]), "camera_mounting.camera"),
        ({"cameras": ["camera", "camera"]}, "cameras names one twice"),
        ({"radars": ["camera"]}, "two sensors have the name 'camera'"),
        ({"lidars": ["top", "/top"]}, "'lidars: top' and 'lidars: /top' are one topic"),
        ({"odometry": "odom", "imu": "odom"}, "'odometry' and 'imu' are one topic, 'odom'"),
        ({"lidars": ["top"], "imu": "/top/points"}, "'imu' and 'lidars: top' are one topic"),
    ],
    ids=[
        "singular",
        "scaled",
        "not a number",
        "twice",
        "one name",
        "one topic",
        "odometry is imu",
        "imu is lidar",
    ],
)
def test_sensors_that_cannot_be_are_refused_by_configure(
    ros_graph: Any, parameters: dict[str, Any], reason: str
) -> None:
    node = fusion(ros_graph, parameters)
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert reason in node.last_error


def test_a_misspelt_mounting_is_refused_by_name(ros_graph: Any) -> None:
    node = fusion(ros_graph, {"camera_mounting.camera.xyz": [0.0, 0.0, 1.0]})
    ros_graph.add(node)
    assert node.trigger_configure() == Result.FAILURE
    assert "'camera_mounting.camera.xyz'" in node.last_error


def test_it_goes_down_and_up_again_with_nothing_left(ros_graph: Any) -> None:
    wired = Wired(ros_graph, PLACED)
    wired.feed(info(), cloud(), detections(PERSON_BOX))
    wired.wait_objects(1)
    node = wired.node
    for trigger in (
        node.trigger_deactivate,
        node.trigger_cleanup,
        node.trigger_configure,
        node.trigger_activate,
    ):
        assert trigger() == Result.SUCCESS, node.last_error
    ros_graph.spin_until(
        lambda: all(publisher.subscribers for publisher in node.publishers_in_use[:2]),
        what="the outputs are heard again",
    )
    for publisher in wired.publishers.values():
        ros_graph.spin_until_connected(publisher)
    wired.feed(detections(PERSON_BOX))  # neither calibration nor cloud is left from before
    ros_graph.spin_until(lambda: wired.told("no_calibration"), what="the reason")
