"""A simulated scene played through the watched fusion, on the clock of its arrivals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Coverage,
    Detections,
    InvalidInput,
    LaserScan,
    Objects,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
    SensorState,
)
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.sensor_fusion import SENSOR_KINDS, SensorFusionParams
from edge_mm_ros.pipelines.fusion.watched_fusion import WatchedFusion
from edge_mm_ros.pipelines.simulation import START_NS, Record, Simulator

TICK_NS = 50_000_000
_METHODS = {
    PointCloud: "add_cloud",
    LaserScan: "add_scan",
    RadarScan: "add_radar",
    RangeReading: "add_range",
    Detections: "fuse",
}


def params_of(scenario: Scenario, **more: Any) -> SensorFusionParams:
    """The fusion of a scenario's sensors, where they are said to sit."""
    values: dict[str, Any] = {"cameras": []}
    for kind in SENSOR_KINDS:
        sensors = [sensor for sensor in scenario.sensors if sensor.kind == kind]
        values[f"{kind}s"] = [sensor.name for sensor in sensors]
        values[f"{kind}_mounting"] = {
            sensor.name: {"xyz_m": sensor.place.xyz_m, "rpy_rad": sensor.place.rpy_rad}
            for sensor in sensors
        }
    values["odometry"] = next((s.name for s in scenario.sensors if s.kind == "odometry"), "")
    return SensorFusionParams.model_validate({**values, **more})


@dataclass
class WatchedScene:
    """What the watched fusion tells of a scenario; times are seconds from its begin.

    Attributes:
        scenario: the script.
        faults: when which sensor's state changed.
        coverages: what was told of the zones, and when.
        objects: what was told of objects, and when.
        refused: kinds of refusals by topic.
    """

    scenario: Scenario
    more: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[float, SensorState]] = field(default_factory=list)
    coverages: list[tuple[float, Coverage]] = field(default_factory=list)
    objects: list[tuple[float, Objects]] = field(default_factory=list)
    refused: list[tuple[float, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._now_ns = START_NS
        zones = {zone.name: zone.polygon_m for zone in self.scenario.zones}
        self.watched = WatchedFusion(
            params_of(self.scenario, **self.more),
            zones,
            lambda: self._now_ns,
            on_sensor=lambda state: self.faults.append((self.now_s, state)),
        )

    @property
    def now_s(self) -> float:
        return (self._now_ns - START_NS) / 1e9

    def play(
        self, records: Iterable[Record] | None = None, seed: int = 0, until_s: float = 0.0
    ) -> WatchedScene:
        """Hand all records over when they arrive; ticks go on until then, or `until_s`."""
        next_ns = START_NS
        for record in Simulator(self.scenario, seed).records() if records is None else records:
            while next_ns <= record.arrival_ns:
                next_ns = self._tick(next_ns)
            self._now_ns = record.arrival_ns
            self._take(record)
        while next_ns <= START_NS + round(until_s * 1e9):
            next_ns = self._tick(next_ns)
        return self

    def fault_times(self, sensor: str) -> list[tuple[float, str]]:
        """When a sensor's fault changed, and to what."""
        return [(at, s.fault.value) for at, s in self.faults if s.sensor == sensor]

    def covered(self, zone: str, from_s: float, to_s: float) -> list[bool]:
        """What was told of a zone within a time."""
        told = [item.of(zone) for at, item in self.coverages if from_s <= at < to_s]
        return [entry.covered for entry in told if entry is not None]

    def _tick(self, at_ns: int) -> int:
        self._now_ns = at_ns
        self.watched.tick()
        self._tell(with_objects=False)
        return at_ns + TICK_NS

    def _take(self, record: Record) -> None:
        value, fusion = record.value, self.watched.fusion
        name = record.topic.rpartition("/")[0]
        try:
            if isinstance(value, Odometry):
                fusion.add_odometry(value)
            elif isinstance(value, CameraCalibration):
                fusion.set_calibration(name, value, record.stamp_ns)
            elif type(value) in _METHODS:
                kind = next(s.kind for s in self.scenario.sensors if s.name == name)
                place = self.watched.params.mounting(kind, name)
                objects = getattr(fusion, _METHODS[type(value)])(name, value, place).objects
                self.objects.append((self.now_s, objects))
                self.watched.note_objects(objects)
                self._tell(with_objects=True)
        except InvalidInput as error:
            self.refused.append((self.now_s, record.topic, error.kind))

    def _tell(self, *, with_objects: bool) -> None:
        if self.watched.coverage_due(with_objects=with_objects):
            self.coverages.append((self.now_s, self.watched.coverage()))
