"""The fusion node with every kind of sensor, and what comes in that should not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("radar_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from radar_msgs.msg import RadarReturn, RadarScan
from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, LaserScan, PointCloud2, PointField, Range
from vision_msgs.msg import Detection3DArray

from edge_mm_ros.datatypes import InvalidInput, RigidTransform
from edge_mm_ros.nodes.sensor_fusion import SensorFusionNode
from edge_mm_ros.ros.conversions.objects import objects_from_msg
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp
from edge_mm_ros.ros.conversions.transforms import TransformSource
from edge_mm_ros.ros.qos import RELIABLE, TopicQos

STAMP_NS = 1_700_000_000_000_000_000
MS = 1_000_000
LEVEL = {"xyz_m": [0.0, 0.0, 0.5], "rpy_rad": [0.0, 0.0, 0.0]}
SENSORS: dict[str, list[str]] = {
    "lidars": ["lidar"],
    "radars": ["radar"],
    "lasers": ["laser"],
    "ultrasonics": ["sonar"],
}
PLACED = {
    "cameras": [],
    **SENSORS,
    **{
        f"{kind[:-1]}_mounting.{name}.{field}": value
        for kind, (name,) in SENSORS.items()
        for field, value in LEVEL.items()
    },
}
TOPICS = {
    PointCloud2: "lidar/points",
    RadarScan: "radar/scan",
    LaserScan: "laser/scan",
    Range: "sonar/range",
    Odometry: "odom",
    Imu: "imu",
}
Message = Callable[[int], Any]


def stamped(message: Any, ms: int, frame_id: str) -> Any:
    message.header.stamp = to_stamp(STAMP_NS + ms * MS)
    message.header.frame_id = frame_id
    return message


def radar(ms: int, distance: float = 5.0, doppler: float = 0.0) -> RadarScan:
    one = RadarReturn(range=distance, doppler_velocity=doppler, amplitude=-20.0)
    return stamped(RadarScan(returns=[one]), ms, "radar_frame")


def sonar(ms: int, distance: float = 2.0) -> Range:
    message = Range(min_range=0.2, max_range=4.0, field_of_view=0.6, range=distance)
    return stamped(message, ms, "sonar_frame")


def laser(ms: int, **changes: Any) -> LaserScan:
    values = {
        "angle_min": -0.1,
        "angle_increment": 0.01,
        "range_min": 0.1,
        "range_max": 20.0,
        "ranges": [3.0] * 21,
        **changes,
    }
    return stamped(LaserScan(**values), ms, "laser_frame")


def cloud(ms: int, points: list[tuple[float, float, float]] | None = None) -> PointCloud2:
    if points is None:
        points = [(4.0, 0.05 * y, 0.05 * z) for y in range(-5, 6) for z in range(-6, 20)]
    data = np.array(points, "<f4").reshape(-1, 3)
    message = PointCloud2(
        height=1,
        width=len(data),
        fields=[
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate("xyz")
        ],
        point_step=12,
        row_step=12 * len(data),
        data=data.tobytes(),
    )
    return stamped(message, ms, "lidar_frame")


class Wired:
    """A fusion node with a publisher for each of its inputs."""

    def __init__(self, graph: Any, **changes: Any) -> None:
        parameters = {**PLACED, **changes}
        self.graph = graph
        self.heard: list[Detection3DArray] = graph.collect(Detection3DArray, "objects", RELIABLE)
        quality = TopicQos(depth=100, reliable=True)
        self.diagnostics: list[Any] = graph.collect(DiagnosticArray, "/diagnostics", quality)
        self.node = graph.bring_up(
            SensorFusionNode(
                context=graph.context,
                parameter_overrides=[
                    Parameter(name, value=value)
                    if value != []
                    else Parameter(name, Parameter.Type.STRING_ARRAY, [])
                    for name, value in parameters.items()
                ],
            )
        )
        heard = {listener.topic for listener in self.node.listeners}
        self.publishers = {
            kind: graph.publisher(kind, topic, RELIABLE)
            for kind, topic in TOPICS.items()
            if f"/{topic}" in heard
        }
        for publisher in self.publishers.values():
            graph.spin_until_connected(publisher)
        graph.spin_until(
            lambda: all(listener.publishers == 1 for listener in self.node.listeners),
            what="all matched",
        )

    def feed(self, *messages: Any) -> None:
        """Publish each message and wait until the node has handled it."""
        for message in messages:
            publisher = self.publishers[type(message)]
            listener = next(lis for lis in self.node.listeners if lis.topic == publisher.topic_name)
            before = listener.inbox.received
            publisher.publish(message)
            self.graph.spin_until(
                lambda listener=listener, before=before: (
                    listener.inbox.received > before and self.node.idle
                ),
                what=f"{type(message).__name__} is handled",
            )

    def wait_told(self, part: str) -> Any:
        """The first diagnostic entry whose name has a text."""

        def entries() -> list[Any]:
            return [s for array in self.diagnostics for s in array.status if part in s.name]

        self.graph.spin_until(lambda: bool(entries()), what=part)
        return entries()[0]


def test_every_kind_of_sensor_finds_what_no_camera_names(ros_graph: Any) -> None:
    wired = Wired(ros_graph)
    for step in range(4):
        wired.feed(cloud(100 * step), sonar(100 * step + 20), radar(100 * step + 60, 7.0))
    ros_graph.spin_until(lambda: len(wired.heard) >= 4, what="objects")
    found = sorted(
        (float(item.position_m[0]), item.label)
        for item in objects_from_msg(wired.heard[-1]).objects
    )
    assert [label for _, label in found] == ["unknown"] * 3
    assert [x for x, _ in found] == pytest.approx([2.1, 4.2, 7.2], abs=0.2)


def test_own_motion_by_odometry_and_imu_is_heard(ros_graph: Any) -> None:
    changes = {"odometry": "odom", "imu": "imu"}
    wired = Wired(
        ros_graph,
        **changes,
        **{f"imu_mounting.{field}": value for field, value in LEVEL.items()},
    )
    odometry = stamped(Odometry(child_frame_id="base_link"), 0, "odom")
    odometry.pose.pose.orientation.w = 1.0
    none = stamped(Imu(), 0, "imu_frame")
    none.angular_velocity_covariance[0] = -1.0
    wired.feed(odometry, stamped(Imu(), 10, "imu_frame"), none)
    assert "measures no turn rate" in wired.wait_told("input /imu no_turn_rate").message
    for step in range(3):
        wired.feed(sonar(20 + 50 * step))
    ros_graph.spin_until(lambda: any(one.detections for one in wired.heard), what="an object")


@pytest.mark.parametrize(
    ("spoilt", "entry", "text"),
    [
        (radar(0, -1.0), "/radar/scan negative_range", "a range is -1 m"),
        (radar(0, math.nan), "/radar/scan not_finite", "a range is not finite"),
        (sonar(0, 9.0), "/sonar/range out_of_range", "9 m lies outside its own limits"),
        (sonar(0, 0.1), "/sonar/range out_of_range", "0.1 m lies outside its own limits"),
        (sonar(0, math.nan), "/sonar/range not_a_number", "not a number"),
        (laser(0, angle_increment=0.0), "/laser/scan angles", "the step not zero"),
        (laser(0, range_min=9.0, range_max=1.0), "/laser/scan range_limits", "0 <= min <= max"),
    ],
)
def test_a_measurement_that_cannot_be_is_named_and_the_next_one_counts(
    ros_graph: Any, spoilt: Any, entry: str, text: str
) -> None:
    wired = Wired(ros_graph)
    wired.feed(spoilt)
    assert text in wired.wait_told(f"input {entry}").message
    for step in range(3):
        wired.feed(sonar(100 * step))
    ros_graph.spin_until(lambda: any(one.detections for one in wired.heard), what="an object")
    assert all(
        math.hypot(item.position_m[0], item.position_m[1]) > 1.0
        for message in wired.heard
        for item in objects_from_msg(message).objects
    )


@pytest.mark.parametrize("points", [[], [(math.nan,) * 3] * 500])
def test_clouds_of_nothing_are_no_objects(ros_graph: Any, points: Any) -> None:
    wired = Wired(ros_graph)
    wired.feed(*(cloud(100 * step, points) for step in range(4)))
    ros_graph.spin_until(lambda: len(wired.heard) >= 4, what="messages")
    assert not any(message.detections for message in wired.heard)


def test_a_cloud_of_five_million_points_is_thinned_and_said_so(ros_graph: Any) -> None:
    wired = Wired(ros_graph)
    post = cloud(0)
    thing = np.frombuffer(bytes(post.data), "<f4").reshape(-1, 3)
    giant = np.tile(thing, (math.ceil(5_000_000 / len(thing)), 1))
    post.width, post.row_step = len(giant), 12 * len(giant)
    post.data = giant.tobytes()
    wired.feed(post)
    entry = wired.wait_told("input /lidar/points giant_cloud")
    assert "max_cloud_points" in entry.message or "every" in entry.message
    wired.feed(cloud(100), cloud(200))
    ros_graph.spin_until(lambda: any(one.detections for one in wired.heard), what="an object")


def test_more_things_than_are_followed_are_told_with_the_mend(ros_graph: Any) -> None:
    wired = Wired(ros_graph, **{"obstacles.max_objects": 1})
    rows = [(0.05 * y, 0.05 * z) for y in range(-5, 6) for z in range(-6, 20)]
    wired.feed(cloud(0, [(x, x - 4.0 + y, z) for x in (4.0, 6.0) for y, z in rows]))
    entry = wired.wait_told("input /lidar/points too_many")
    assert "2 things are in the way, more than obstacles.max_objects, 1" in entry.message


class BrokenTree:
    """A tf buffer whose tree has a loop or a gap, or a transform that is none."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def lookup_transform(self, *_: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class _Tf2:
    class TransformException(Exception):
        """What tf2 raises for every fault of a tree."""


@pytest.mark.parametrize(
    "fault",
    [
        "Could not find a connection between 'base_link' and 'lidar_frame'",
        "TF_OLD_DATA: the tf tree has a loop: lidar_frame has the parent lidar_frame",
    ],
)
def test_a_tree_with_a_loop_or_a_gap_gives_the_mounting_or_a_reason(fault: str) -> None:
    source = TransformSource.__new__(TransformSource)
    source._robot_frame = "base_link"
    source._buffer = BrokenTree(_Tf2.TransformException(fault))
    source._tf2 = _Tf2
    source._listener = None
    with pytest.raises(InvalidInput, match="is not known") as raised:
        source.place("lidar", "lidar_frame", STAMP_NS, None)
    assert raised.value.kind == "no_transform"
    assert fault in str(raised.value)
    configured = RigidTransform.from_xyz_rpy((1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert source.place("lidar", "lidar_frame", STAMP_NS, configured) is configured


def test_a_sensor_s_clock_and_the_robot_s_way_are_parameters(ros_graph: Any) -> None:
    wired = Wired(
        ros_graph, **{"sensor_timing.sonar.time_offset_s": 0.25, "obstacles.ahead_m": 1.0}
    )
    for step in range(4):
        wired.feed(sonar(250 + 100 * step))
    ros_graph.spin_until(lambda: len(wired.heard) == 4, what="messages")
    assert to_ns(wired.heard[-1].header.stamp) == STAMP_NS + 300 * MS
    assert not any(message.detections for message in wired.heard)  # 2 m ahead is out of the way
    (taken,) = wired.node.set_parameters([Parameter("obstacles.ahead_m", value=5.0)])
    assert taken.successful
    for step in range(4, 8):
        wired.feed(sonar(250 + 100 * step))
    ros_graph.spin_until(lambda: bool(wired.heard[-1].detections), what="the object")
