"""How long a picture's boxes take to be placed by a LiDAR's points."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import CameraCalibration, Detections, PointCloud, RigidTransform
from edge_mm_ros.params.mounting import BODY_FROM_OPTICAL
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.clustering import raised_points
from edge_mm_ros.pipelines.fusion.frustum import PlacedCloud, look_at
from edge_mm_ros.pipelines.fusion.placing import place_all
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.viewpoint import Placement, Viewpoint
from edge_mm_ros.pipelines.simulation.camera import outline
from edge_mm_ros.pipelines.simulation.ray_casting import Solid, cast

_RINGS = 64
_LOWEST_RAD, _HIGHEST_RAD = math.radians(-24.8), math.radians(2.0)
_ROOM_M = 40.0
_RANGE_SIGMA_M = 0.02
_WARM_UP = 5
_LIDAR = RigidTransform.from_xyz_rpy((0.0, 0.0, 1.8), (0.0, 0.0, 0.0))
_CAMERA = RigidTransform.from_xyz_rpy((0.2, 0.0, 1.6), (0.0, 0.0, 0.0)) @ BODY_FROM_OPTICAL
_MOTION = RigidTransform.from_xyz_rpy((-0.03, 0.0, 0.0), (0.0, 0.0, 0.001))
_K = np.array([[640.0, 0.0, 640.0], [0.0, 640.0, 360.0], [0.0, 0.0, 1.0]])
_CALIBRATION = CameraCalibration(1280, 720, _K, "", np.zeros(0), "camera")


@dataclass(frozen=True, eq=False)
class PlacingTimes:
    """Seconds of each round, float64 (rounds,).

    Attributes:
        ground_s: bringing a cloud into the robot's frame and parting it from the ground.
        boxes_s: projecting it into the picture of another time, while the robot moves, and placing
            the boxes.
        by_points: how many of the boxes were placed by points.
    """

    ground_s: NDArray[np.float64]
    boxes_s: NDArray[np.float64]
    by_points: int

    @property
    def total_s(self) -> NDArray[np.float64]:
        """Both together."""
        return self.ground_s + self.boxes_s


def time_placing(
    points: int = 120_000,
    boxes: int = 20,
    rounds: int = 200,
    *,
    all_in_view: bool = False,
    seed: int = 0,
    clock_s: Callable[[], float] = time.perf_counter,
) -> PlacingTimes:
    """Time how a picture's boxes are placed by a cloud.

    A LiDAR of 64 rings stands in a hall of 80 by 80 m, with people and cars before the camera.
    Making the scene does not count; nor does the message, see `time_conversion`.

    Args:
        points: of the cloud.
        boxes: of the picture.
        rounds: how many are timed, after some to warm up.
        all_in_view: the LiDAR looks only where the camera does, so that the picture shows all
            points, rather than all round.
        seed: of the scene and the noise.
        clock_s: tells the time.
    """
    rng = np.random.default_rng(seed)
    solids = _things(boxes, rng)
    cloud = _cloud(points, solids, math.radians(44.0) if all_in_view else math.pi, rng)
    viewpoint = Viewpoint(CameraProjection(_CALIBRATION), _CAMERA)
    detections = _detections(solids)
    params = SensorFusionParams(lidars=("top",))
    taken = []
    for _ in range(_WARM_UP + rounds):
        begin = clock_s()
        raised = raised_points(
            cloud,
            _LIDAR,
            ground_z_m=params.ground_z_m,
            clearance_m=params.ground_clearance_m,
            max_range_m=params.max_range_m,
        )
        between = clock_s()
        seen = look_at(viewpoint, [PlacedCloud("lidar:top", raised, 0.02, _MOTION)])
        spots = place_all("camera", viewpoint, detections, seen, params)
        taken.append((between - begin, clock_s() - between))
    times = np.array(taken[_WARM_UP:])
    by_points = sum(isinstance(spot, Placement) and "lidar:top" in spot.sensors for spot in spots)
    return PlacingTimes(times[:, 0], times[:, 1], by_points)


def time_conversion(
    points: int = 120_000,
    rounds: int = 200,
    *,
    clock_s: Callable[[], float] = time.perf_counter,
) -> NDArray[np.float64]:
    """Seconds for each conversion of a ``PointCloud2`` to a value, float64 (rounds,).

    The points are those of a Velodyne's driver: x, y, z, intensity, ring and time in 22 bytes.
    """
    from edge_mm_ros.ros.conversions.point_clouds import cloud_from_msg
    from edge_mm_ros.ros.messages import message_class

    cloud_type = message_class("sensor_msgs/msg/PointCloud2")
    field_type = message_class("sensor_msgs/msg/PointField")
    layout = np.dtype(
        {
            "names": ["x", "y", "z", "intensity", "ring", "time"],
            "formats": ["<f4", "<f4", "<f4", "<f4", "<u2", "<f4"],
            "offsets": [0, 4, 8, 12, 16, 18],
            "itemsize": 22,
        }
    )
    values = np.zeros(points, layout)
    for axis in "xyz":
        values[axis] = np.random.default_rng(0).uniform(-50.0, 50.0, points)
    fields = [
        field_type(name=axis, offset=4 * index, datatype=field_type.FLOAT32, count=1)
        for index, axis in enumerate("xyz")
    ]
    message = cloud_type(height=1, width=points, fields=fields, point_step=22, row_step=22 * points)
    message.data.frombytes(values.tobytes())
    taken = []
    for _ in range(_WARM_UP + rounds):
        begin = clock_s()
        cloud_from_msg(message)
        taken.append(clock_s() - begin)
    return np.array(taken[_WARM_UP:])


def _things(count: int, rng: np.random.Generator) -> list[Solid]:
    """People and cars that stand before the camera, side by side."""
    things = []
    for index, bearing in enumerate(np.linspace(-0.65, 0.65, count)):
        distance = rng.uniform(6.0, 30.0)
        size = np.array([4.3, 1.75, 1.5] if index % 4 == 0 else [0.5, 0.5, 1.75])
        centre = np.array(
            [distance * math.cos(bearing), distance * math.sin(bearing), size[2] / 2.0]
        )
        things.append(Solid(centre, size, rng.uniform(0.0, math.pi), round=index % 4 != 0))
    return things


def _cloud(
    points: int, solids: list[Solid], half_view_rad: float, rng: np.random.Generator
) -> PointCloud:
    walls = [
        Solid(
            np.array([_ROOM_M * math.cos(yaw), _ROOM_M * math.sin(yaw), 5.0]),
            np.array([0.2, 2.0 * _ROOM_M + 1.0, 10.0]),
            yaw,
        )
        for yaw in np.arange(4) * math.pi / 2.0
    ]
    index = np.arange(points)
    elevation = _LOWEST_RAD + (_HIGHEST_RAD - _LOWEST_RAD) * (index % _RINGS) / (_RINGS - 1)
    azimuth = half_view_rad * (2.0 * index / points - 1.0)
    rays = np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    ).T
    distances = cast(_LIDAR.translation_m, rays, [*solids, *walls]).distance_m
    distances = distances + rng.normal(0.0, _RANGE_SIGMA_M, points)
    return PointCloud((rays * distances[:, None]).astype(np.float32), 0, "top")


def _detections(solids: list[Solid]) -> Detections:
    """The boxes around solids in the picture."""
    boxes, labels = [], []
    for solid in solids:
        spots = _CAMERA.inverse().apply(outline(solid))
        pixels = spots[:, :2] / spots[:, 2:] * [_K[0, 0], _K[1, 1]] + _K[:2, 2]
        boxes.append(np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]))
        labels.append("person" if solid.round else "car")
    scores = np.ones(len(solids), dtype=np.float32)
    return Detections(
        np.array(boxes, dtype=np.float32).reshape(-1, 4), scores, tuple(labels), 0, "camera"
    )
