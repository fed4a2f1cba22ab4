"""What counts as the same data again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_mm_ros.datatypes import (
    Detections,
    ImuReading,
    LaserScan,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
    RigidTransform,
)
from edge_mm_ros.pipelines.sensor_watch import content_of

RNG = np.random.default_rng(1)


def cloud(count: int = 5000) -> PointCloud:
    return PointCloud(RNG.normal(size=(count, 3)).astype(np.float32), 1, "top")


def laser(ranges: object) -> LaserScan:
    return LaserScan(np.array(ranges, np.float32), -1.0, 0.01, 0.1, 20.0, 1, "laser")


def radar(count: int) -> RadarScan:
    columns = RNG.uniform(1.0, 2.0, (5, count))
    return RadarScan(*columns, 1, "radar")


def boxes(*rows: tuple[float, ...]) -> Detections:
    return Detections(
        np.array(rows, np.float32).reshape(-1, 4),
        np.full(len(rows), 0.9, np.float32),
        ("person",) * len(rows),
        1,
        "camera",
    )


def odometry(speed_mps: float) -> Odometry:
    return Odometry(
        RigidTransform.identity(),
        np.array([speed_mps, 0.0, 0.0]),
        np.zeros(3),
        np.eye(6),
        np.eye(6),
        1,
        "odom",
        "base_link",
    )


@pytest.mark.parametrize(
    "value",
    [
        cloud(),
        laser(RNG.uniform(1.0, 5.0, 100)),
        radar(8),
        boxes((1.25, 2.0, 3.0, 4.0)),
        odometry(1.0),
        ImuReading(np.array([0.0, 0.01, -0.2]), 1, "imu"),
    ],
    ids=["cloud", "laser", "radar", "boxes", "odometry that moves", "imu that turns"],
)
def test_equal_data_is_told_from_new_data_whatever_its_stamp(value: object) -> None:
    assert content_of(value) is not None
    assert content_of(value) == content_of(replace(value, stamp_ns=99))  # type: ignore[type-var]


def test_noise_changes_the_content() -> None:
    one = cloud()
    other = replace(one, points_m=one.points_m + np.float32(1e-4))
    assert content_of(one) != content_of(other)
    assert content_of(odometry(1.0)) != content_of(
        replace(odometry(1.0), pose=RigidTransform(np.eye(3), np.array([0.01, 0.0, 0.0])))
    )


@pytest.mark.parametrize(
    "value",
    [
        cloud(0),
        laser([np.inf] * 100),
        radar(0),
        boxes(),
        boxes((1.0, 2.0, 3.0, 4.0)),
        odometry(0.0),
        ImuReading(np.zeros(3), 1, "imu"),
        RangeReading(np.inf, 0.2, 4.0, 0.5, 1, "ultrasonic"),
        RangeReading(1.25, 0.2, 4.0, 0.5, 1, "ultrasonic"),
    ],
    ids=[
        "no points",
        "no echoes",
        "no returns",
        "no boxes",
        "whole pixels",
        "standing",
        "imu that stands",
        "inf",
        "wall",
    ],
)
def test_what_may_rightly_repeat_has_no_content(value: object) -> None:
    assert content_of(value) is None
