"""Frames of the KITTI object set as value types, from the shared recordings (not a fake)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

# The rectified camera 0 of the recording car is 1.65 m above the road (the set's own drawing).
CAMERA_HEIGHT_M = 1.65
BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Label:
    """One labelled object in the robot's frame, which lies below the rectified camera 0.

    `size_m` is length, width and height; `yaw_rad` the direction of the length about z.
    """

    kind: str
    box_px: tuple[float, float, float, float]
    centre_m: NDArray[np.float64]
    size_m: tuple[float, float, float]
    yaw_rad: float


@dataclass(frozen=True, eq=False)
class KittiFrame:
    """One frame: picture file, cloud, camera matrix, labels and the sensors' places.

    `base_link` is taken on the road below the rectified camera 0, x along its view.
    """

    picture: Path
    points_m: NDArray[np.float32]
    k: NDArray[np.float64]
    labels: tuple[Label, ...]
    camera_xyz_m: list[float]
    lidar_xyz_m: list[float]
    lidar_quaternion_xyzw: list[float]


def read_frame(shared_data: Callable[[str], Path], name: str) -> KittiFrame:
    """Read a frame, or skip the test where it is absent."""
    calibration = {}
    for line in shared_data(f"kitti/calib/{name}.txt").read_text(encoding="ascii").splitlines():
        key, _, numbers = line.partition(":")
        calibration[key] = np.array([float(number) for number in numbers.split()])
    projection = calibration["P2"].reshape(3, 4)
    k = projection[:, :3]
    # P2 projects points of camera 0: k (x + shift).
    shift = np.linalg.inv(k) @ projection[:, 3]
    up = np.array([0.0, 0.0, CAMERA_HEIGHT_M])
    rectify = calibration["R0_rect"].reshape(3, 3)
    velo = calibration["Tr_velo_to_cam"].reshape(3, 4)
    lidar_rotation = BODY_FROM_OPTICAL @ rectify @ velo[:, :3]
    labels = []
    for line in shared_data(f"kitti/label_2/{name}.txt").read_text(encoding="ascii").splitlines():
        kind, *numbers = line.split()
        if kind == "DontCare":
            continue
        values = [float(number) for number in numbers]
        height, width, length, x, y, z, turn = values[7:14]
        centre = BODY_FROM_OPTICAL @ np.array([x, y - height / 2.0, z]) + up
        along = BODY_FROM_OPTICAL @ np.array([np.cos(turn), 0.0, -np.sin(turn)])
        yaw = float(np.arctan2(along[1], along[0]))
        labels.append(Label(kind, tuple(values[3:7]), centre, (length, width, height), yaw))
    points = np.fromfile(shared_data(f"kitti/velodyne/{name}.bin"), dtype="<f4").reshape(-1, 4)
    return KittiFrame(
        shared_data(f"kitti/image_2/{name}.png"),
        points[:, :3].copy(),
        k,
        tuple(labels),
        list(map(float, up - BODY_FROM_OPTICAL @ shift)),
        list(map(float, up + BODY_FROM_OPTICAL @ rectify @ velo[:, 3])),
        list(map(float, Rotation.from_matrix(lidar_rotation).as_quat())),
    )
