"""Value types refuse what they cannot mean, and say what they got."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.datatypes import (
    AudioChunk,
    CameraCalibration,
    Detections,
    Image,
    InvalidInput,
    Object3D,
    PointCloud,
    RangeReading,
    RigidTransform,
)

metres = st.floats(-100, 100)
radians = st.floats(-math.pi, math.pi)
transforms = st.builds(
    RigidTransform.from_xyz_rpy,
    st.tuples(metres, metres, metres),
    st.tuples(radians, radians, radians),
)


def calibration(**changes: Any) -> CameraCalibration:
    values: dict[str, Any] = {
        "width": 640,
        "height": 480,
        "k": np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]),
        "distortion_model": "plumb_bob",
        "distortion": np.zeros(5),
        "frame_id": "camera",
    }
    return CameraCalibration(**{**values, **changes})


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_a_picture_is_rgb_of_at_least_one_pixel(pixels: Any) -> None:
    with pytest.raises(InvalidInput):
        Image(pixels, 0, "camera")


@pytest.mark.parametrize(
    "changes",
    [
        {"k": np.zeros((3, 3))},
        {"k": np.full((3, 3), np.nan)},
        {"k": np.eye(2)},
        {"distortion": np.array([np.inf])},
    ],
)
def test_a_calibration_needs_a_usable_camera_matrix(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="camera calibration of 'camera'"):
        calibration(**changes)


def test_detections_need_as_many_boxes_as_labels() -> None:
    with pytest.raises(InvalidInput, match=r"2 labels need boxes \(2, 4\)"):
        Detections(np.zeros((1, 4), np.float32), np.zeros(1, np.float32), ("a", "b"), 0, "camera")


def test_a_cloud_has_three_columns() -> None:
    with pytest.raises(InvalidInput, match=r"\(n, 3\)"):
        PointCloud(np.zeros((5, 4), np.float32), 0, "lidar")


@pytest.mark.parametrize(
    ("range_m", "kind"),
    [
        (math.nan, "not_a_number"),
        (0.01, "out_of_range"),
        (9.0, "out_of_range"),
        (0.0, "out_of_range"),
    ],
)
def test_a_range_outside_its_own_limits_is_refused(range_m: float, kind: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        RangeReading(range_m, 0.02, 4.0, 0.5, 0, "sonar")
    assert refused.value.kind == kind


@pytest.mark.parametrize(
    ("min_range_m", "max_range_m"),
    [(0.02, math.inf), (math.inf, math.inf), (0.02, math.nan), (math.nan, 4.0), (4.0, 0.02)]
    + [(-0.1, 4.0), (0.0, 0.0)],
)
def test_a_range_without_finite_limits_in_order_is_refused(
    min_range_m: float, max_range_m: float
) -> None:
    with pytest.raises(InvalidInput, match="limits must be finite") as refused:
        RangeReading(-math.inf, min_range_m, max_range_m, 0.5, 0, "sonar")
    assert refused.value.kind == "range_limits"


@pytest.mark.parametrize("degrees_or_worse", [15.0, math.nan, math.inf, -0.5])
def test_a_range_with_a_cone_that_cannot_be_is_refused(degrees_or_worse: float) -> None:
    with pytest.raises(InvalidInput, match="0 to 2 pi radians") as refused:
        RangeReading(1.0, 0.02, 4.0, degrees_or_worse, 0, "sonar")
    assert refused.value.kind == "field_of_view"


def test_a_range_of_nothing_is_no_measurement() -> None:
    with pytest.raises(InvalidInput, match="should give inf") as refused:
        RangeReading(0.0, 0.0, 4.0, 0.5, 0, "sonar")
    assert refused.value.kind == "out_of_range"


@pytest.mark.parametrize("range_m", [math.inf, -math.inf, 0.02, 4.0])
def test_a_range_may_be_infinite_as_rep_117_says(range_m: float) -> None:
    assert RangeReading(range_m, 0.02, 4.0, 0.5, 0, "sonar").range_m == range_m


def test_sound_lasts_as_long_as_its_samples() -> None:
    assert AudioChunk(np.zeros((1600, 2), np.float32), 16_000, 0, "mic").duration_ns == 100_000_000


def test_distance_and_bearing_are_horizontal_and_positive_to_the_left() -> None:
    thing = Object3D("1", "person", 0.9, np.array([3.0, 4.0, 7.0]), np.ones(3), np.eye(3), ())
    assert thing.distance_m == 5.0
    assert thing.bearing_rad == pytest.approx(math.atan2(4, 3))


def test_an_object_is_never_placed_at_a_point_that_is_not_finite() -> None:
    with pytest.raises(InvalidInput, match="not finite"):
        Object3D("1", "person", 0.9, np.array([np.nan, 0, 0]), np.ones(3), np.eye(3), ())


def test_yaw_turns_x_to_the_left() -> None:
    turn = RigidTransform.from_xyz_rpy((1.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2))
    assert turn.apply(np.array([1.0, 0.0, 0.0])) == pytest.approx([1.0, 1.0, 0.0])


@given(transforms, st.tuples(metres, metres, metres))
def test_a_transform_and_its_inverse_cancel(transform: RigidTransform, point: Any) -> None:
    there_and_back = transform.inverse().apply(transform.apply(np.array(point)))
    assert there_and_back == pytest.approx(np.array(point), abs=1e-8)


@given(transforms, transforms, st.tuples(metres, metres, metres))
def test_chained_transforms_apply_from_right_to_left(
    first: RigidTransform, second: RigidTransform, point: Any
) -> None:
    chained = (first @ second).apply(np.array(point))
    assert chained == pytest.approx(first.apply(second.apply(np.array(point))), abs=1e-8)


@pytest.mark.parametrize(
    "rotation",
    [
        np.zeros((3, 3)),
        np.diag([1.0, 1.0, -1.0]),
        np.eye(3) * 2,
        np.eye(3) + 0.1 * np.eye(3, k=1),  # a shear, whose determinant is 1
        np.full((3, 3), np.nan),
    ],
)
def test_what_is_no_rotation_is_refused(rotation: Any) -> None:
    with pytest.raises(InvalidInput):
        RigidTransform(rotation, np.zeros(3))


def test_a_quaternion_must_have_norm_one() -> None:
    with pytest.raises(InvalidInput, match="norm is 0"):
        RigidTransform.from_quaternion((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0))
