"""A camera and a LiDAR before solids: the boxes and the cloud that they give, by rays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_mm_ros.datatypes import CameraCalibration, Detections, PointCloud, RigidTransform
from edge_mm_ros.params.mounting import BODY_FROM_OPTICAL
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.clustering import raised_points
from edge_mm_ros.pipelines.fusion.frustum import PlacedCloud, look_at
from edge_mm_ros.pipelines.fusion.placing import place_all
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.viewpoint import Viewpoint
from edge_mm_ros.pipelines.simulation.camera import outline
from edge_mm_ros.pipelines.simulation.ray_casting import Solid, cast

K = np.array([[640.0, 0.0, 640.0], [0.0, 640.0, 360.0], [0.0, 0.0, 1.0]])
WIDTH, HEIGHT = 1280, 720
LIDAR = RigidTransform.from_xyz_rpy((0.0, 0.0, 1.8), (0.0, 0.0, 0.0))
CAMERA = RigidTransform.from_xyz_rpy((0.2, 0.0, 1.6), (0.0, 0.0, 0.0)) @ BODY_FROM_OPTICAL
PARAMS = SensorFusionParams(cameras=("front",), lidars=("top",))


def viewpoint(model: str = "") -> Viewpoint:
    """The camera, with a lens of a distortion model whose coefficients are zeros."""
    calibration = CameraCalibration(WIDTH, HEIGHT, K, model, np.zeros(0), "optical")
    return Viewpoint(CameraProjection(calibration), CAMERA)


def solid(
    x: float, y: float, size: Sequence[float], yaw: float = 0.0, *, round: bool = False
) -> Solid:
    """A solid that stands on the ground."""
    return Solid(np.array([x, y, size[2] / 2.0]), np.array(size), yaw, round)


def person(x: float, y: float) -> Solid:
    return solid(x, y, (0.5, 0.5, 1.75), round=True)


def box_around(thing: Solid) -> np.ndarray:
    """Left, top, right, bottom of a solid in the picture, cut at its borders."""
    spots = CAMERA.inverse().apply(outline(thing))
    spots = spots[spots[:, 2] > 0.1]
    pixels = spots[:, :2] / spots[:, 2:] * [K[0, 0], K[1, 1]] + K[:2, 2]
    edges = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
    return np.clip(edges, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])


def cloud_of(solids: Sequence[Solid], *, sigma_m: float = 0.02, rings: int = 64) -> PointCloud:
    """What a LiDAR of so many rings, 0.2 degrees apart across, sees ahead."""
    elevation = np.radians(np.linspace(-24.8, 2.0, rings))
    azimuth = np.radians(np.arange(-60.0, 60.0, 0.2))
    angles = np.meshgrid(elevation, azimuth, indexing="ij")
    up, across = (angle.reshape(-1) for angle in angles)
    rays = np.stack([np.cos(up) * np.cos(across), np.cos(up) * np.sin(across), np.sin(up)]).T
    far = cast(LIDAR.translation_m, rays, list(solids)).distance_m
    hit = np.isfinite(far) & (far < 80.0)
    noise = np.random.default_rng(0).normal(0.0, sigma_m, int(hit.sum()))
    return PointCloud((rays[hit] * (far[hit] + noise)[:, None]).astype(np.float32), 0, "top")


def detections(boxes: Sequence[Any], labels: Sequence[str]) -> Detections:
    edges = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    return Detections(edges, np.ones(len(edges), np.float32), tuple(labels), 0, "optical")


def place(
    boxes: Sequence[Any],
    labels: Sequence[str],
    cloud: PointCloud | None,
    params: SensorFusionParams = PARAMS,
) -> list[Any]:
    """Place boxes by a cloud, or without one."""
    clouds = []
    if cloud is not None:
        points = raised_points(
            cloud,
            LIDAR,
            ground_z_m=params.ground_z_m,
            clearance_m=params.ground_clearance_m,
            max_range_m=params.max_range_m,
        )
        clouds.append(PlacedCloud("lidar:top", points, 0.0))
    view = viewpoint()
    return place_all("front", view, detections(boxes, labels), look_at(view, clouds), params)


def error_m(spot: Any, thing: Solid) -> float:
    """Horizontal distance between a place and the real centre."""
    return math.hypot(*(spot.position_m - thing.centre_m)[:2])
