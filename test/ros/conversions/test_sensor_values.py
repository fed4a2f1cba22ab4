"""Values of sensors as messages and back: radar, laser, odometry, range, cloud, calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("rclpy")

from radar_msgs.msg import RadarReturn
from radar_msgs.msg import RadarScan as RadarScanMsg

from edge_mm_ros.datatypes import (
    CameraCalibration,
    GroundTruth,
    InvalidInput,
    LaserScan,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
    RigidTransform,
    TrueObject,
)
from edge_mm_ros.ros.conversions.camera_info import calibration_from_msg, calibration_to_msg
from edge_mm_ros.ros.conversions.ground_truth import (
    truth_from_msgs,
    truth_sources_to_msg,
    truth_to_msg,
)
from edge_mm_ros.ros.conversions.laser_scans import laser_scan_from_msg, laser_scan_to_msg
from edge_mm_ros.ros.conversions.odometry import odometry_from_msg, odometry_to_msg
from edge_mm_ros.ros.conversions.point_clouds import cloud_from_msg, cloud_to_msg
from edge_mm_ros.ros.conversions.radar_scans import radar_scan_from_msg, radar_scan_to_msg
from edge_mm_ros.ros.conversions.ranges import reading_from_msg, reading_to_msg
from edge_mm_ros.ros.conversions.velocities import velocities_from_msg

STAMP_NS = 12 * 10**9 + 345


def test_a_radar_scan_and_its_message() -> None:
    columns = [
        np.array([5.0, 7.5]),
        np.array([0.25, -0.5]),
        np.array([0.0, 0.125]),
        np.array([-1.5, 2.0]),
        np.array([-30.0, 4.0]),
    ]
    message = radar_scan_to_msg(RadarScan(*columns, STAMP_NS, "radar_frame"))
    first = message.returns[0]
    assert (first.range, first.azimuth, first.doppler_velocity) == (5.0, 0.25, -1.5)
    again = radar_scan_from_msg(message)
    assert again.stamp_ns == STAMP_NS
    assert again.frame_id == "radar_frame"
    for name, column in zip(
        ("range_m", "azimuth_rad", "elevation_rad", "doppler_mps", "amplitude_db"), columns
    ):
        assert getattr(again, name) == pytest.approx(column)


def test_an_empty_radar_scan_is_a_scan() -> None:
    assert len(radar_scan_from_msg(RadarScanMsg())) == 0


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("range", -1.0, "negative_range"),
        ("range", math.nan, "not_finite"),
        ("doppler_velocity", math.inf, "not_finite"),
    ],
)
def test_radar_returns_that_cannot_be_are_refused(field: str, value: float, kind: str) -> None:
    message = RadarScanMsg(returns=[RadarReturn(range=3.0), RadarReturn(**{field: value})])
    with pytest.raises(InvalidInput) as caught:
        radar_scan_from_msg(message)
    assert caught.value.kind == kind


def test_a_laser_scan_and_its_message() -> None:
    ranges = np.array([1.0, np.inf, 2.5], dtype=np.float32)
    message = laser_scan_to_msg(LaserScan(ranges, -0.5, 0.5, 0.1, 20.0, STAMP_NS, "laser_frame"))
    assert message.angle_max == pytest.approx(0.5)
    again = laser_scan_from_msg(message)
    assert again.ranges_m.tolist() == [1.0, math.inf, 2.5]
    assert (again.angle_min_rad, again.angle_step_rad) == (-0.5, 0.5)
    message.angle_increment = 0.0
    with pytest.raises(InvalidInput, match="the step not zero"):
        laser_scan_from_msg(message)


def test_odometry_and_its_message() -> None:
    pose = RigidTransform.from_xyz_rpy((1.0, 2.0, 0.0), (0.0, 0.0, math.pi / 2.0))
    values = Odometry(
        pose,
        np.array([1.0, 0.5, 0.0]),
        np.array([0.0, 0.0, 0.25]),
        np.diag(np.arange(6.0)),
        2.0 * np.eye(6),
        STAMP_NS,
        "odom",
        "base_link",
    )
    message = odometry_to_msg(values)
    turn = message.pose.pose.orientation
    assert (turn.z, turn.w) == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))
    assert message.pose.covariance[7] == 1.0
    again = odometry_from_msg(message)
    assert again.pose.apply(np.array([1.0, 0.0, 0.0])) == pytest.approx([1.0, 3.0, 0.0])
    assert (again.frame_id, again.child_frame_id, again.stamp_ns) == (
        "odom",
        "base_link",
        STAMP_NS,
    )
    assert np.array_equal(again.twist_covariance, 2.0 * np.eye(6))
    message.pose.pose.orientation.w = 9.0
    with pytest.raises(InvalidInput, match="norm"):
        odometry_from_msg(message)


@pytest.mark.parametrize("distance", [1.5, math.inf, -math.inf])
def test_a_reading_and_its_message(distance: float) -> None:
    reading = RangeReading(distance, 0.25, 4.0, 0.5, STAMP_NS, "sonar")
    assert reading_from_msg(reading_to_msg(reading)) == reading


@pytest.mark.parametrize("count", [0, 5])
def test_a_cloud_and_its_message(count: int) -> None:
    points = np.arange(3.0 * count, dtype=np.float32).reshape(count, 3)
    again = cloud_from_msg(cloud_to_msg(PointCloud(points, STAMP_NS, "lidar")))
    assert np.array_equal(again.points_m, points)
    assert (again.stamp_ns, again.frame_id, again.dropped) == (STAMP_NS, "lidar", 0)


def test_a_calibration_and_its_message() -> None:
    k = np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]])
    given = CameraCalibration(640, 480, k, "plumb_bob", np.zeros(5), "optical")
    message = calibration_to_msg(given, STAMP_NS)
    assert message.header.stamp.nanosec == 345
    again = calibration_from_msg(message)
    assert np.array_equal(again.k, k)
    assert (again.width, again.height, again.frame_id) == (640, 480, "optical")


def test_ground_truth_and_its_messages() -> None:
    item = TrueObject(
        "someone",
        "person",
        np.array([4.0, -1.0, 0.9]),
        0.75,
        np.array([0.5, 0.6, 1.8]),
        np.array([1.25, -0.5, 0.0]),
        ("camera", "lidar"),
    )
    truth = GroundTruth((item,), STAMP_NS, "base_link")
    objects, sources = truth_to_msg(truth), truth_sources_to_msg(truth)
    assert objects.detections[0].id == "someone"
    assert objects.detections[0].results[0].hypothesis.class_id == "person"
    assert velocities_from_msg(sources)["someone"] == pytest.approx([1.25, -0.5, 0.0])
    (again,) = truth_from_msgs(objects, sources).objects
    assert again.yaw_rad == pytest.approx(0.75)
    assert again.size_m.tolist() == [0.5, 0.6, 1.8]
    assert again.velocity_mps == pytest.approx(item.velocity_mps)
    assert again.seen_by == ("camera", "lidar")
    assert (again.name, again.label) == ("someone", "person")


def test_velocities_that_are_not_told_or_not_numbers_are_left_out() -> None:
    item = TrueObject("a", "person", np.zeros(3), 0.0, np.ones(3), np.ones(3))
    message = truth_sources_to_msg(GroundTruth((item,), 0, "base_link"))
    message.status[0].values[1].value = "fast"
    assert velocities_from_msg(message) == {}
    message.status[0].values[1].value = "nan"
    assert velocities_from_msg(message) == {}
