"""Parameters of the fusion: sensors and their mountings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.sensor_fusion import SensorFusionParams


def camera(**mounting: Any) -> Any:
    params = validate(SensorFusionParams, {"camera_mounting": {"camera": mounting}}, "here")
    return params.camera_mounting["camera"].robot_from_optical()


def test_a_body_pose_gets_the_optical_rotation_of_rep_103() -> None:
    place = camera(xyz_m=[0.1, 0.2, 1.5], rpy_rad=[0.0, 0.0, 0.0])
    # Forward in the optical frame is z, right is x, down is y.
    assert_allclose(place.apply(np.array([[0.0, 0.0, 4.0]])), [[4.1, 0.2, 1.5]], atol=1e-12)
    assert_allclose(place.apply(np.array([[1.0, 2.0, 0.0]])), [[0.1, -0.8, -0.5]], atol=1e-12)


def test_a_positive_pitch_looks_down() -> None:
    place = camera(xyz_m=[0.0, 0.0, 2.0], rpy_rad=[0.0, math.pi / 6, 0.0])
    assert_allclose(
        place.apply(np.array([[0.0, 0.0, 2.0]])), [[math.sqrt(3.0), 0.0, 1.0]], atol=1e-12
    )


def test_an_optical_pose_is_taken_as_it_is() -> None:
    place = camera(xyz_m=[0.0, 0.0, 1.0], quaternion_xyzw=[0.0, 0.0, 0.0, 1.0], frame="optical")
    assert_allclose(place.apply(np.array([[0.0, 0.0, 4.0]])), [[0.0, 0.0, 5.0]])


def test_both_ways_agree() -> None:
    body = camera(xyz_m=[1.0, 2.0, 3.0], rpy_rad=[0.0, 0.0, 0.0])
    optical = camera(xyz_m=[1.0, 2.0, 3.0], quaternion_xyzw=[-0.5, 0.5, -0.5, 0.5], frame="optical")
    assert_allclose(body.rotation, optical.rotation, atol=1e-12)


def test_what_is_not_given_is_unknown_never_identity() -> None:
    assert camera() is None
    assert camera(frame="optical") is None


@pytest.mark.parametrize(
    ("mounting", "reason"),
    [
        ({"xyz_m": [0.0, 0.0, 1.0]}, "needs xyz_m and one of rpy_rad and quaternion_xyzw"),
        ({"rpy_rad": [0.0, 0.0, 0.0]}, "needs xyz_m and one of rpy_rad and quaternion_xyzw"),
        ({"xyz_m": [0.0, 1.0], "rpy_rad": [0.0] * 3}, "xyz_m needs 3 numbers, got 2"),
        ({"xyz_m": [0.0] * 3, "quaternion_xyzw": [0.0] * 4}, "norm is 0, not 1"),
        (
            {"xyz_m": [0.0] * 3, "rpy_rad": [0.0] * 3, "quaternion_xyzw": [0.0, 0.0, 0.0, 1.0]},
            "not both",
        ),
        ({"xyz_m": [0.0] * 3, "rpy": [0.0] * 3}, "unknown key 'camera_mounting.camera.rpy'"),
        ({"frame": "lens"}, "frame"),
    ],
)
def test_a_mounting_that_cannot_be_meant_is_refused(mounting: Any, reason: str) -> None:
    with pytest.raises(ParameterError, match="camera_mounting.camera") as raised:
        camera(**mounting)
    assert reason in str(raised.value)


def test_a_mounting_of_a_sensor_that_is_not_listed_is_refused() -> None:
    with pytest.raises(ParameterError, match="lidar_mounting names top, not listed in lidars"):
        validate(SensorFusionParams, {"lidar_mounting": {"top": {}}}, "here")


def test_a_sensor_named_twice_is_refused() -> None:
    with pytest.raises(ParameterError, match="cameras names one twice"):
        validate(SensorFusionParams, {"cameras": ["front", "front"]}, "here")


@pytest.mark.parametrize(
    "others",
    [{"radars": ["one"]}, {"lasers": ["one"]}, {"ultrasonics": ["one"]}],
)
def test_two_sensors_of_any_kinds_with_one_name_are_refused(others: Any) -> None:
    with pytest.raises(ParameterError, match="two sensors have the name 'one': a camera and a"):
        validate(SensorFusionParams, {"cameras": ["one"], **others}, "here")


def test_the_picture_and_the_cloud_of_a_depth_camera_share_its_name() -> None:
    params = validate(SensorFusionParams, {"cameras": ["depth"], "lidars": ["depth"]}, "here")
    assert (params.cameras, params.lidars) == (("depth",), ("depth",))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"radar_mounting": {"r": {}}}, "radar_mounting names r, not listed in radars"),
        ({"sensor_timing": {"x": {}}}, "sensor_timing names x, not listed in cameras"),
        ({"radars": ["r"], "range_noise": {"r": {}}}, "range_noise names r, not listed in lidars"),
        ({"radars": ["r"], "radar_noise": {"r": {"doppler_sigma_mps": 0.0}}}, "doppler_sigma_mps"),
        ({"obstacles": {"ahead": 1.0}}, "unknown key 'obstacles.ahead'"),
    ],
)
def test_what_belongs_to_no_sensor_is_refused_by_name(values: Any, reason: str) -> None:
    with pytest.raises(ParameterError) as raised:
        validate(SensorFusionParams, values, "here")
    assert reason in str(raised.value)


def test_every_sensor_has_a_place_and_a_timeout_of_its_own() -> None:
    values = {
        "radars": ["corner/radar"],
        "ultrasonics": ["u"],
        "radar_mounting": {"corner/radar": {"xyz_m": [1.0, 0.0, 0.5], "rpy_rad": [0.0, 0.0, 1.0]}},
        "sensor_timing": {"corner/radar": {"timeout_s": 0.2}},
        "sensor_timeout_s": 0.7,
    }
    params = validate(SensorFusionParams, values, "here")
    place = params.mounting("radar", "corner/radar")
    assert place is not None
    assert_allclose(place.translation_m, [1.0, 0.0, 0.5])
    assert params.mounting("ultrasonic", "u") is None
    assert params.timeout_of("radar", "corner/radar") == 0.2
    assert params.timeout_of("ultrasonic", "u") == 0.7
