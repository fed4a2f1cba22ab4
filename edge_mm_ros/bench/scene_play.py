"""A simulated scene played through the fusion, and through what it is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_mm_ros.bench.sort_baseline import ProjectAndSort
from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    EdgeMmError,
    GroundTruth,
    InvalidInput,
    LaserScan,
    Objects,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
)
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.params.system import load_system
from edge_mm_ros.pipelines.evaluation import Estimate
from edge_mm_ros.pipelines.fusion.watched_fusion import WatchedFusion
from edge_mm_ros.pipelines.simulation import Record
from edge_mm_ros.pipelines.stamps import to_ns

SYSTEMS = ("simulated", "vehicle_simulated")
"""The systems that ship for the rigs of the scenarios."""
_NODE = "sensor_fusion"


@dataclass
class Played:
    """What came of one scene.

    Attributes:
        estimates: the fusion's objects, whenever its node would tell them.
        baseline: those of the tracker that it is compared with.
        truths: what really was.
        odometry: where the robot believed to be.
        fuse_s: how long the fusion took for each picture.
    """

    estimates: list[Estimate] = field(default_factory=list)
    baseline: list[Estimate] = field(default_factory=list)
    truths: list[GroundTruth] = field(default_factory=list)
    odometry: list[Odometry] = field(default_factory=list)
    fuse_s: list[float] = field(default_factory=list)


def fusion_params(scenario: Scenario) -> SensorFusionParams:
    """The parameters of the shipped system for a scenario's rig.

    Raises:
        EdgeMmError: no system has the scenario's cameras and LiDARs.
    """
    there = {sensor.name for sensor in scenario.sensors if sensor.kind in ("camera", "lidar")}
    for name in SYSTEMS:
        for node in load_system(name).nodes:
            if node.node != _NODE:
                continue
            params = validate(SensorFusionParams, node.parameters, f"system {name}: {_NODE}")
            if there == {*params.cameras, *params.lidars}:
                return params
    raise EdgeMmError(
        f"scenario '{scenario.name}': none of the systems {', '.join(SYSTEMS)} has its cameras and "
        f"LiDARs: {', '.join(sorted(there))}"
    )


def delayed(records: Sequence[Record], sensor: str, delay_s: float) -> list[Record]:
    """The records in the order in which they would arrive, were one sensor's later."""

    def arrival(record: Record) -> int:
        late = record.topic.startswith(f"{sensor}/")
        return record.arrival_ns + (to_ns(delay_s) if late else 0)

    return sorted(records, key=arrival)


def play(
    scenario: Scenario,
    records: Iterable[Record],
    params: SensorFusionParams | None = None,
    *,
    baseline: bool = True,
) -> Played:
    """Hand the records over in their order, as the node would.

    What the fusion refuses is left out, as in the node.
    """
    player = _Player(scenario, params or fusion_params(scenario), baseline)
    for record in records:
        player.take(record)
    return player.played


class _Player:
    def __init__(self, scenario: Scenario, params: SensorFusionParams, baseline: bool) -> None:
        self.played = Played()
        self._now_ns = 0
        self._told_ns = 0
        self._watched = WatchedFusion(params, {}, lambda: self._now_ns)
        fusion = self._watched.fusion
        self._take: dict[type, Callable[..., Any]] = {
            Detections: fusion.fuse,
            PointCloud: fusion.add_cloud,
            RadarScan: fusion.add_radar,
            LaserScan: fusion.add_scan,
            RangeReading: fusion.add_range,
        }
        self._params = params
        self._sensors = {sensor.name: sensor for sensor in scenario.sensors}
        self._sort = ProjectAndSort(params.robot_frame) if baseline else None

    def take(self, record: Record) -> None:
        self._now_ns = max(self._now_ns, record.arrival_ns)
        value = record.value
        if isinstance(value, GroundTruth):
            self.played.truths.append(value)
            self._watched.tick()
        elif isinstance(value, Odometry) and record.topic == self._params.odometry:
            self.played.odometry.append(value)
            if self._sort is not None:
                self._sort.add_odometry(value)
            self._try(lambda: self._watched.fusion.add_odometry(value))
        elif sensor := self._sensors.get(record.topic.rpartition("/")[0]):
            self._measure(sensor.kind, sensor.name, record)

    def _measure(self, kind: str, name: str, record: Record) -> None:
        value = record.value
        if isinstance(value, CameraCalibration):
            self._watched.fusion.set_calibration(name, value, record.stamp_ns)
            if self._sort is not None:
                self._sort.set_calibration(name, value)
            return
        place = self._params.mounting(kind, name)
        if place is None:
            return
        if self._sort is not None and isinstance(value, PointCloud):
            self._sort.add_cloud(value, place)
        if self._sort is not None and isinstance(value, Detections):
            self._tell(self.played.baseline, self._sort.track(name, value, place))
        begun_s = time.perf_counter()
        result = self._try(lambda: self._take[type(value)](name, value, place))
        if kind == "camera":
            self.played.fuse_s.append(time.perf_counter() - begun_s)
        if result is not None and (kind == "camera" or self._due(result.objects.stamp_ns)):
            self._told_ns = result.objects.stamp_ns
            self._watched.note_objects(result.objects)
            self._tell(self.played.estimates, result.objects)

    def _due(self, stamp_ns: int) -> bool:
        since_ns = stamp_ns - self._told_ns
        return since_ns < 0 or since_ns >= to_ns(self._params.objects_period_s)

    @staticmethod
    def _try(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except InvalidInput:
            return None

    @staticmethod
    def _tell(told: list[Estimate], objects: Objects) -> None:
        velocities = {
            item.track_id: item.velocity_mps
            for item in objects.objects
            if item.velocity_mps is not None
        }
        told.append(Estimate(objects, velocities))
