"""A simulated scene played through the watched fusion, on the clock of its arrivals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edge_mm_ros.bench.scene_feed import SceneFeed
from edge_mm_ros.datatypes import Coverage, InvalidInput, Objects, SensorState
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.sensor_fusion import SENSOR_KINDS, SensorFusionParams
from edge_mm_ros.pipelines.simulation import START_NS, Record, Simulator


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
        self._feed = SceneFeed(
            params_of(self.scenario, **self.more),
            {zone.name: zone.polygon_m for zone in self.scenario.zones},
            on_sensor=lambda state: self.faults.append((self.now_s, state)),
            on_objects=lambda objects: self.objects.append((self.now_s, objects)),
            on_coverage=lambda coverage: self.coverages.append((self.now_s, coverage)),
            on_refused=self._note_refused,
        )
        self.watched = self._feed.watched

    @property
    def now_s(self) -> float:
        return (self._feed.now_ns - START_NS) / 1e9

    def play(
        self, records: Iterable[Record] | None = None, seed: int = 0, until_s: float = 0.0
    ) -> WatchedScene:
        """Hand all records over when they arrive; time goes on until then, or `until_s`."""
        self._feed.run_to(START_NS)
        for record in Simulator(self.scenario, seed).records() if records is None else records:
            self._feed.take(record)
        self._feed.run_to(START_NS + round(until_s * 1e9))
        return self

    def fault_times(self, sensor: str) -> list[tuple[float, str]]:
        """When a sensor's fault changed, and to what."""
        return [(at, s.fault.value) for at, s in self.faults if s.sensor == sensor]

    def covered(self, zone: str, from_s: float, to_s: float) -> list[bool]:
        """What was told of a zone within a time."""
        told = [item.of(zone) for at, item in self.coverages if from_s <= at < to_s]
        return [entry.covered for entry in told if entry is not None]

    def look_at(self, now_ns: int) -> None:
        """Let the clock go on, and look at it."""
        self._feed.now_ns = max(self._feed.now_ns, now_ns)
        self.watched.tick()

    def _note_refused(self, record: Record, error: InvalidInput) -> None:
        self.refused.append((self.now_s, record.topic, error.kind))
