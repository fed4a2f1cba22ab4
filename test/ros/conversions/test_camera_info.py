"""Calibrations from messages."""

from __future__ import annotations

import math
from typing import Any

import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sensor_msgs")

from sensor_msgs.msg import CameraInfo, RegionOfInterest

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.ros.conversions.camera_info import calibration_from_msg

K = [700.0, 0.0, 600.0, 0.0, 710.0, 180.0, 0.0, 0.0, 1.0]


def message(**changes: Any) -> CameraInfo:
    values: dict[str, Any] = {
        "width": 1240,
        "height": 376,
        "k": K,
        "distortion_model": "plumb_bob",
        "d": [0.1, 0.0, 0.0, 0.0, 0.0],
        **changes,
    }
    built = CameraInfo(**values)
    built.header.frame_id = "front_optical"
    return built


def test_a_plain_calibration() -> None:
    calibration = calibration_from_msg(message())
    assert (calibration.width, calibration.height) == (1240, 376)
    assert_allclose(calibration.k, [[700, 0, 600], [0, 710, 180], [0, 0, 1]])
    assert_allclose(calibration.distortion, [0.1, 0, 0, 0, 0])
    assert calibration.distortion_model == "plumb_bob"
    assert calibration.frame_id == "front_optical"


def test_binning_and_region_of_interest_are_applied() -> None:
    roi = RegionOfInterest(x_offset=200, y_offset=100, width=800, height=200)
    calibration = calibration_from_msg(message(binning_x=2, binning_y=2, roi=roi))
    assert (calibration.width, calibration.height) == (400, 100)
    assert_allclose(calibration.k, [[350, 0, 200], [0, 355, 40], [0, 0, 1]])


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"k": [0.0] * 9}, "camera_matrix", "k is all zeros; the camera is not calibrated"),
        ({"width": 0}, "zero_size", "0x376 pixels"),
        ({"width": 0, "height": 0, "k": [0.0] * 9, "d": []}, "zero_size", "0x0 pixels"),
        ({"k": [-1.0, *K[1:]]}, "camera_matrix", "fx=-1"),
        ({"k": [math.nan, *K[1:]]}, "camera_matrix", "finite"),
        ({"k": [*K[:8], 0.0]}, "camera_matrix", "last row 0 0 1"),
        ({"d": [math.inf]}, "distortion", "not finite"),
    ],
)
def test_what_is_no_calibration_is_refused(changes: dict[str, Any], kind: str, text: str) -> None:
    with pytest.raises(InvalidInput, match="'front_optical'") as raised:
        calibration_from_msg(message(**changes))
    assert raised.value.kind == kind
    assert text in str(raised.value)
