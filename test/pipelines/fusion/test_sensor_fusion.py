"""Detections and clouds to objects: synthetic scenes and the frames of KITTI."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.kitti import read_frame
from numpy.typing import NDArray

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    InvalidInput,
    Object3D,
    Odometry,
    PointCloud,
    RigidTransform,
)
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion import FusionResult, Measured, SensorFusion

MS = 1_000_000
K = np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])
CALIBRATION = CameraCalibration(640, 480, K, "", np.zeros(0), "optical")
PERSON_BOX = (295.0, 227.5, 345.0, 357.5)  # 0.8 m wide, 1.9 m tall at 8 m, camera at 1.7 m
LIDAR_PLACE = RigidTransform.from_xyz_rpy((0.0, 0.0, 2.0), (0.0, 0.0, 0.0))


def params(**changes: Any) -> SensorFusionParams:
    values: dict[str, Any] = {
        "cameras": ("front",),
        "lidars": ("top",),
        "camera_mounting": {"front": {"xyz_m": (0.0, 0.0, 1.7), "rpy_rad": (0.0, 0.0, 0.0)}},
        **changes,
    }
    return SensorFusionParams(**values)


class Rig:
    """A fusion with one calibrated camera and the place of everything."""

    def __init__(self, **changes: Any) -> None:
        self.notices: list[str] = []
        self.params = params(**changes)
        self.fusion = SensorFusion(self.params, lambda topic, line: self.notices.append(topic))
        for camera in self.params.cameras:
            self.fusion.set_calibration(camera, CALIBRATION, 0)

    def cloud(self, robot_points_m: NDArray[np.float64], stamp_ns: int = 0) -> None:
        points = LIDAR_PLACE.inverse().apply(robot_points_m).astype(np.float32)
        self.fusion.add_cloud("top", PointCloud(points, stamp_ns, "top"), LIDAR_PLACE)

    def see(
        self, *boxes: tuple[float, ...], stamp_ns: int = 0, camera: str = "front", label: str = "P"
    ) -> FusionResult:
        place = self.params.camera_mounting[camera].robot_from_optical()
        assert place is not None
        detections = Detections(
            np.array(boxes, dtype=np.float32).reshape(-1, 4),
            np.full(len(boxes), 0.9, dtype=np.float32),
            (label,) * len(boxes),
            stamp_ns,
            "optical",
        )
        return self.fusion.fuse(camera, detections, place)

    def only(self, *boxes: tuple[float, ...], **options: Any) -> Object3D:
        result = self.see(*boxes, **options)
        assert len(result.objects) == 1, result.refused
        return result.objects.objects[0]


def wall(x: float, y: tuple[float, float], z: tuple[float, float], step: float) -> Any:
    grid = np.mgrid[y[0] : y[1] : step, z[0] : z[1] : step].reshape(2, -1).T
    return np.column_stack([np.full(len(grid), x), grid])


def ground(step: float = 0.4, height: float = 0.0) -> Any:
    grid = np.mgrid[2.0:40.0:step, -12.0:12.0:step].reshape(2, -1).T
    return np.column_stack([grid, np.full(len(grid), height)])


PERSON = wall(8.0, (-0.35, 0.36), (0.05, 1.85), 0.1)
SCENE = np.vstack([ground(), PERSON, wall(20.0, (-12, 12), (0, 6), 0.2)])


def test_a_person_before_a_wall_is_placed_by_the_person_s_points() -> None:
    rig = Rig()
    rig.cloud(SCENE)
    found = rig.only(PERSON_BOX)
    assert found.sources == ("camera:front", "lidar:top")
    # Front at 8.0 m; half of the depth that a front of 0.8 m is given lies behind.
    assert found.position_m[0] == pytest.approx(8.25, abs=0.05)
    assert found.position_m[1] == pytest.approx(0.0, abs=0.05)
    assert found.position_m[2] == pytest.approx(0.9, abs=0.1)
    assert found.size_m[1] == pytest.approx(0.8, abs=0.06)
    assert math.sqrt(found.covariance_m2[0, 0]) < 0.3
    assert found.track_id == "1"


def test_the_same_without_ground_points_and_with_a_rail_at_the_box_s_side() -> None:
    rig = Rig()
    rail = wall(6.0, (-0.32, -0.25), (0.3, 1.6), 0.03)
    rig.cloud(np.vstack([PERSON, rail]))
    assert rig.only(PERSON_BOX).position_m[0] == pytest.approx(8.25, abs=0.05)


def test_what_hides_the_object_s_middle_is_the_object() -> None:
    rig = Rig()
    pillar = wall(5.0, (-0.2, 0.2), (0.0, 2.2), 0.05)
    rig.cloud(np.vstack([SCENE, pillar]))
    assert rig.only(PERSON_BOX).position_m[0] < 5.6


@pytest.mark.parametrize("height", [-0.4, 0.3])
def test_ground_that_is_not_where_it_is_assumed_does_no_harm(height: float) -> None:
    rig = Rig()
    rig.cloud(np.vstack([ground(0.1, height), PERSON + [0, 0, height]]))
    shift = -500.0 * height / 8.0
    left, top, right, bottom = PERSON_BOX
    found = rig.only((left, top + shift, right, bottom + shift))
    assert "lidar:top" in found.sources
    assert found.position_m[0] == pytest.approx(8.25, abs=0.1)


def test_a_person_who_gives_no_echo_is_not_put_at_the_wall_behind() -> None:
    rig = Rig()
    rig.cloud(wall(30.0, (-12, 12), (0, 6), 0.2))
    found = rig.only(PERSON_BOX)
    assert found.sources == ("camera:front",)
    assert found.position_m[0] == pytest.approx(7.5, abs=0.5)


@pytest.mark.parametrize(("offset_ms", "used"), [(0, True), (99, True), (-99, True), (101, False)])
def test_clouds_pair_within_the_limit_earlier_or_later(offset_ms: int, used: bool) -> None:
    rig = Rig()
    rig.cloud(SCENE, 1000 * MS + offset_ms * MS)
    result = rig.see(PERSON_BOX, stamp_ns=1000 * MS)
    assert ("lidar:top" in result.placed[0]) is used
    assert result.clouds == {"top": pytest.approx(offset_ms / 1000) if used else None}


def test_of_several_clouds_the_nearest_in_time_is_used() -> None:
    rig = Rig()
    measured: list[Measured] = []
    rig.fusion = SensorFusion(rig.params, on_measured=measured.append)
    rig.fusion.set_calibration("front", CALIBRATION, 0)
    for index in range(30):
        rig.cloud(SCENE + [0.1 * index, 0, 0], index * 40 * MS)
    result = rig.see(PERSON_BOX, stamp_ns=28 * 40 * MS + 15 * MS)
    assert result.clouds == {"top": pytest.approx(-0.015)}
    (placed,) = measured[-1].scan.measurements
    assert placed.position_m[0] == pytest.approx(8.25 + 2.8, abs=0.05)


def test_a_late_cloud_is_worth_less() -> None:
    early, late = Rig(), Rig()
    early.cloud(SCENE, 0)
    late.cloud(SCENE, 90 * MS)
    spreads = [rig.only(PERSON_BOX).covariance_m2[0, 0] for rig in (early, late)]
    assert spreads[1] > spreads[0]


def test_without_a_calibration_detections_have_no_place() -> None:
    rig = Rig()
    place = rig.params.camera_mounting["front"].robot_from_optical()
    assert place is not None
    fusion = SensorFusion(rig.params)
    detections = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), (), 0, "optical")
    with pytest.raises(InvalidInput, match="no calibration of camera 'front'") as raised:
        fusion.fuse("front", detections, place)
    assert raised.value.kind == "no_calibration"


def test_one_bad_box_leaves_the_others() -> None:
    rig = Rig()
    result = rig.see((300.0, 10.0, 320.0, 100.0), PERSON_BOX, (math.nan, 0, 1, 1))
    assert [error.kind for error in result.refused] == ["horizon", "box"]
    assert len(result.objects) == 1


def test_stamps_that_jump_back_an_hour_begin_anew_and_are_told_once() -> None:
    rig = Rig()
    begin, hour = 100 * MS, 3_600_000 * MS
    rig.cloud(SCENE, hour)
    rig.see(PERSON_BOX, stamp_ns=hour)
    with pytest.raises(InvalidInput, match="before the newest ones"):  # the camera may go on
        rig.cloud(SCENE, begin)
    first = rig.see(PERSON_BOX, stamp_ns=begin)
    second = rig.see(PERSON_BOX, stamp_ns=2 * begin)
    for stamp_ns in (hour, begin, 2 * begin):
        rig.fusion.set_calibration("front", CALIBRATION, stamp_ns)
    assert rig.notices == ["top/points", "front/detections", "front/camera_info"]
    assert first.clouds["top"] == 0.0
    assert [item.track_id for item in first.objects.objects] == ["2"]
    assert [item.track_id for item in second.objects.objects] == ["2"]


def test_two_cameras_that_see_one_person_give_one_object() -> None:
    pose = {"xyz_m": (0.0, 0.0, 1.7), "rpy_rad": (0.0, 0.0, 0.0)}
    rig = Rig(cameras=("front", "side"), lidars=(), camera_mounting={"front": pose, "side": pose})
    rig.see(PERSON_BOX)
    both = rig.only((300.0, 227.0, 350.0, 356.0), camera="side", stamp_ns=30 * MS)
    assert set(both.sources) == {"camera:front", "camera:side"}
    assert both.track_id == "1"
    # Once the other camera is silent for longer than its time-out, only one source is left.
    alone = rig.only(PERSON_BOX, camera="side", stamp_ns=800 * MS)
    assert alone.sources == ("camera:side",)


def test_two_cameras_keep_each_other_s_objects() -> None:
    pose = {"xyz_m": (0.0, 0.0, 1.7), "rpy_rad": (0.0, 0.0, 0.0)}
    rig = Rig(cameras=("front", "side"), lidars=(), camera_mounting={"front": pose, "side": pose})
    rig.see((100.0, 227.0, 150.0, 356.0))
    assert len(rig.see((500.0, 227.0, 550.0, 356.0), camera="side").objects) == 2


def test_cameras_with_delays_of_their_own_give_one_place_and_velocity() -> None:
    """A person walks 1 m/s to the left; the side camera's pictures come 150 ms late."""
    pose = {"xyz_m": (0.0, 0.0, 1.7), "rpy_rad": (0.0, 0.0, 0.0)}
    rig = Rig(cameras=("front", "side"), lidars=(), camera_mounting={"front": pose, "side": pose})
    depth = rig.only(PERSON_BOX).position_m[0]
    rig.fusion.reset()

    def see(camera: str, at_s: float) -> FusionResult:
        shift = -500.0 * (at_s - 1.0) / depth
        left, top, right, bottom = PERSON_BOX
        box = (left + shift, top, right + shift, bottom)
        return rig.see(box, camera=camera, stamp_ns=round(at_s * 1e9))

    for step in range(2, 21):
        see("front", 0.1 * step)
        result = see("side", 0.1 * step - 0.15)
    (found,) = result.objects.objects
    assert result.objects.stamp_ns == 2000 * MS
    assert found.position_m[1] == pytest.approx(1.0, abs=0.05)
    assert found.velocity_mps == pytest.approx([0.0, 1.0, 0.0], abs=0.1)


def test_a_picture_older_than_the_horizon_is_named_and_changes_nothing() -> None:
    rig = Rig(lidars=())
    rig.see(PERSON_BOX, stamp_ns=1000 * MS)
    with pytest.raises(InvalidInput, match="lie 0.60 s before the newest") as raised:
        rig.see(PERSON_BOX, stamp_ns=400 * MS)
    assert raised.value.kind == "late"
    assert rig.only(PERSON_BOX, stamp_ns=1100 * MS).track_id == "1"


def test_a_person_who_is_not_detected_for_two_seconds_keeps_the_id() -> None:
    rig = Rig(lidars=())
    for step in range(10):
        rig.see(PERSON_BOX, stamp_ns=step * 100 * MS)
    hidden = rig.only(stamp_ns=1500 * MS)
    assert (hidden.track_id, hidden.sources) == ("1", ())
    for step in range(16, 29):
        rig.see(stamp_ns=step * 100 * MS)
    assert rig.only(PERSON_BOX, stamp_ns=2900 * MS).track_id == "1"


def odometry(stamp_ns: int, x: float, speed: float = 1.0, child: str = "base_link") -> Odometry:
    return Odometry(
        RigidTransform.from_xyz_rpy((x, 2.0, 0.0), (0.0, 0.0, 0.0)),
        np.array([speed, 0.0, 0.0]),
        np.zeros(3),
        np.eye(6),
        np.eye(6),
        stamp_ns,
        "odom",
        child,
    )


def box_at(ahead_m: float) -> tuple[float, ...]:
    """1.9 m tall and 0.8 m wide, by a camera at 1.7 m with a focal length of 500."""
    return (
        320 - 200 / ahead_m,
        240 - 100 / ahead_m,
        320 + 200 / ahead_m,
        240 + 850 / ahead_m,
    )


def approach(rig: Rig, seconds: float = 2.0) -> Object3D:
    """The robot drives 1 m/s towards a standing person, 14 m away at first."""
    for step in range(round(seconds * 10) + 1):
        at_s = 0.1 * step
        if rig.params.odometry:
            rig.fusion.add_odometry(odometry(round(at_s * 1e9), at_s))
        found = rig.only(box_at(14.0 - at_s), stamp_ns=round(at_s * 1e9))
    return found


def test_with_odometry_what_stands_has_no_velocity_though_the_robot_drives() -> None:
    without = approach(Rig(lidars=()))
    assert without.velocity_mps is not None
    assert without.velocity_mps[0] == pytest.approx(-1.0, abs=0.2)
    found = approach(Rig(lidars=(), odometry="odom"))
    assert found.velocity_mps == pytest.approx(np.zeros(3), abs=0.1)
    assert found.position_m[:2] == pytest.approx([12.25, 0.0], abs=0.3)  # from the robot, not odom


def test_odometry_moves_a_cloud_to_the_picture_s_time() -> None:
    rig = Rig(odometry="odom")
    for step in range(3):
        rig.fusion.add_odometry(odometry(step * 50 * MS, 10.0 * 0.05 * step, speed=10.0))
    rig.cloud(SCENE + [1.0, 0.0, 0.0], 0)  # 1 m further away, 0.1 s earlier, at 10 m/s
    found = rig.only(PERSON_BOX, stamp_ns=100 * MS)
    assert "lidar:top" in found.sources
    assert found.position_m[0] == pytest.approx(8.25, abs=0.05)


def test_odometry_that_jumps_10_m_is_named_and_moves_no_object() -> None:
    rig = Rig(lidars=(), odometry="odom")
    before = approach(rig)
    rig.fusion.add_odometry(odometry(2100 * MS, 12.1))
    assert rig.notices == ["odom"]
    found = rig.only(box_at(11.9), stamp_ns=2100 * MS)
    assert found.track_id == before.track_id
    assert found.position_m[:2] == pytest.approx([12.15, 0.0], abs=0.3)
    assert found.velocity_mps == pytest.approx(np.zeros(3), abs=0.1)


def test_where_the_odometry_is_lost_it_is_told_and_pictures_are_placed_all_the_same() -> None:
    rig = Rig(lidars=(), odometry="odom")
    assert rig.only(PERSON_BOX).position_m[0] == pytest.approx(7.75, abs=0.3)
    assert rig.notices == ["odom"]
    with pytest.raises(InvalidInput, match="that of 'trailer', expected robot_frame, 'base_link'"):
        rig.fusion.add_odometry(odometry(0, 0.0, child="trailer"))


def test_two_people_in_one_picture_are_never_merged() -> None:
    rig = Rig(lidars=())
    assert len(rig.see(PERSON_BOX, (335.0, 227.5, 385.0, 357.5)).objects) == 2


def test_equal_input_gives_equal_output() -> None:
    def run() -> list[Any]:
        rig = Rig()
        out = []
        for index in range(5):
            rig.cloud(SCENE, index * 100 * MS)
            out += [
                (item.track_id, item.position_m.tobytes(), item.covariance_m2.tobytes())
                for item in rig.see(PERSON_BOX, stamp_ns=index * 100 * MS).objects.objects
            ]
        return out

    assert run() == run()


def test_points_of_any_size_do_no_harm() -> None:
    rig = Rig()
    wild = np.array([[3e38, -3e38, 3e38], [0, 0, 0], [1e20, 0, 0], [-1e-38, 0, 0]], np.float32)
    rig.fusion.add_cloud("top", PointCloud(wild, 0, "top"), LIDAR_PLACE)
    assert rig.only(PERSON_BOX).sources == ("camera:front",)


def fuse_kitti(shared_data: Callable[[str], Path], name: str) -> dict[str, tuple[Any, Object3D]]:
    frame = read_frame(shared_data, name)
    settings = SensorFusionParams(
        cameras=("front",),
        lidars=("top",),
        camera_mounting={"front": {"xyz_m": frame.camera_xyz_m, "rpy_rad": [0.0, 0.0, 0.0]}},
        lidar_mounting={
            "top": {
                "xyz_m": frame.lidar_xyz_m,
                "quaternion_xyzw": frame.lidar_quaternion_xyzw,
            }
        },
    )
    fusion = SensorFusion(settings)
    fusion.set_calibration("front", replace(CALIBRATION, width=1242, height=375, k=frame.k), 0)
    camera = settings.camera_mounting["front"].robot_from_optical()
    lidar = settings.lidar_mounting["top"].pose()
    assert camera is not None
    assert lidar is not None
    fusion.add_cloud("top", PointCloud(frame.points_m, 0, "top"), lidar)
    detections = Detections(
        np.array([label.box_px for label in frame.labels], dtype=np.float32),
        np.ones(len(frame.labels), dtype=np.float32),
        tuple(label.kind for label in frame.labels),
        0,
        "optical",
    )
    result = fusion.fuse("front", detections, camera)
    assert not result.refused
    return {
        item.label: (label, item)
        for label, item in zip(frame.labels, result.objects.objects, strict=True)
    }


def test_kitti_the_pedestrian_is_8_41_m_ahead(shared_data: Callable[[str], Path]) -> None:
    label, found = fuse_kitti(shared_data, "000000")["Pedestrian"]
    assert label.centre_m[0] == pytest.approx(8.41)
    assert found.position_m[0] == pytest.approx(8.41, abs=0.1)
    assert found.position_m == pytest.approx(label.centre_m, abs=0.2)
    assert found.sources == ("camera:front", "lidar:top")


@pytest.mark.parametrize(
    ("name", "kind", "limit_m"),
    [("000001", "Cyclist", 0.3), ("000002", "Misc", 0.7), ("000002", "Car", 1.5)],
)
def test_kitti_further_objects(
    shared_data: Callable[[str], Path], name: str, kind: str, limit_m: float
) -> None:
    label, found = fuse_kitti(shared_data, name)[kind]
    assert "lidar:top" in found.sources
    assert np.linalg.norm(found.position_m[:2] - label.centre_m[:2]) < limit_m
