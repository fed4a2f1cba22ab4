"""The camera model against boxes worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from fakes.scenes import QUIET_CAMERA, STAMP_NS, actor, measure, scenario_of

from edge_mm_ros.datatypes import CameraCalibration, Detections

FOCAL_PX = 640.0 / math.tan(0.7)  # 1280 pixels over 1.4 rad


def detections(*actors: dict[str, Any], seed: int = 1, **more: Any) -> Detections:
    value = measure(scenario_of(*actors, **more), seed=seed).outputs[1][1]
    assert isinstance(value, Detections)
    return value


def camera(**changed: Any) -> list[dict[str, Any]]:
    return [{**QUIET_CAMERA, **changed}]


def test_a_box_ahead_is_projected_by_its_near_face() -> None:
    # 1 m wide and high on the ground, its near face 4 m ahead, the camera 1 m high.
    found = detections(actor("crate", "obstacle", (4.5, 0.0), size_m=[1.0, 1.0, 1.0]))
    left, top, right, bottom = found.boxes_px[0].tolist()
    half = FOCAL_PX * 0.5 / 4.0
    assert (left, right) == pytest.approx((640.0 - half, 640.0 + half), abs=0.1)
    assert bottom == pytest.approx(360.0 + FOCAL_PX * 1.0 / 4.0, abs=0.1)
    assert top == pytest.approx(360.0, abs=0.1)  # at the camera's own height
    assert found.labels == ("obstacle",)
    assert found.stamp_ns == STAMP_NS
    assert found.frame_id == "camera_optical_frame"


def test_the_calibration_is_that_of_the_boxes() -> None:
    topic, calibration = measure(scenario_of()).outputs[0]
    assert topic == "camera/camera_info"
    assert isinstance(calibration, CameraCalibration)
    assert calibration.k == pytest.approx(
        np.array([[FOCAL_PX, 0, 640], [0, FOCAL_PX, 360], [0, 0, 1]])
    )


def test_left_is_left_in_the_picture() -> None:
    found = detections(actor("left", "person", (6.0, 2.0)))
    assert found.boxes_px[0, 2] < 640.0


@pytest.mark.parametrize("place", [(-5.0, 0.0), (5.0, 8.0), (90.0, 0.0)])
def test_what_is_behind_beside_or_too_far_is_not_seen(place: tuple[float, float]) -> None:
    assert len(detections(actor("someone", "person", place))) == 0


def test_who_stands_behind_a_wall_or_a_van_is_not_seen() -> None:
    person = actor("hidden", "person", (10.0, 0.0))
    van = actor("van", "car", (6.0, 0.0), size_m=[2.0, 3.0, 2.5])
    assert len(detections(person)) == 1
    wall = {"from_m": [6.0, -2.0], "to_m": [6.0, 2.0]}
    assert len(detections(person, walls=[wall])) == 0
    assert detections(person, van).labels == ("car",)


def test_the_box_is_around_what_is_seen() -> None:
    # A wall hides what is right of the middle: its left end lies on the line of sight.
    person = actor("half", "person", (8.0, 0.0), size_m=[0.6, 0.6, 1.7])
    wall = {"from_m": [4.0, 0.0], "to_m": [4.0, -3.0], "thickness_m": 0.01}
    whole, half = detections(person), detections(person, walls=[wall])
    assert half.boxes_px[0, 0] == pytest.approx(whole.boxes_px[0, 0], abs=0.1)
    assert half.boxes_px[0, 2] == pytest.approx(640.0, abs=5.0)
    assert half.boxes_px[0, 1::2] == pytest.approx(whole.boxes_px[0, 1::2], abs=0.1)


def test_hardly_visible_people_are_not_found() -> None:
    person = actor("sliver", "person", (8.0, 0.0))
    wall = {"from_m": [4.0, 0.09], "to_m": [4.0, -3.0], "thickness_m": 0.01}
    assert len(detections(person, walls=[wall])) == 0


def test_a_box_is_cut_by_the_picture_s_border() -> None:
    found = detections(actor("near", "person", (1.2, 0.0)))
    assert found.boxes_px[0, 3] == 720.0


def test_misses_and_false_ones_come_as_often_as_they_should() -> None:
    sensors = camera(miss_share=0.25, false_per_picture=0.5)
    person = actor("someone", "person", (6.0, 0.0))
    right = wrong = 0
    for seed in range(400):
        found = detections(person, sensors=sensors, seed=seed)
        middle = (found.boxes_px[:, 0] + found.boxes_px[:, 2]) / 2.0
        hit = (np.abs(middle - 640.0) < 1.0) & (found.scores > 0.7)
        right += int(hit.sum())
        wrong += int((~hit).sum())
    assert right / 400 == pytest.approx(0.75, abs=0.07)
    assert wrong / 400 == pytest.approx(0.5, abs=0.12)


def test_edges_are_as_noisy_as_they_should_be() -> None:
    sensors = camera(edge_sigma_px=3.0)
    person = actor("someone", "person", (6.0, 0.0))
    lefts = [detections(person, sensors=sensors, seed=s).boxes_px[0, 0] for s in range(300)]
    assert np.std(lefts) == pytest.approx(3.0, rel=0.15)


def test_fog_hides_what_is_far() -> None:
    near, far = actor("near", "person", (5.0, 1.0)), actor("far", "person", (38.0, -2.0))
    assert len(detections(near, far)) == 2
    assert len(detections(near, far, visibility_m=40.0)) == 1


def test_a_blind_camera_is_in_time_but_finds_nothing() -> None:
    found = measure(scenario_of(actor("someone", "person", (6.0, 0.0))), blind=True)
    assert [topic for topic, _ in found.outputs] == ["camera/camera_info", "camera/detections"]
    assert isinstance(found.outputs[1][1], Detections)
    assert len(found.outputs[1][1]) == 0
    assert found.seen == ()
