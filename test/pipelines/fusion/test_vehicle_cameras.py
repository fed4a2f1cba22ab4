"""Every camera of the system ``vehicle_perception`` sees its own side of the car."""

from __future__ import annotations

import math
from typing import Any

import pytest

from edge_mm_ros.bench.scene_feed import SceneFeed
from edge_mm_ros.datatypes import Object3D, Objects
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.scenario_sensors import load_rig
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.params.system import load_system
from edge_mm_ros.pipelines.simulation import Simulator

FIELD_OF_VIEW_RAD = 1.2
PEOPLE = {  # by camera: the direction in which it looks, and who stands there
    "front/camera": (0.0, (10.0, 1.0)),
    "rear/camera": (math.pi, (-5.5, -0.8)),
    "left/camera": (math.pi / 2.0, (2.4, 5.0)),
    "right/camera": (-math.pi / 2.0, (1.5, -6.0)),
}
NEAR_M = {"with": 0.3, "without": 1.0}  # of the true place, with and without the LiDAR


def params_of(**changes: Any) -> SensorFusionParams:
    """The fusion of the shipped system."""
    node = next(n for n in load_system("vehicle_perception").nodes if n.node == "sensor_fusion")
    return validate(SensorFusionParams, {**node.parameters, **changes}, "vehicle_perception")


def scene(params: SensorFusionParams) -> Scenario:
    """The rig of the car with all four cameras, where the system says that they sit."""
    rig: list[dict[str, Any]] = [
        sensor.model_dump() for sensor in load_rig("vehicle").sensors if sensor.kind != "camera"
    ]
    for sensor in rig:
        if sensor["kind"] == "lidar":
            sensor["columns"] = 360  # for speed
    for number, camera in enumerate(params.cameras):
        place = params.camera_mounting[camera]
        rig.append(
            {
                "kind": "camera",
                "name": camera,
                "rate_hz": 10.0,
                "phase_s": 0.01 * number,
                "field_of_view_rad": FIELD_OF_VIEW_RAD,
                "place": {"xyz_m": place.xyz_m, "rpy_rad": place.rpy_rad},
                "delay_s": 0.08,
            }
        )
    actors = [
        {"name": camera, "kind": "person", "path": [{"t_s": 0.0, "xy_m": xy}]}
        for camera, (_, xy) in PEOPLE.items()
    ]
    values = {"name": "around", "duration_s": 1.5, "sensors": rig, "actors": actors}
    return validate(Scenario, values, "around")


@pytest.fixture(scope="module", params=["with", "without"])
def told(request: pytest.FixtureRequest) -> tuple[str, list[Objects]]:
    """What the fusion tells, with the LiDAR and without it."""
    params = params_of()
    records = list(Simulator(scene(params)).records())
    if request.param == "without":
        params = params_of(lidars=[], lidar_mounting={})
    objects: list[Objects] = []
    feed = SceneFeed(params, {}, on_objects=objects.append)
    for record in records:
        feed.take(record)
    return request.param, objects


def near(objects: Objects, xy_m: tuple[float, float], within_m: float) -> list[Object3D]:
    return [
        item
        for item in objects.objects
        if math.dist((float(item.position_m[0]), float(item.position_m[1])), xy_m) < within_m
    ]


def test_the_scene_asks_each_camera_alone() -> None:
    """By the directions in which the cameras look, nobody stands in the view of two."""
    params = params_of()
    assert set(params.cameras) == set(PEOPLE)
    for who, (_, (x, y)) in PEOPLE.items():
        for camera, (yaw, _) in PEOPLE.items():
            at = params.camera_mounting[camera].xyz_m
            bearing = math.atan2(y - at[1], x - at[0]) - yaw
            off = abs(math.remainder(bearing, 2.0 * math.pi))
            assert (off < FIELD_OF_VIEW_RAD / 2.0) == (camera == who)


@pytest.mark.parametrize("camera", PEOPLE)
def test_objects_come_from_every_camera(told: tuple[str, list[Objects]], camera: str) -> None:
    lidar, objects = told
    who = PEOPLE[camera][1]
    seen = [near(each, who, NEAR_M[lidar]) for each in objects]
    people = [item for items in seen for item in items if item.label == "person"]
    assert {source for item in people for source in item.sources if "camera" in source} == {
        f"camera:{camera}"
    }
    (last,) = near(objects[-1], who, NEAR_M[lidar])
    assert last.label == "person"
    assert ("lidar:top/lidar" in last.sources) == (lidar == "with")
    assert {item.track_id for item in people} == {last.track_id}
