"""A simulated scene played through the fusion, and through what it is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge_mm_ros.bench.scene_feed import SceneFeed
from edge_mm_ros.bench.sort_baseline import ProjectAndSort
from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    EdgeMmError,
    GroundTruth,
    Objects,
    Odometry,
    PointCloud,
)
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.params.system import load_system
from edge_mm_ros.pipelines.evaluation import Estimate
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
    player = _Player(params or fusion_params(scenario), baseline)
    for record in records:
        player.take(record)
    return player.played


class _Player:
    def __init__(self, params: SensorFusionParams, baseline: bool) -> None:
        self.played = Played()
        self._feed = SceneFeed(
            params, {}, on_objects=lambda objects: self._tell(self.played.estimates, objects)
        )
        self._params = params
        self._sort = ProjectAndSort(params.robot_frame) if baseline else None

    def take(self, record: Record) -> None:
        value = record.value
        if isinstance(value, GroundTruth):
            self.played.truths.append(value)
        elif isinstance(value, Odometry) and record.topic == self._params.odometry:
            self.played.odometry.append(value)
        if self._sort is not None:
            self._compare(self._sort, record)
        begun_s = time.perf_counter()
        self._feed.take(record)
        if isinstance(value, Detections):
            self.played.fuse_s.append(time.perf_counter() - begun_s)

    def _compare(self, sort: ProjectAndSort, record: Record) -> None:
        """Hand a record to the tracker that the fusion is compared with."""
        value, name = record.value, record.topic.rpartition("/")[0]
        if isinstance(value, Odometry):
            if record.topic == self._params.odometry:
                sort.add_odometry(value)
        elif isinstance(value, CameraCalibration):
            sort.set_calibration(name, value)
        elif isinstance(value, (PointCloud, Detections)):
            kind = "camera" if isinstance(value, Detections) else "lidar"
            place = self._params.mounting(kind, name)
            if place is None:
                return
            if isinstance(value, PointCloud):
                sort.add_cloud(value, place)
            else:
                self._tell(self.played.baseline, sort.track(name, value, place))

    @staticmethod
    def _tell(told: list[Estimate], objects: Objects) -> None:
        velocities = {
            item.track_id: item.velocity_mps
            for item in objects.objects
            if item.velocity_mps is not None
        }
        told.append(Estimate(objects, velocities))
