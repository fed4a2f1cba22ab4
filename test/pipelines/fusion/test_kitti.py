"""Must show 1: the labelled objects of KITTI 000000 to 000002, placed by camera and LiDAR."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.kitti import KittiFrame, Label, read_frame

from edge_mm_ros.datatypes import CameraCalibration, Detections, PointCloud, RigidTransform
from edge_mm_ros.params.mounting import BODY_FROM_OPTICAL
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.clustering import raised_points
from edge_mm_ros.pipelines.fusion.frustum import PlacedCloud, look_at
from edge_mm_ros.pipelines.fusion.placing import place_all
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.viewpoint import Viewpoint

MAX_DISTANCE_M, MIN_POINTS = 60.0, 10
FRAMES = ("000000", "000001", "000002")
PARAMS = SensorFusionParams(cameras=("front",), lidars=("top",))


def lidar_pose(frame: KittiFrame) -> RigidTransform:
    return RigidTransform.from_quaternion(frame.lidar_xyz_m, frame.lidar_quaternion_xyzw)


def points_inside(frame: KittiFrame, label: Label) -> int:
    """How many points lie in a labelled box, by the label alone."""
    points = lidar_pose(frame).apply(frame.points_m) - label.centre_m
    along = np.array([math.cos(label.yaw_rad), math.sin(label.yaw_rad)])
    aside = np.array([-along[1], along[0]])
    length, width, height = label.size_m
    inside = np.abs(points[:, :2] @ along) <= length / 2.0
    inside &= np.abs(points[:, :2] @ aside) <= width / 2.0
    inside &= np.abs(points[:, 2]) <= height / 2.0
    return int(np.count_nonzero(inside))


def place(frame: KittiFrame, kinds: list[str] | None = None) -> list[Any]:
    """The places of the labelled boxes, told as these classes."""
    calibration = CameraCalibration(1242, 375, frame.k, "", np.zeros(0), "optical")
    camera = RigidTransform(np.eye(3), np.array(frame.camera_xyz_m)) @ BODY_FROM_OPTICAL
    viewpoint = Viewpoint(CameraProjection(calibration), camera)
    boxes = np.array([label.box_px for label in frame.labels], dtype=np.float32)
    points = raised_points(
        PointCloud(frame.points_m, 0, "top"),
        lidar_pose(frame),
        ground_z_m=PARAMS.ground_z_m,
        clearance_m=PARAMS.ground_clearance_m,
        max_range_m=PARAMS.max_range_m,
    )
    detections = Detections(
        boxes,
        np.ones(len(boxes), dtype=np.float32),
        tuple(kinds or [label.kind for label in frame.labels]),
        0,
        "optical",
    )
    seen = look_at(viewpoint, [PlacedCloud("lidar:top", points, 0.0)])
    return place_all("front", viewpoint, detections, seen, PARAMS)


@pytest.mark.parametrize("known", [True, False], ids=["with class", "without class"])
@pytest.mark.parametrize("name", FRAMES)
def test_labelled_objects_are_placed_within_half_a_metre_and_2_percent(
    shared_data: Callable[[str], Path], name: str, known: bool
) -> None:
    frame = read_frame(shared_data, name)
    spots = place(frame, None if known else ["thing"] * len(frame.labels))
    asked = 0
    for label, spot in zip(frame.labels, spots, strict=True):
        distance = math.hypot(*label.centre_m[:2])
        if distance >= MAX_DISTANCE_M or points_inside(frame, label) < MIN_POINTS:
            continue
        asked += 1
        error = spot.position_m - label.centre_m
        assert math.hypot(*error[:2]) <= 0.5 + 0.02 * distance, (label.kind, error)
        assert "lidar:top" in spot.sensors
        # Within what it says of itself: 99.9 % of the plane.
        assert error[:2] @ np.linalg.solve(spot.covariance_m2[:2, :2], error[:2]) < 13.8
    assert asked == {"000000": 1, "000001": 1, "000002": 2}[name]


def test_the_pedestrian_of_000000_is_within_0_1_m(shared_data: Callable[[str], Path]) -> None:
    frame = read_frame(shared_data, "000000")
    (spot,) = place(frame)
    assert spot.position_m[0] == pytest.approx(8.41, abs=0.1)
    assert spot.position_m == pytest.approx(frame.labels[0].centre_m, abs=0.2)


def test_a_truck_that_shows_only_its_rear_says_how_little_it_knows(
    shared_data: Callable[[str], Path],
) -> None:
    """12.3 m long, 69 m away: its centre is a guess from the class, and told as such."""
    frame = read_frame(shared_data, "000001")
    (truck,) = [
        (label, spot)
        for label, spot in zip(frame.labels, place(frame), strict=True)
        if label.kind == "Truck"
    ]
    label, spot = truck
    error = spot.position_m - label.centre_m
    assert error[:2] @ np.linalg.solve(spot.covariance_m2[:2, :2], error[:2]) < 5.99
    assert spot.position_m[0] - spot.size_m[0] / 2.0 == pytest.approx(
        label.centre_m[0] - label.size_m[0] / 2.0, abs=0.5
    )
