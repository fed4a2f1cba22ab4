"""What a camera sees of the ground."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_mm_ros.datatypes import CameraCalibration, Object3D, RigidTransform
from edge_mm_ros.params.mounting import BODY_FROM_OPTICAL
from edge_mm_ros.pipelines.free_space import CameraGround, PolarView
from edge_mm_ros.pipelines.fusion import CameraProjection

NONE = np.zeros((0, 2))
FOCAL_PX = 500.0
PROJECTION = CameraProjection(
    CameraCalibration(
        width=640,
        height=480,
        k=np.array([[FOCAL_PX, 0, 320], [0, FOCAL_PX, 240], [0, 0, 1.0]]),
        distortion_model="plumb_bob",
        distortion=np.zeros(5),
        frame_id="optical",
    )
)


def ground(height_m: float = 1.0, person_px: float = 85.0) -> CameraGround:
    place = RigidTransform.from_xyz_rpy((0.0, 0.0, height_m), (0.0, 0.0, 0.0)) @ BODY_FROM_OPTICAL
    return CameraGround(
        PROJECTION, place, ground_z_m=0.0, person_height_px=person_px, step_m=0.1, reach_m=20.0
    )


def seen(view: PolarView, x: float, y: float) -> bool:
    return bool(view.at(np.array([[x, y]]))[0][0])


def thing(x: float, y: float, width_m: float) -> Object3D:
    size = np.array([width_m, width_m, 1.7])
    return Object3D("1", "person", 0.9, np.array([x, y, 0.85]), size, np.eye(3), ("camera",))


def test_it_sees_the_ground_in_its_picture_as_far_as_it_finds_a_person() -> None:
    view = ground().view((), NONE)
    # The lower border is 240 px below the axis: the ground comes into view at 500 / 240 = 2.1 m.
    assert not seen(view, 1.9, 0.0)
    assert seen(view, 2.3, 0.0)
    # A person of 1.7 m is 85 px high at 500 * 1.7 / 85 = 10 m.
    assert seen(view, 9.8, 0.0)
    assert not seen(view, 10.3, 0.0)
    # The sides are 320 px from the axis: 0.64 m aside for each metre ahead.
    assert seen(view, 5.0, 3.0)
    assert not seen(view, 5.0, 3.5)
    assert not seen(view, -5.0, 0.0)
    assert not np.any(view.occupied)


def test_what_is_known_hides_the_ground_behind_it() -> None:
    view = ground().view((thing(4.0, 0.0, 0.6),), NONE)
    assert seen(view, 3.5, 0.0)
    assert not seen(view, 6.0, 0.0)
    assert seen(view, 6.0, 1.5)
    echoes = np.column_stack([np.full(60, 5.0), np.linspace(-1.5, 1.5, 60)])
    walled = ground().view((), echoes)
    assert seen(walled, 4.5, 0.0)
    assert not seen(walled, 6.0, 0.5)
    assert seen(walled, 6.0, 3.0)


def test_it_is_worked_out_anew_only_for_another_lens_or_place() -> None:
    made = ground()
    place = RigidTransform.from_xyz_rpy((0.0, 0.0, 1.0), (0.0, 0.0, 0.0)) @ BODY_FROM_OPTICAL
    turned = RigidTransform.from_xyz_rpy((0.0, 0.0, 1.0), (0.0, 0.1, 0.0)) @ BODY_FROM_OPTICAL
    assert made.fits(PROJECTION, place)
    assert not made.fits(PROJECTION, turned)
    assert not made.fits(CameraProjection(PROJECTION.calibration), place)


def test_points_in_its_picture() -> None:
    inside = np.array([[5.0, 0.0, 1.0], [12.0, 0.0, 1.0], [-5.0, 0.0, 1.0], [5.0, 4.0, 1.0]])
    assert ground().shows(inside).tolist() == [True, False, False, False]
    assert math.isclose(FOCAL_PX * 1.7 / 85.0, 10.0)


def test_a_camera_that_looks_up_sees_no_ground() -> None:
    place = RigidTransform.from_xyz_rpy((0.0, 0.0, 1.0), (0.0, -0.8, 0.0)) @ BODY_FROM_OPTICAL
    made = CameraGround(
        PROJECTION, place, ground_z_m=0.0, person_height_px=85.0, step_m=0.1, reach_m=20.0
    )
    assert not np.any(made.view((), NONE).seen)
    assert pytest.approx(0.0) == float(made.view((), NONE).seen.sum())
